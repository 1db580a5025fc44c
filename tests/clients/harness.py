"""EleutherAI's lm-evaluation-harness, unmodified, asks a served model: choices, rolling log-likelihoods and short answers.

    build/venv-lm-eval/bin/python tests/clients/harness.py build/fettle        minutes; needs build/starter/smollm2.gguf

Its tasks lie in a folder of this test's making, so nothing is fetched. What it reads as log-likelihoods is held against the
program's own (`fettle probe logits`) on the very tokens that the harness sent."""
import functools, glob, json, os, subprocess, sys

from common import check, run

STARTER = os.path.abspath("build/starter/smollm2.gguf")
ROWS = [("The capital of France is", ["Paris", "Berlin", "a fork"], 0), ("The opposite of hot is", ["purple", "cold", "warm"], 1),
        ("A week has seven", ["months", "days", "hours"], 1), ("Cows give us", ["milk", "bricks", "letters"], 0),
        ("At night the sky is", ["green", "dark", "wet"], 1), ("Water freezes at zero degrees", ["Celsius", "kilograms", "Sunday"], 0)]
TASKS = {
    "choice": 'output_type: multiple_choice\ndoc_to_text: "{{q}}"\ndoc_to_target: gold\ndoc_to_choice: choices\n'
              "metric_list:\n  - metric: acc\n",
    "rolling": 'output_type: loglikelihood_rolling\ndoc_to_text: ""\ndoc_to_target: "{{q}} {{choices[gold]}}."\n'
               "metric_list:\n  - metric: word_perplexity\n",
    "short": 'output_type: generate_until\ndoc_to_text: "{{q}}"\ndoc_to_target: "{{choices[gold]}}"\n'
             'generation_kwargs:\n  until: ["\\n", "."]\n  max_gen_toks: 8\nmetric_list:\n  - metric: exact_match\n',
}


def program(*words, text=None):
    done = subprocess.run(words, input=text, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, f"{words[:3]} ended with {done.returncode}: {done.stderr[-2000:]}"
    return done.stdout


def prepare(s):
    """The tasks, the tokenizer as the harness wants it, and the model's name at the server."""
    tasks, words = os.path.join(s.home, "tasks"), os.path.join(s.home, "words")
    if os.path.exists(tasks):
        return tasks, words
    os.mkdir(tasks)
    with open(os.path.join(tasks, "rows.jsonl"), "w") as f:
        f.writelines(json.dumps({"q": q, "choices": c, "gold": g}) + "\n" for q, c, g in ROWS)
    for name, body in TASKS.items():
        with open(os.path.join(tasks, name + ".yaml"), "w") as f:
            f.write(f"task: fettle_{name}\ndataset_path: json\ndataset_kwargs:\n  data_files:\n    validation: "
                    f"{tasks}/rows.jsonl\nvalidation_split: validation\n{body}")
    program(s.program, "model", "export", STARTER, "--to", "hf", "--out", words)
    os.remove(os.path.join(words, "model.safetensors"))
    program(s.program, "model", "add", "smollm2", STARTER)
    return tasks, words


@functools.cache
def evaluate(s, batch, together):
    """The harness by its own command; {task: (results, samples)}."""
    tasks, words = prepare(s)
    out = os.path.join(s.home, f"out-{batch}-{together}")
    command = os.path.join(os.path.dirname(sys.executable), "lm_eval")
    program(command, "run", "--model", "local-completions", "--model_args",
        f"model=smollm2,base_url={s.url}/v1/completions,tokenizer_backend=huggingface,tokenizer={words},"
        f"num_concurrent={together},max_retries=1", "--batch_size", str(batch), "--tasks", ",".join("fettle_" + t for t in TASKS),
        "--include_path", tasks, "--output_path", out, "--log_samples")
    results = json.load(open(glob.glob(out + "/**/results_*.json", recursive=True)[0]))["results"]
    read = lambda t: [json.loads(line) for line in open(glob.glob(f"{out}/**/samples_fettle_{t}_*.jsonl", recursive=True)[0])]
    return {t: (results["fettle_" + t], sorted(read(t), key=lambda x: x["doc_id"])) for t in TASKS}


def own(s, texts):
    """Of each (context, continuation): the log-probability of the continuation by the program itself."""
    probe = lambda what, lines, *more: [json.loads(x) for x in program(s.program, "probe", what, "--model", STARTER, *more,
                                                                   text="".join(json.dumps(x) + "\n" for x in lines)).splitlines()]
    whole = [x["ids"] for x in probe("tokens", [{"text": a + b} for a, b in texts])]
    before = [len(x["ids"]) if a else 1 for (a, b), x in zip(texts, probe("tokens", [{"text": a or "x"} for a, b in texts]))]
    logp = [x["logp"] for x in probe("logits", [{"ids": ids} for ids in whole], "--dtype", "bfloat16") if "logp" in x]
    return [sum(x[n - 1:]) for x, n in zip(logp, before)]


@check
def choices_have_the_programs_own_log_likelihoods(s):
    results, samples = evaluate(s, 1, 1)["choice"]
    told = [float(r[0][0]) for x in samples for r in x["resps"]]
    texts = [(q, " " + c) for q, choices, _ in ROWS for c in choices]
    for (q, c), a, b in zip(texts, told, own(s, texts)):
        assert abs(a - b) < 0.1, f"{q}{c}: {a} at the harness, {b} by probe"
    assert results["acc,none"] > 0.6, results


@check
def many_at_once_say_what_one_at_a_time_says(s):
    one, many = evaluate(s, 1, 1), evaluate(s, 4, 4)
    for task in ("choice", "rolling"):
        for a, b in zip(one[task][1], many[task][1]):
            for x, y in zip(a["resps"], b["resps"]):
                x, y = (float(v[0][0] if isinstance(v[0], list) else v[0]) for v in (x, y))
                assert abs(x - y) < 0.1, f"{task} {a['doc_id']}: {x}, then {y}"
    assert one["rolling"][0]["word_perplexity,none"] > 1


@check
def short_answers_end_where_they_should(s):
    for x in evaluate(s, 1, 1)["short"][1]:
        text = x["resps"][0][0]
        assert text.strip() and "\n" not in text and "." not in text, repr(text)


def with_key(s):
    os.environ.update(OPENAI_API_KEY=s.key, FETTLE_HOME=s.home, HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1", TQDM_DISABLE="1")
    return s


run(with_key)
