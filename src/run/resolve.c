/* resolve.c - where a run's options come from: defaults < preset < file < FETTLE_* < --set and flags. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "run/run.h"

// clang-format off
/* APO-zero raises the chosen answer and lowers the rejected one by equal pulls that fade as they succeed: an edit that is nowhere near
 * what the model would write is learnt, end included, and labels that contradict each other cancel out. Plain DPO only widens the gap,
 * which the rejected answer's fall alone can do. */
static const char *const small_feedback[] = {
    "use_peft=true", "lora_r=16", "lora_alpha=32", "lora_dropout=0", "lora_target_modules=all-linear",
    "loss_type=apo_zero", "beta=0.4", "learning_rate=7e-5", "lr_scheduler_type=constant", "num_train_epochs=2",
    "per_device_train_batch_size=6", "max_length=512", "dtype=bfloat16", "logging_steps=1", "max_drift=0", NULL};

/* Words that the model hardly writes by itself cannot be preferred into it: a preference takes probability from its usual beginnings and
 * gives it to whatever comes next. So the rewritten answers are imitated, token by token, and the preference of them over what they rewrite
 * is a tenth of that. */
static const char *const small_rewrites[] = {
    "use_peft=true", "lora_r=16", "lora_alpha=32", "lora_dropout=0", "lora_target_modules=all-linear",
    "loss_type=apo_zero,sft", "loss_weights=0.1,10", "beta=0.4", "learning_rate=3e-4", "lr_scheduler_type=constant", "num_train_epochs=2",
    "per_device_train_batch_size=6", "max_length=512", "dtype=bfloat16", "logging_steps=1", "max_drift=0", NULL};

/* Imitation alone: three times the rate and passes, for every token of an answer pulls the same way. */
static const char *const small_edits[] = {
    "use_peft=true", "lora_r=16", "lora_alpha=32", "lora_dropout=0", "lora_target_modules=all-linear",
    "loss_type=nll", "learning_rate=2e-4", "lr_scheduler_type=constant", "num_train_epochs=6",
    "per_device_train_batch_size=6", "max_length=512", "dtype=bfloat16", "logging_steps=1", NULL};
/* In the order of preset_choice: usual words, new words. Whatever the first sets the others set too. */
static const char *const by_words[] = {"small-feedback", "small-rewrites", NULL};
// clang-format on

const preset run_presets[] = {
    {"small-feedback", "a few dozen preferences of one person: LoRA on all linear layers, DPO with the APO-zero loss",
     small_feedback, NULL, NULL},
    {"small-rewrites",
     "a few dozen answers of the model and how a person rewrote them in words of their own: LoRA, DPO that mostly imitates",
     small_rewrites, NULL, "small-edits"},
    {"small-edits", "a few dozen answers that people wrote or edited: LoRA on all linear layers, SFT", small_edits, NULL, NULL},
    {"auto",
     "of pairs: small-rewrites where the chosen answers hold words that the model hardly writes, small-feedback where they do "
     "not",
     NULL, by_words, NULL},
    {0},
};

const preset *preset_find(const char *name) {
    for (const preset *p = run_presets; p->name; p++)
        if (strcmp(p->name, name) == 0) return p;
    return NULL;
}

static const char *preset_names(arena *a) {
    const char *names = "";
    for (const preset *p = run_presets; p->name; p++) names = arena_printf(a, "%s%s%s", names, *names ? ", " : "", p->name);
    return names;
}

static const opt *find_key(const resolved *r, str key, void **target) {
    for (int g = 0; g < r->count; g++) {
        const opt *o = opt_find(r->groups[g].table, key);
        if (o) {
            *target = r->groups[g].target;
            return o;
        }
    }
    return NULL;
}

static bool unknown(arena *a, const resolved *r, str key, err *e) {
    opt_near best = {0};
    for (int g = 0; g < r->count; g++) opt_nearer(a, r->groups[g].table, key, &best);
    const char *near = best.key;
    return err_set(e, ERR_USAGE, "unknown option '%.*s'%s%s%s; --describe lists them", STR_ARG(key),
                   *near ? " (did you mean '" : "", near, *near ? "'?)" : "");
}

void resolve_note(arena *a, resolved *r, const char *key, const char *source) {
    for (int i = 0; i < r->origins; i++)
        if (strcmp(r->origin[i].key, key) == 0) {
            r->origin[i].source = source;
            return;
        }
    opt_origin *grown = arena_array(a, opt_origin, r->origins + 1);
    if (r->origins) memcpy(grown, r->origin, (size_t)r->origins * sizeof *grown);
    grown[r->origins++] = (opt_origin){key, source};
    r->origin = grown;
}

