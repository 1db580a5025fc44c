/* probe.h - the windows of fettle probe that have files of their own (private to cli). */
#ifndef FETTLE_CLI_PROBE_H
#define FETTLE_CLI_PROBE_H

#include "base/json.h"
#include "base/opt.h"
#include "cli/subject.h"

typedef struct {
    const char *model, *adapter, *dtype, *chat_template, *out, *in;
    bool merged, grad, encode;
    int64_t greedy;
    opt_list set;
} probe_options;

typedef struct {
    probe_options o;
    subjects all;
    subject subject; /* when the probe wants a model */
    char **words;    /* what stands behind the probe's name */
    int rest;
} probe;

/* Answers one parsed line; false: e says why, and whatever was written is dropped. */
typedef bool (*probe_line)(arena *a, const probe *p, const json *v, json_writer *w, err *e);
bool probe_lines(arena *a, const probe *p, probe_line line, err *e);

bool probe_logits(arena *a, const probe *p, err *e);
bool probe_rows(arena *a, const probe *p, err *e);
bool probe_objectives(arena *a, const probe *p, err *e);
bool probe_schedules(arena *a, const probe *p, err *e);
bool probe_optimizers(arena *a, const probe *p, err *e);

#endif
