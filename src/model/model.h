/* model.h - a language model: files in, hidden states and log-probabilities out, files out.
 *
 * A *family* (family_llama.c ...) is a row: how its config reads, what its tensors are called in Hugging Face folders and in
 * GGUF, and its forward function written in op_* calls (tensor.h); everything else here is the same for all.
 *
 *      folder or .gguf ── model_open ──► model ── model_forward(tape, batch) ──► hidden [T, D] ── op_logp / model_logits
 *                                          │
 *                         adapter (LoRA) ──┘   several adapters beside one base, chosen per forward pass
 */
#ifndef FETTLE_MODEL_MODEL_H
#define FETTLE_MODEL_MODEL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "base/str.h"
#include "tensor/tensor.h"
#include "text/text.h"

/* ---- config -------------------------------------------------------------------------------------------------------------- */

/*     token           transformers' rope_type */
#define ROPE_KINDS(X)                                                                                                            \
    X(ROPE_DEFAULT, "default")                                                                                                   \
    X(ROPE_LINEAR, "linear")                                                                                                     \
    X(ROPE_LLAMA3, "llama3")

typedef enum {
#define X(token, name) token,
    ROPE_KINDS(X)
#undef X
        ROPE_NONE
} rope_kind;

typedef struct {
    rope_kind kind;
    double theta, factor, low_freq_factor, high_freq_factor;
    int original_positions;
    double partial; /* share of a head that is rotated */
} rope_config;

typedef struct family family;

/* What stands on the last hidden state. Names are those of transformers: a class is called LlamaForCausalLM, PEFT calls it by its task.
 *     token        class ends in                 task         pipeline (of a model card)  words */
#define HEADS(X)                                                                                                                 \
    X(HEAD_WRITES, "ForCausalLM", "CAUSAL_LM", "text-generation", "a language model")                                            \
    X(HEAD_SCORES, "ForSequenceClassification", "SEQ_CLS", "text-classification", "a reward model") /* at its last token */      \
    X(HEAD_LABELS, "ForTokenClassification", "TOKEN_CLS", "token-classification", "a classifier of tokens")

typedef enum {
#define X(token, class, task, pipeline, words) token,
    HEADS(X)
#undef X
        HEAD_COUNT
} head_kind;

/* What the forward functions and the file writers need; one struct for all families, absent members 0. */
typedef struct {
    const family *family;
    const char *model_type; /* "llama" */
    int vocab, hidden, layers, heads, kv_heads, head_dim, ffn, positions;
    float norm_eps;
    activation_kind activation;
    rope_config rope;
    bool tied, qkv_bias, out_bias, mlp_bias;
    int bos, eos[8], eos_count, pad; /* -1: none */
    head_kind head;
    int labels;   /* outputs of a head that scores or labels */
    json *source; /* config.json as it was read (NULL when the file was a GGUF) */
} model_config;

/* ---- families ------------------------------------------------------------------------------------------------------------- */

/* A kind of tensor in a family. `name` may contain one %d: the layer. */
typedef struct {
    const char *name; /* "model.layers.%d.self_attn.q_proj.weight" */
    const char *gguf; /* "blk.%d.attn_q.weight" */
    const char *rows,
        *cols; /* sizes by name: "vocab", "hidden", "heads*d", "kv*d", "ffn", "positions", "3*hidden"; "1" rows = vector */
    bool (*present)(const model_config *c); /* NULL: always */
    bool transposed;                        /* stored [in, out] in the folder (Conv1D); our weights are [out, in] */
    bool permuted;                          /* rows of each head are reordered in GGUF (llama's q and k) */
    bool adaptable;                         /* a linear layer that LoRA's all-linear means */
    bool default_target;                    /* what PEFT adapts when nothing is said */
} tensor_form;

typedef struct model model;
typedef struct adapter adapter;

/* The rows of a batch that go through the model. */
typedef struct {
    const int32_t *ids; /* [T] */
    const layout *layout;
} model_batch;