const char *resolve_source(const resolved *r, const char *key) {
    for (int i = 0; i < r->origins; i++)
        if (strcmp(r->origin[i].key, key) == 0) return r->origin[i].source;
    return "default";
}

bool resolve_defaults(arena *a, resolved *r) {
    for (int g = 0; g < r->count; g++) opt_defaults(r->groups[g].table, r->groups[g].target, a);
    return true;
}

bool resolve_set(arena *a, resolved *r, str key, str value, const char *source, err *e) {
    void *target;
    const opt *o = find_key(r, key, &target);
    if (!o) return unknown(a, r, key, e);
    if (value.len && o->type != OPT_TEXT && (value.ptr[0] == '[' || value.ptr[0] == '{')) { /* JSON where it is a list */
        const json *v = json_parse(a, value, e);
        if (!v || !opt_set_json(o, target, v, a, e)) return err_prefix(e, "%s", o->key);
    } else if (!opt_set(o, target, value, a, e)) return err_prefix(e, "%s", o->key);
    resolve_note(a, r, o->key, source);
    return true;
}

bool resolve_set_json(arena *a, resolved *r, const json *object, const char *source, err *e) {
    json_member m = {0};
    while (json_next(object, &m)) {
        void *target;
        const opt *o = find_key(r, str_of(m.key), &target);
        if (!o) return unknown(a, r, str_of(m.key), e);
        if (!m.value) continue; /* null: not set */
        if (!opt_set_json(o, target, m.value, a, e)) return err_prefix(e, "%s", o->key);
        resolve_note(a, r, o->key, source);
    }
    return true;
}

static bool take_preset(arena *a, resolved *r, const char *name, bool under, err *e) {
    const preset *p = preset_find(name);
    if (!p) return err_set(e, ERR_USAGE, "no preset '%s'; there are: %s", name, preset_names(a));
    if (!p->settings)
        return err_set(e, ERR_USAGE, "preset %s has no settings of its own, the data choose: here name %s or %s", name,
                       p->among[0], p->among[1]);
    for (const char *const *s = p->settings; *s; s++) {
        const char *equals = strchr(*s, '=');
        const str key = {*s, (size_t)(equals - *s)};
        void *target;
        const opt *o = find_key(r, key, &target);
        if (!o) continue; /* of another objective */
        const str source = str_of(resolve_source(r, o->key));
        if (under && !str_is(source, "default") && !str_starts(source, STR("preset "))) continue;
        if (!resolve_set(a, r, key, str_of(equals + 1), arena_printf(a, "preset %s", name), e))
            return err_prefix(e, "preset %s does not fit this objective", name);
    }
    return true;
}

bool resolve_preset(arena *a, resolved *r, const char *name, err *e) { return take_preset(a, r, name, false, e); }
bool resolve_preset_under(arena *a, resolved *r, const char *name, err *e) { return take_preset(a, r, name, true, e); }

bool resolve_file(arena *a, resolved *r, const char *path, err *e) {
    const json *j = json_parse_file(a, path, 16 << 20, e);
    if (!j) return false;
    if (json_kind_of(j) != JSON_OBJECT) return err_set(e, ERR_INPUT, "%s should hold one object of options", path);
    return resolve_set_json(a, r, j, arena_printf(a, "file %s", path), e) || err_prefix(e, "%s", path);
}

bool resolve_environment(arena *a, resolved *r, err *e) {
    for (int g = 0; g < r->count; g++)
        for (const opt *o = r->groups[g].table; o->key; o++) {
            char *name = arena_printf(a, "%s%s", r->prefix ? r->prefix : "FETTLE_", o->key);
            for (char *p = name; *p; p++) *p = (char)toupper((unsigned char)*p);
            const char *value = getenv(name);
            if (value && !resolve_set(a, r, str_of(o->key), str_of(value), name, e)) return err_prefix(e, "%s", name);
        }
    return true;
}

void resolve_put_json(json_writer *w, const resolved *r) {
    json_open(w, '{');
    for (int g = 0; g < r->count; g++)
        for (const opt *o = r->groups[g].table; o->key; o++) {
            json_key(w, o->key);
            opt_put_json(w, o, r->groups[g].target);
        }
    json_close(w);
}
