/* config.h - pieces for the families' read_config and write_config (private to model). */
#ifndef FETTLE_MODEL_CONFIG_H
#define FETTLE_MODEL_CONFIG_H

#include "model/model.h"

bool config_read(arena *a, const json *j, const char *path, model_config *c, err *e);
/* A size within 1 .. max; fallback 0: it must be there. */
bool config_size(const json *j, const char *key, int64_t fallback, int64_t max, int *out, err *e);
/* Numbers and switches: a value of another kind is an error, not the fallback. */
bool config_real(const json *j, const char *key, double fallback, double min, double max, double *out, err *e);
bool config_bool(const json *j, const char *key, bool fallback, bool *out, err *e);
const char *config_activation_name(activation_kind kind);
bool config_activation(const json *j, const char *key, const char *fallback, activation_kind *out, err *e);
bool config_rope(const json *j, model_config *c, err *e);
bool config_finish(model_config *c, err *e);
bool config_head(const json *j, model_config *c, err *e); /* by the class that the config names */
const char *head_ending(head_kind k);                     /* "ForSequenceClassification" */
const char *head_task(head_kind k);                       /* "SEQ_CLS" */
const char *head_pipeline(head_kind k);
head_kind head_of_class(str name);
int head_padding(const model *m);                                                   /* the id of padding; -1: none */
const file_tensor *adapter_head_tensor(const tensor_file *files, const char *kind); /* kind: "weight" or "bias"; NULL: none */
void config_tokens(const json *j, model_config *c);
void config_put_rope(json_writer *w, const model_config *c);
void rope_frequencies(const model_config *c, rope_table *out, float *frequency);

/* llama's blocks, which qwen2 shares: config and forward pass follow flags of model_config. */
bool llama_read_config(const json *j, model_config *c, err *e);
void llama_write_config(json_writer *w, const model_config *c);
tensor *llama_forward(const model *m, tape *t, const model_batch *b, const adapter *ad);

#endif