struct family {
    const char *name;               /* "llama" */
    const char *const *model_types; /* NULL-terminated: values of config.json's model_type */
    const char *const *gguf_types;  /* values of general.architecture */
    const tensor_form *tensors;     /* ended by a row without a name */
    const char *const *skipped;     /* endings of names of buffers in old files, NULL-terminated */
    const char *prefix;             /* of names, which old files leave out; NULL: none */
    const char *token_head;         /* what a head that labels tokens is called; NULL: score */
    bool counts_first_label;        /* transformers does not know that this family's loss shifts the labels: as a divisor it
                                       counts that of position 0 too, which nothing predicts */
    bool (*read_config)(const json *config, model_config *c, arena *a, err *e);
    void (*write_config)(json_writer *w, const model_config *c); /* members of config.json, transformers 5 spelling */
    /* hidden state after the last norm, [T, hidden] */
    tensor *(*forward)(const model *m, tape *t, const model_batch *b, const adapter *ad);
};

#define FAMILIES(X) X(llama) X(qwen2) X(gpt2)
#define X(name)     extern const family family_##name;
FAMILIES(X)
#undef X
const family *const *family_list(int *count);
const family *family_of_type(const char *model_type); /* NULL: none; see family_names for the message */
const family *family_of_gguf(const char *architecture);
const char *family_names(arena *a); /* "llama, qwen2, gpt2" */

/* ---- weights of a model ------------------------------------------------------------------------------------------------------ */

typedef struct {
    const tensor_form *form;
    int layer;         /* -1: not in a layer */
    char *module_name; /* as the family's table says it; PEFT's names are made from it */
    char *name;        /* as in the folder, which may leave the family's prefix out */
    weight *w;         /* matrices are [out, in] */
} parameter;

struct model {
    arena *arena;
    backend *backend;
    model_config config;
    const char *path;      /* folder or .gguf file */
    parameter *parameters; /* one per tensor of the file, tied ones once */
    int count;
    weight ***slot;             /* [forms][layers or 1]: how the forward functions find them; see model_weight */
    weight *head, *head_bias;   /* output matrix [V, D]: the embedding's own when tied; NULL where config.head does not write */
    weight *score, *score_bias; /* [labels, D]; NULL where it writes; the bias NULL where it scores */
    tokenizer *tokenizer;       /* NULL when the folder has none */
    chat_template *chat;        /* NULL when there is none */
    json *generation;           /* generation_config.json or NULL */
    sha256_text *hash;          /* of the weight files, filled by model_hash */
    float *rope_frequency;      /* [head_dim/2] */
    rope_table rope;
    storage_type stored;  /* main type of the file's matrices */
    compute_type compute; /* as it was opened */
    bool measured;        /* sizes only */
};

typedef struct {
    compute_type compute;      /* also decides the packed type: float32 or bfloat16 */
    bool keep_blocks;          /* matrices stored as Q8_0, Q4_0, Q4_1 stay in blocks (frozen bases, generation) */
    bool train;                /* every parameter gets master copy and gradient */
    bool measure;              /* sizes only: no values are read, weight->packed stays NULL */
    bool no_text;              /* leave tokenizer and template alone */
    const char *chat_template; /* file or named template instead of the model's own; NULL: its own */
    /* HEAD_WRITES: what the folder holds. Else this head: the folder's own, or a new one of `labels` outputs in place of the one that
     * writes (normal, deviation 0.02, from `seed`). */
    head_kind head;
    int labels;
    uint64_t seed;
} model_options;

/* PATH: a Hugging Face folder or a GGUF file. The model lives in the arena. Errors name file, tensor, and what was expected. */
model *model_open(arena *a, backend *b, const char *path, const model_options *o, err *e);

/* Whether the config of a folder or GGUF file is one that we can read, its family among ours; reads no weights. A folder without
 * config.json (text alone, an adapter) passes. */
bool model_is_known(const char *path, err *e);

