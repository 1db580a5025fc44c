"""Real clients: what transformers, peft and gguf read and compute must be what fettle writes and computes.

For each family a tiny random model and a byte-level tokenizer are made by transformers itself; then both programs get the
same question. Prints TAP: a plan, and one line per check."""
import json, os, shutil, subprocess, sys, tempfile, traceback
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (AutoModelForCausalLM, AutoModelForSequenceClassification, AutoModelForTokenClassification, AutoTokenizer, GPT2Config, LlamaConfig, PreTrainedTokenizerFast, Qwen2Config)

FETTLE = os.path.abspath(sys.argv[1])
STARTER = os.path.abspath("build/starter/smollm2.gguf")
TEXT = ["The quick brown fox jumps over the lazy dog.", "Zwölf Boxkämpfer jagen Viktor quer über den Sylter Deich.",
        "1234567890 + 3.14 = ?", "  spaces   and\ttabs\n\nand lines", "日本語のテキスト, emoji 😀👩‍👩‍👧, e\u0301", "it's we'll I'D"]
TEMPLATE = ("{% for m in messages %}<|{{ m.role }}|>\n{% if m.role == 'assistant' %}{% generation %}{{ m.content }}{{ eos_token }}"
            "{% endgeneration %}{% else %}{{ m.content }}\n{% endif %}{% endfor %}{% if add_generation_prompt %}<|assistant|>\n{% endif %}")
