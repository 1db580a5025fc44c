/* rewards.c - the table of reward functions, and their names with arguments read. */
#include "train/reward.h"

#include <stdio.h>
#include <string.h>

static const reward_kind *const kinds[] = {
#define X(name) &reward_##name,
    REWARDS(X)
#undef X
};

void rewards_describe(json_writer *w) {
    static const char *const reaches[] = {"nothing", "files", "programs"};
    json_open(w, '[');
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        json_open(w, '{');
        json_key(w, "name"), json_put_cstr(w, kinds[i]->name);
        json_key(w, "argument"), json_put_cstr(w, kinds[i]->argument);
        json_key(w, "words"), json_put_cstr(w, kinds[i]->words);
        json_key(w, "reach"), json_put_cstr(w, reaches[kinds[i]->reach]);
        json_close(w);
    }
    json_close(w);
}

static const reward_kind *kind_of(str name) {
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (str_is(name, kinds[i]->name)) return kinds[i];
    return NULL;
}

static const char *names(arena *a) {
    const char *text = "";
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        text = arena_printf(a, "%s%s%s%s%s", text, i ? ", " : "", kinds[i]->name, kinds[i]->argument ? ":" : "",
                            kinds[i]->argument ? kinds[i]->argument : "");
    return text;
}

/* The second function of a kind is called NAME_2. */
static const char *name_of(arena *a, const reward *before, int count, const reward_kind *k) {
    int n = 1;
    for (int i = 0; i < count; i++) n += before[i].kind == k;
    return n == 1 ? k->name : arena_printf(a, "%s_%d", k->name, n);
}

static bool open_one(arena *a, const char *spec, reward *before, int count, err *e) {
    const str whole = str_of(spec);
    const ptrdiff_t colon = str_find(whole, STR(":"), 0);
    const str name = colon < 0 ? whole : str_slice(whole, 0, (size_t)colon),
              argument = colon < 0 ? STR("") : str_slice(whole, (size_t)colon + 1, whole.len);
    const reward_kind *k = kind_of(name);
    if (!k) return err_set(e, ERR_USAGE, "no reward function '%.*s'; there are: %s", STR_ARG(name), names(a));
    if (argument.len && !k->argument)
        return err_set(e, ERR_USAGE, "the reward function %s takes no argument, and '%.*s' came", k->name, STR_ARG(argument));
    before[count] = (reward){.kind = k, .name = name_of(a, before, count, k), .weight = 1};
    return k->open(a, argument, &before[count].state, e) || err_prefix(e, "reward %s", k->name);
}

bool rewards_open(arena *a, const char *const *specs, int count, const char *const *weights, int weight_count, reward **out,
                  err *e) {
    *out = arena_array(a, reward, count + 1);
    if (weight_count && count && weight_count != count)
        return err_set(e, ERR_USAGE, "%d reward_weights for %d reward_funcs", weight_count, count);
    for (int i = 0; i < count; i++) {
        if (!open_one(a, specs[i], *out, i, e)) return false;
        if (weight_count && !str_to_double(str_of(weights[i]), &(*out)[i].weight))
            return err_set(e, ERR_USAGE, "reward_weights should be numbers, and '%s' came", weights[i]);
    }
    return true;
}