/* Only the tokenizer and chat template of a folder (config and weights need not be there) or GGUF file; no weights, no config. */
model *model_open_text(arena *a, const char *path, const model_options *o, err *e);

/* A new model with random weights (GPT-2's initialisation: normal 0.02), for tests and for the adventurous. config: as in config.json. */
model *model_new(arena *a, backend *b, const json *config, uint64_t seed, const model_options *o, err *e);

/* Writes a Hugging Face folder: config.json, model.safetensors (type f32 or bf16, one file or shards of at most
 * shard_bytes with index; 0: one), tokenizer.json, tokenizer_config.json, chat_template.jinja, generation_config.json.
 * merged: this adapter's product is added to the weights on the way (NULL: none). */
bool model_save(const model *m, const adapter *merged, const char *folder, storage_type type, size_t shard_bytes, err *e);

/* The README.md of a model folder (Hugging Face's model card: YAML front matter, then text). NULL members are left out; pairs are
 * name, value, name, value ..., NULL. */
typedef struct {
    const char *name;                /* heading */
    const char *base, *base_hash;    /* what it was made from */
    const char *licence;             /* as the base's card says it: "apache-2.0" */
    const char *objective;           /* "dpo" */
    const char *data, *data_licence; /* files of examples and how many */
    const char *summary;             /* a paragraph */
    bool adapter;                    /* a PEFT folder */
    const char *const *settings, *const *metrics;
} model_card;
bool model_card_write(const model_card *c, const char *folder, err *e);
/* The licence that the front matter of FOLDER/README.md, or the metadata of a GGUF file, names; NULL: none. For the card of what is
 * made from it. */
const char *model_licence(arena *a, const char *folder);

/* Writes a GGUF file (F16, BF16, F32 or Q8_0 matrices; vectors F32) and an Ollama Modelfile beside it. */
bool model_save_gguf(const model *m, const adapter *merged, const char *path, storage_type type, err *e);

const weight *model_weight(const model *m, const tensor_form *f, int layer);
size_t model_parameter_count(const model *m);
size_t model_weight_bytes(const model *m);          /* of all packed copies: what one token's pass reads */
bool model_hash(model *m, sha256_text out, err *e); /* SHA-256 over the weight files */

/* A weight that has sizes and no values; trained: its gradient is a mark that nobody may follow. */
weight *weight_measured(arena *a, const backend *b, const char *name, int rows, int cols, bool matrix, storage_type type,
                        bool trained);

/* Weights of the model as float32 in the layout of its folder (transposed back where the folder stores [in, out]). */
void parameter_read(const model *m, const parameter *p, float *out); /* rows*cols values */
/* The weight itself, [out, in] whatever the folder's layout, plus the adapter's product s*B*A (ad NULL: none). */
void parameter_read_merged(const model *m, const adapter *ad, const parameter *p, float *out);
void parameter_grad_read(const model *m, const parameter *p, float *out);
bool parameter_decays(const char *name); /* transformers' rule for weight decay, by name */

/* ---- forward ------------------------------------------------------------------------------------------------------------------ */

tensor *model_forward(const model *m, tape *t, const model_batch *b, const adapter *ad); /* [T, hidden] */
tensor *model_logits(const model *m, tape *t, tensor *hidden, const adapter *ad);        /* [R, V] */
/* The output matrix and the table of tokens that hold with an adapter (NULL: the model's own). */
weight *model_head(const model *m, const adapter *ad);
weight *model_embedding(const model *m, const adapter *ad);

const char *head_words(head_kind k); /* "a reward model" */
/* Which head a folder's model (config.json) or adapter (adapter_config.json) has, and how many outputs, before it is
 * opened. A GGUF file, or a folder without these, writes. */
bool model_head_of(const char *path, head_kind *out, int *labels, err *e);
/* A language model is wanted: false, with what it is and what it is for, when this one (or its adapter) does not write. */
bool model_writes(const model *m, const adapter *ad, err *e);