ROPE = {"rope_type": "llama3", "rope_theta": 10000.0, "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 64}
FAMILIES = {
    "llama": lambda v: LlamaConfig(vocab_size=v, hidden_size=48, intermediate_size=80, num_hidden_layers=3, num_attention_heads=6,
                                   num_key_value_heads=2, max_position_embeddings=256, tie_word_embeddings=True),
    "llama3": lambda v: LlamaConfig(vocab_size=v, hidden_size=32, intermediate_size=56, num_hidden_layers=2, num_attention_heads=4,
                                    num_key_value_heads=4, max_position_embeddings=256, tie_word_embeddings=False, rope_parameters=ROPE),
    "qwen2": lambda v: Qwen2Config(vocab_size=v, hidden_size=40, intermediate_size=72, num_hidden_layers=2, num_attention_heads=4,
                                   num_key_value_heads=2, max_position_embeddings=256, tie_word_embeddings=False),
    "gpt2": lambda v: GPT2Config(vocab_size=v, n_embd=32, n_layer=2, n_head=4, bos_token_id=0, eos_token_id=0),
}


def make_tokenizer(folder):
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.decoder = decoders.ByteLevel()
    t.train_from_iterator(TEXT * 20, trainers.BpeTrainer(vocab_size=400, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
                                                         special_tokens=["<|end|>", "<|pad|>"], show_progress=False))
    fast = PreTrainedTokenizerFast(tokenizer_object=t, eos_token="<|end|>", pad_token="<|pad|>")
    fast.chat_template = TEMPLATE
    fast.save_pretrained(folder)
    return fast


def make_model(family, folder):
    torch.manual_seed(len(family))
    tokenizer = make_tokenizer(folder)
    config = FAMILIES[family](len(tokenizer))
    config.eos_token_id = config.bos_token_id = tokenizer.eos_token_id
    model = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():  # norms and biases away from one and zero, so that a forgotten one shows
        for p in model.parameters():
            p.add_(torch.randn_like(p) * 0.05)
    model.save_pretrained(folder)
    return model.eval(), tokenizer


def fettle(*arguments, lines=None):
    run = subprocess.run([FETTLE, *map(str, arguments)], capture_output=True, text=True, timeout=600,
                         input=None if lines is None else "".join(json.dumps(l) + "\n" for l in lines))
    if run.returncode:
        raise RuntimeError(f"fettle {' '.join(map(str, arguments))} ended with {run.returncode}: {run.stderr[-800:]}{run.stdout[-400:]}")
    return run.stdout


def answers(*arguments, lines):
    return [json.loads(l) for l in fettle(*arguments, lines=lines).splitlines()]


def near(what, ours, theirs, tolerance):
    difference = (ours.double() - theirs.double()).abs().max().item()
    if not difference <= tolerance:
        raise AssertionError(f"{what}: largest difference {difference:.3g}, allowed {tolerance:g}")


def logits_of(folder, ids, work, *more):
    out = os.path.join(work, "logits.safetensors")
    result = answers("probe", "logits", "--model", folder, "--out", out, *more, lines=[{"ids": i} for i in ids])
    return load_file(out), result[-1]


def their_logits(model, ids):
    with torch.no_grad():
        return [model(torch.tensor([i])).logits[0].float() for i in ids]


def same_logits(folder, model, ids, work, tolerance, *more):
    ours, _ = logits_of(folder, ids, work, *more)
    for n, theirs in enumerate(their_logits(model, ids)):
        near(f"logits of sequence {n}", ours[f"logits.{n}"], theirs, tolerance)


def check_tokens(c):
    got = answers("probe", "tokens", "--model", c.folder, lines=[{"text": t} for t in TEXT])
    want = [c.tokenizer(t, add_special_tokens=False)["input_ids"] for t in TEXT]
    assert [g["ids"] for g in got] == want, "token ids differ"
    back = answers("probe", "tokens", "--model", c.folder, lines=[{"ids": i} for i in want])
    assert [b["text"] for b in back] == [c.tokenizer.decode(i) for i in want], "decoded text differs"


def check_chat(c):
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello, you."}, {"role": "user", "content": "Bye"}]
    for prompt in (False, True):
        got = answers("probe", "chat", "--model", c.folder, lines=[{"messages": messages, "add_generation_prompt": prompt}])[0]
        want = c.tokenizer.apply_chat_template(messages, tokenize=True, return_dict=True, return_assistant_tokens_mask=True,
                                               add_generation_prompt=prompt)
        assert got["ids"] == list(want["input_ids"]), "ids of the chat differ"
        assert got["trained"] == list(want["assistant_masks"]), "trained tokens of the chat differ"


def check_logits(c):
    same_logits(c.folder, c.model, c.ids, c.work, 1e-4)


def check_gradients(c):
    ours, result = logits_of(c.folder, c.ids, c.work, "--grad")
    c.model.zero_grad()
    total = sum(len(i) - 1 for i in c.ids)
    loss = sum(torch.nn.functional.cross_entropy(c.model(torch.tensor([i])).logits[0, :-1].float(), torch.tensor(i[1:]), reduction="sum")
               for i in c.ids) / total
    loss.backward()
    near("loss", torch.tensor(result["loss"]), loss.detach(), 1e-5)
    for name, p in c.model.named_parameters():
        near(name, ours["grad." + name], p.grad, 1e-4 * max(1, p.grad.abs().max().item()))


def write_rows(c):
    path = os.path.join(c.work, "rows.jsonl")
    with open(path, "w") as f:
        for t in TEXT * 2:
            f.write(json.dumps({"prompt": t[:8], "completion": t[8:]}) + "\n")
    return path


def train(c, name, *more):
    out = os.path.join(c.work, name)
    fettle("train", "sft", "--base", c.folder, "--data", write_rows(c), "--output", out, "--dtype", "float32", "--max-steps", 3,
           "--learning-rate", "1e-2", *more)
    return os.path.join(out, "model")


def check_trained_folder(c):
    folder = train(c, "full")
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    moved = max((a - b).abs().max().item() for a, b in zip(model.parameters(), c.model.parameters()))
    assert moved > 1e-3, "training changed nothing"
    assert AutoTokenizer.from_pretrained(folder)(TEXT[1])["input_ids"] == c.tokenizer(TEXT[1])["input_ids"]
    same_logits(folder, model, c.ids, c.work, 1e-4)


def check_trained_adapter(c):
    from peft import PeftModel
    folder = train(c, "lora", "--use-peft", "--lora-r", 4, "--lora-alpha", 8)
    base = AutoModelForCausalLM.from_pretrained(c.folder, dtype=torch.float32).eval()
    model = PeftModel.from_pretrained(base, folder).eval()
    difference = max((a - b).abs().max().item() for a, b in zip(their_logits(model, c.ids), their_logits(c.model, c.ids)))
    assert difference > 1e-3, "the adapter changes nothing"
    same_logits(c.folder, model, c.ids, c.work, 1e-4, "--adapter", folder)
    same_logits(c.folder, model, c.ids, c.work, 1e-4, "--adapter", folder, "--merged")


def write_pairs(c):
    path = os.path.join(c.work, "pairs.jsonl")
    with open(path, "w") as f:
        for t in TEXT * 2:
            f.write(json.dumps({"prompt": t[:8], "chosen": t[8:20], "rejected": t[20:]}) + "\n")
    return path


def write_steps(c):
    path = os.path.join(c.work, "steps.jsonl")
    with open(path, "w") as f:
        for n, t in enumerate(TEXT * 2):
            f.write(json.dumps({"prompt": t[:8], "completions": [t[8:16], t[16:24]], "labels": [True, n % 3 > 0]}) + "\n")
    return path


def train_head(c, objective, data, name, *more):
    out = os.path.join(c.work, name)
    fettle("train", objective, "--base", c.folder, "--data", data, "--output", out, "--dtype", "float32", "--max-steps", 3,
           "--learning-rate", "1e-2", *more)
    return os.path.join(out, "model")


def same_scores(folder, model, c, labels, *more):
    ours = answers("probe", "labels", "--model", folder, *more, lines=[{"ids": i} for i in c.ids])
    with torch.no_grad():
        for n, (mine, ids) in enumerate(zip(ours, c.ids)):
            theirs = model(torch.tensor([ids])).logits[0].float()
            near(f"what the head says of sequence {n}", torch.tensor(mine["labels"] if labels else [mine["score"]]), theirs, 1e-4)


def check_reward_folder(c):
    folder = train_head(c, "reward", write_pairs(c), "reward")
    model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()
    assert model.config.num_labels == 1, "a reward model has one output"
    same_scores(folder, model, c, False)


def check_reward_adapter(c):
    from peft import PeftModel
    folder = train_head(c, "reward", write_pairs(c), "reward-lora", "--use-peft", "--lora-r", 4)
    base = AutoModelForSequenceClassification.from_pretrained(c.folder, num_labels=1, dtype=torch.float32).eval()
    base.config.pad_token_id = c.tokenizer.pad_token_id
    same_scores(c.folder, PeftModel.from_pretrained(base, folder).eval(), c, False, "--adapter", folder)
    merged = os.path.join(c.work, "reward-merged")
    fettle("model", "export", f"{c.folder}:{folder}", "--to", "hf", "--type", "f32", "--out", merged)
    same_scores(merged, AutoModelForSequenceClassification.from_pretrained(merged, dtype=torch.float32).eval(), c, False)


def check_prm_folder(c):
    folder = train_head(c, "prm", write_steps(c), "prm")
    same_scores(folder, AutoModelForTokenClassification.from_pretrained(folder, dtype=torch.float32).eval(), c, True)


def check_gguf(c):
    path = os.path.join(c.work, "exported", "model.gguf")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    fettle("model", "export", c.folder, "--to", "gguf", "--type", "f32", "--out", path)
    if c.family != "llama3":  # transformers leaves out rope_freqs.weight, where llama.cpp keeps the llama3 scaling
        model = AutoModelForCausalLM.from_pretrained(os.path.dirname(path), gguf_file="model.gguf", dtype=torch.float32).eval()
        for n, (a, b) in enumerate(zip(their_logits(model, c.ids), their_logits(c.model, c.ids))):
            near(f"logits of sequence {n} through the GGUF file", a, b, 1e-4)
    same_logits(path, c.model, c.ids, c.work, 1e-4)
    back = os.path.join(c.work, "back")
    fettle("model", "export", path, "--to", "hf", "--type", "f32", "--out", back)
    model = AutoModelForCausalLM.from_pretrained(back, dtype=torch.float32).eval()
    for n, (a, b) in enumerate(zip(their_logits(model, c.ids), their_logits(c.model, c.ids))):
        near(f"logits of sequence {n} there and back", a, b, 1e-4)


def check_starter(c):
    model = AutoModelForCausalLM.from_pretrained(os.path.dirname(STARTER), gguf_file=os.path.basename(STARTER), dtype=torch.float32).eval()
    tokens = answers("probe", "tokens", "--model", STARTER, lines=[{"text": t} for t in TEXT[:3]])
    same_logits(STARTER, model, [t["ids"] for t in tokens], c.work, 1e-3)


class Case:
    def __init__(self, family, work):
        self.family, self.work, self.folder = family, work, os.path.join(work, "model")
        os.makedirs(self.folder)
        self.model, self.tokenizer = make_model(family, self.folder)
        self.ids = [self.tokenizer(t, add_special_tokens=False)["input_ids"][:60] for t in TEXT]


CHECKS = [check_tokens, check_chat, check_logits, check_gradients, check_trained_folder, check_trained_adapter, check_reward_folder,
          check_reward_adapter, check_prm_folder, check_gguf]


def report(number, name, check, case):
    try:
        check(case)
        print(f"ok {number} - {name}", flush=True)
        return True
    except Exception as e:
        print(f"not ok {number} - {name}\n# " + (str(e) or traceback.format_exc()).replace("\n", "\n# "), flush=True)
        return False


def main():
    number = bad = 0
    print(f"1..{len(FAMILIES) * len(CHECKS) + 1}", flush=True)
    top = tempfile.mkdtemp(prefix="fettle-clients-")
    os.environ["FETTLE_HOME"] = os.path.join(top, "home")
    for family in FAMILIES:
        work = os.path.join(top, family)
        os.makedirs(work)
        case = Case(family, work)
        for check in CHECKS:
            number += 1
            bad += not report(number, f"{family}_{check.__name__}", check, case)
    number += 1
    case.work = top
    if os.path.exists(STARTER):
        bad += not report(number, "starter_logits", check_starter, case)
    else:
        print(f"ok {number} - starter_logits # SKIP {STARTER} is not there")
    shutil.rmtree(top)
    sys.exit(bad > 0)


main()
