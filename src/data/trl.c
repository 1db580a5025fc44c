/* trl.c - the same rows for TRL: JSON Lines and the Python script that trains on them. The only Python that fettle writes. */
#include "data/recipe.h"

void recipe_put_rows(buf *out, const example *examples, size_t count) {
    for (size_t i = 0; i < count; i++) {
        json_writer w = json_writer_on(out, false);
        example_put_json(&w, &examples[i]);
        buf_put_char(out, '\n');
    }
}

static const char head[] = "# Trains on rows that fettle wrote. Needs: pip install trl datasets\n"
                           "# Usage: python this.py [--model NAME] [--rows FILE] [--output FOLDER]\n"
                           "import argparse\n"
                           "\n"
                           "import torch\n"
                           "from datasets import load_dataset\n"
                           "from transformers import AutoTokenizer\n"
                           "from trl import %s, %s\n"
                           "\n"
                           "parser = argparse.ArgumentParser()\n"
                           "parser.add_argument(\"--model\", default=";

static const char middle[] = "parser.add_argument(\"--output\", default=\"trained\")\n"
                             "%s"
                             "args = parser.parse_args()\n"
                             "gpu = torch.cuda.is_available()\n"
                             "\n"
                             "rows = load_dataset(\"json\", data_files=args.rows, split=\"train\")\n"
                             "rows = rows.select_columns([c for c in %s if c in rows.column_names])\n"
                             "\n"
                             "trainer = %s(\n"
                             "    model=args.model,\n"
                             "%s"
                             "    args=%s(output_dir=args.output, bf16=gpu, use_cpu=not gpu),\n"
                             "    train_dataset=rows,\n"
                             ")\n"
                             "trainer.train()\n"
                             "trainer.save_model(args.output)\n";

static const struct {
    const char *config, *trainer, *columns, *arguments, *more;
} scripts[TARGET_COUNT] = {
    [TARGET_SFT] = {"SFTConfig", "SFTTrainer", "[\"messages\", \"prompt\", \"completion\"]", "", ""},
    [TARGET_PAIRS] = {"DPOConfig", "DPOTrainer", "[\"prompt\", \"chosen\", \"rejected\"]", "", ""},
    [TARGET_LABELLED] = {"KTOConfig", "KTOTrainer", "[\"prompt\", \"completion\", \"label\"]", "", ""},
    [TARGET_PROMPTS] = {"GRPOConfig", "GRPOTrainer", "[\"prompt\"]",
                        "parser.add_argument(\"--reward-model\", required=True, help=\"a sequence classification model\")\n",
                        "    reward_funcs=args.reward_model,\n"},
};

/* JSON's quotes and escapes are Python's too. */
static void put_quoted(buf *out, const char *text) { json_quote(out, str_of(text)); }

/* Older trainers do not find the tokenizer by the name of the model: it is given to all. */
void recipe_put_trl(buf *out, recipe_target as, const char *rows, const char *model) {
    buf_printf(out, head, scripts[as].config, scripts[as].trainer);
    put_quoted(out, model);
    buf_put_text(out, ")\nparser.add_argument(\"--rows\", default=");
    put_quoted(out, rows);
    buf_put_text(out, ")\n");
    buf_printf(out, middle, scripts[as].arguments, scripts[as].columns, scripts[as].trainer, scripts[as].more,
               scripts[as].config);
}