/* Heads that score or label: [R, labels] of some rows of the hidden state. An adapter's own head counts before the model's. */
tensor *model_labels(const model *m, tape *t, tensor *hidden, const adapter *ad);
int model_label_count(const model *m, const adapter *ad); /* 0: it has no such head */
/* Where the score of a sequence is read, as transformers does it: at its last token that is not padding. The id of padding is the
 * config's, or the tokenizer's, or its end token. */
int model_score_place(const model *m, const int32_t *ids, int length);
/* Rewards of whole sequences [count]: the first output of the head. */
bool model_rewards(const model *m, const adapter *ad, compute_type compute, const int32_t *const *ids, const int *length,
                   int count, float *reward, err *e);

/* What a head says of every token of a sequence, out [length, labels]: the numbers of a classifier of tokens. */
bool model_token_labels(const model *m, const adapter *ad, compute_type compute, const int32_t *ids, int length, float *out,
                        err *e);

/* One linear layer with its adapter: y = x W^T + b + s B(A dropout(x)); for the families' forward functions. */
tensor *model_linear(const model *m, tape *t, tensor *x, weight *w, weight *bias, const adapter *ad);

/* ---- names ------------------------------------------------------------------------------------------------------------------- */

/* Where the files of a model are. */
typedef struct {
    const char *base, *adapter; /* adapter NULL: none */
} model_place;

/* spec: NAME (HOME/models/NAME, or the result of the run HOME/runs/NAME), run:NAME (of a run alone), MODEL:ADAPTER; with `paths` also the
 * path of a Hugging Face folder, a GGUF file or a PEFT folder, whose base is named inside. Opens nothing. Without `paths` nothing outside
 * HOME can be named (links in HOME/models lead where they lead). The message names every place that was looked at. */
bool model_find(arena *a, const char *home, const char *spec, bool paths, model_place *out, err *e);
bool model_name_is_plain(const char *name); /* letters, digits, '.', '_' and '-'; fit to be a file's name */
bool model_is_model(const char *path);      /* a Hugging Face folder or a GGUF file, by what it is called */
bool model_is_adapter(const char *path);    /* a PEFT folder */

/* ---- adapters (LoRA, arXiv:2106.09685; PEFT's files) ---------------------------------------------------------------------------- */

typedef struct {
    int r;
    double alpha, dropout;
    bool rslora;                /* scale alpha/sqrt(r) instead of alpha/r */
    bool dora;                  /* a magnitude of its own for every output (arXiv:2402.09353) */
    const char *const *targets; /* module names or "all-linear"; NULL: the family's default */
    int target_count;
    const char *const *whole; /* modules that are trained whole beside it: "lm_head", "embed_tokens" (gpt2: "wte") */
    int whole_count;
} lora_options; /* of a model whose head scores or labels, that head is trained whole beside the adapter (PEFT: modules_to_save) */

typedef struct {
    const weight *base;
    char *name;    /* module: "model.layers.0.self_attn.q_proj" */
    weight *A, *B; /* [r, in], [out, r] */
    float scale;
    weight *magnitude; /* [out] of DoRA, else NULL */
    struct row_lengths *lengths;
} lora;

struct adapter {
    arena *arena;
    lora *entry;
    int count;
    lora_options options;
    const char *base_name; /* base_model_name_or_path */
    head_kind head;
    weight *score, *score_bias;  /* its own head, NULL: none */
    weight *embedding, *lm_head; /* in place of the base's, NULL: none; apart also where the base has one matrix for both */
};

/* A fresh one: A Kaiming-uniform (a = sqrt 5), B zero. */
adapter *adapter_new(arena *a, model *m, const lora_options *o, uint64_t seed, bool trained, err *e);
adapter *adapter_open(arena *a, model *m, const char *folder, bool trained, err *e);
bool adapter_save(const adapter *ad, const model *m, const char *folder, storage_type type, err *e);
size_t adapter_bytes_needed(const model *m, const lora_options *o, bool trained);
bool adapter_merges(const adapter *ad, const model *m,
                    err *e); /* NULL: yes. No: an output matrix apart from a shared embedding */
const lora *adapter_find(const adapter *ad, const weight *base); /* NULL: this layer is not adapted */
/* All weights of its own, in a fixed order: of every entry A, B and the magnitude, then what it holds whole. Their names are PEFT's without
 * "base_model.model.". */
weight **adapter_weights(arena *a, const adapter *ad, int *count);

/* ---- files ----------------------------------------------------------------------------------------------------------------------- */

/* A tensor inside a mapped file: bytes are checked to lie inside before this is handed out. */
typedef struct {
    str name;
    const char *type; /* as the file calls it: "F32", "BF16", "I64", "Q4_1" */
    bool known;       /* storage holds a type that we can read */
    storage_type storage;
    int dims;
    int64_t shape[8]; /* outermost first */
    const void *data;
    size_t bytes;
    const char *file;
} file_tensor;

/* safetensors: rules of reference "Hostile safetensors": header length, JSON, dtype, shape product, offsets without gaps or overlaps. */
typedef struct {
    file_tensor *tensor;
    int count;
    json *metadata;
} tensor_file;
bool safetensors_open(arena *a, const char *path, tensor_file *out, err *e);
bool safetensors_open_folder(arena *a, const char *folder, const char *stem, tensor_file *out,
                             err *e); /* STEM.safetensors or its index */
const file_tensor *tensor_file_find(const tensor_file *f, const char *name);

typedef struct {
    const char *name, *type; /* "F32", "BF16", "I64" ... */
    int dims;
    int64_t shape[8];
    const void *data; /* or NULL: fill() is asked for it */
    void (*fill)(void *self, int index, void *out);
    size_t bytes;
} tensor_to_write;
bool safetensors_write(const char *path, const tensor_to_write *tensors, int count, void *self, const char *const *metadata,
                       err *e);

/* GGUF version 2 and 3. */
typedef struct gguf gguf;
gguf *gguf_open(arena *a, const char *path, err *e);
const tensor_file *gguf_tensors(const gguf *g);
json *gguf_metadata(const gguf *g); /* all keys; of arrays over 64 items only {"items": n} */
/* The metadata as the config.json of a Hugging Face folder would say it ("model_type", "hidden_size", ...), for read_config. */
json *gguf_config(const gguf *g, arena *a, err *e);
str gguf_chat_template(const gguf *g); /* empty: none */
bool gguf_vocab(const gguf *g, arena *a, tokenizer_vocab *out, err *e);

/* ---- engine: sessions, sampling ------------------------------------------------------------------------------------------------------ */

typedef struct {
    double temperature;        /* 0: greedy */
    int top_k;                 /* 0: off */
    double top_p, min_p;       /* 1 and 0: off */
    double repetition_penalty; /* 1: off; over prompt and answer, as transformers */
    int max_new_tokens;
    const char *const *stop; /* texts that end the answer; not part of it */
    int stop_count;
    uint64_t seed;
    bool ignore_eos;
    int tops;                /* so many of the likeliest tokens are kept beside every one that was drawn; 0: none */
    bool prompt_logp;        /* log-probabilities (and tops) of the prompt's tokens are kept too */
    double logp_temperature; /* of session_logps; 0: 1 */
} sampling;
sampling sampling_default(const model *m); /* generation_config.json's values where it has them */

/*     token            words */
#define FINISHES(X)                                                                                                              \
    X(FINISH_NONE, "")                                                                                                           \
    X(FINISH_EOS, "stop")                                                                                                        \
    X(FINISH_STOP, "stop")                                                                                                       \
    X(FINISH_LENGTH, "length")                                                                                                   \
    X(FINISH_FULL, "length")                                                                                                     \
    X(FINISH_CALLER, "cancelled")

typedef enum {
#define X(token, words) token,
    FINISHES(X)
#undef X
        FINISH_COUNT
} finish_reason;

/* A token that could have come, and its log-probability at temperature 1. */
typedef struct {
    int32_t id;
    float logp;
} token_top;

typedef struct engine engine;   /* a model, ready to generate; one thread at a time */
typedef struct session session; /* one growing sequence with its KV cache */

engine *engine_new(const model *m, compute_type compute);
void engine_free(engine *g);
/* Tokens are drawn from the geometric mixture of two models with the same vocabulary, softmax(share log p_other + (1-share) log p): every
 * session, begun after this and run to its end, is read by both. `other` lives as long as g. */
typedef struct {
    engine *other;
    const adapter *adapter; /* the other's; NULL: none */
    double share;
} engine_mixture;
void engine_mix(engine *g, const engine_mixture *m);
void logits_mix(float *z, const float *other, size_t n, double share); /* z = share other + (1-share) z */
/* Of prompts, at most so many tokens in one pass (1024 unless said): what a long prompt makes others wait for. */
void engine_limit_pass(engine *g, int most);

/* on_text is called with whole UTF-8 characters as they come (held back while they could be the start of a stop text);
 * false ends this session. NULL: nobody listens. */
typedef bool (*on_text)(void *self, str piece);

session *session_new(engine *g, const adapter *ad, const int32_t *prompt, int count, const sampling *s, on_text listen,
                     void *self, err *e);
void session_free(session *s);
void session_continue(session *s, const int32_t *more, int count,
                      const sampling *o); /* a chat goes on: keeps the common prefix */
/* A session that has not begun takes over what another one of the same engine and adapter has computed of their common prefix. Returns
 * how many tokens that were. */
int session_borrow(session *s, const session *from);
int session_common(const session *s, const session *with); /* tokens that session_borrow would take */
int session_pending(const session *s); /* tokens that no pass has read yet: more than 1 while a prompt is read */
const adapter *session_adapter(const session *s);
size_t session_bytes(const session *s);   /* of its cache */
size_t model_token_bytes(const model *m); /* that one more token takes in a cache */
/* Runs all sessions until each is finished: prompts first (identical prompts are computed once and copied), then one token each
 * per pass, together. stop: polled between passes; may be NULL. */
bool engine_run(engine *g, session **sessions, int count, bool (*stop)(void), err *e);
bool engine_step(engine *g, session **sessions, int count, err *e); /* one pass over those not finished */

str session_text(const session *s);                       /* the answer so far, special tokens left out, stop text cut */
str session_told(const session *s);                       /* as far as a listener would have been told */
const int32_t *session_ids(const session *s, int *count); /* tokens of the answer, end token included if it came */
const float *session_logps(const session *s);             /* of each token of the answer under the model, at logp_temperature */
const token_top *session_tops(const session *s);          /* [answer, sampling.tops] */
/* With sampling.prompt_logp: of the prompt's tokens 1 .. (the first follows nothing), as far as the prompt is read. */
const float *session_prompt_logps(const session *s, int *count);
const token_top *session_prompt_tops(const session *s); /* [prompt - 1, sampling.tops] */
finish_reason session_finish(const session *s);
int session_prompt_tokens(const session *s);

/* Whether the model can read such a sequence: `number` (from 0) is for the message. */
bool model_fits(const model *m, const int32_t *ids, int length, int number, err *e);
/* Log-probability of every next token of given sequences [count]; logp[i] has length-1 values (host). For eval, judges, drift. */
bool model_score(const model *m, const adapter *ad, compute_type compute, const int32_t *const *ids, const int *length, int count,
                 float **logp, err *e);

/* What a text means, as numbers: the mean of the last hidden states of its tokens, of length 1. out[i]: [hidden] values (host). */
bool model_embed(const model *m, const adapter *ad, compute_type compute, const int32_t *const *ids, const int *length, int count,
                 float **out, err *e);

/* Seconds that one token of a forward pass takes here and now, head included: a short pass over token 0 is timed. A step of training
 * costs about 2 (adapters) or 3 (all weights) of these per token. */
bool model_seconds_per_token(const model *m, compute_type compute, double *out, err *e);

#endif
