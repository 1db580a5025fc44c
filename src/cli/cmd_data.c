/* cmd_data.c - fettle data FILE: what is in a file of examples, and the same as another of TRL's types. */
#include "cli/command.h"

#include <stdio.h>
#include <string.h>

#include "data/data.h"

typedef struct {
    const char *to;
    bool count;
} data_options;

static const opt options[] = {
    {"to", OPT_CHOICE, offsetof(data_options, to), NULL, 0, 0,
     "text|messages|prompt-completion|preference|prompt|unpaired-preference",
     "write all examples as this type, JSON lines on standard output"},
    {"count", OPT_BOOL, offsetof(data_options, count), "false", 0, 0, NULL, "read to the end and count"},
    OPT_END,
};

static bool data_run(arena *a, int argc, char **argv, err *e);
const command command_data = {"data", "look at a file or folder of examples, or convert it", "FILE [--to TYPE]", options,
                              data_run};

static bool each_example(source *s, const example_kind *to, int64_t *count, int64_t *left, err *e) {
    for (;;) {
        arena *one = arena_new();
        example x, y;
        bool ok = source_next(s, one, &x, e);
        if (ok && to) {
            buf line = {0};
            json_writer w = json_writer_on(&line, false);
            convert_result r = CONVERT_DONE;
            if (x.kind == *to) y = x;
            else r = example_convert(one, &x, *to, &y, e);
            if (r == CONVERT_DONE) {
                example_put_json(&w, &y);
                printf("%.*s\n", STR_ARG(buf_str(&line)));
            } else if (r == CONVERT_LEFT_OUT) ++*left;
            else ok = false;
            buf_free(&line);
        }
        arena_free(one);
        if (!ok) return e->code == ERR_NONE;
        ++*count;
    }
}

static bool data_run(arena *a, int argc, char **argv, err *e) {
    data_options o;
    int rest;
    bool help;
    example_kind to;
    int64_t count = 0, left = 0;
    if (!arguments_read(a, &command_data, &o, argc, argv, &rest, &help, e) || help) return help;
    if (rest != 1) {
        buf formats = {0};
        format_put_help(&formats);
        err_set(e, ERR_USAGE, "name one file: fettle data FILE. Formats:\n%s", formats.ptr);
        buf_free(&formats);
        return false;
    }
    source *s = source_open(a, argv[0], e);
    if (!s) return false;
    if (o.to)
        return example_kind_find(str_of(o.to), &to) && each_example(s, &to, &count, &left, e) &&
               (left == 0 ||
                (fprintf(stderr, "%lld examples have nothing of this type and were left out\n", (long long)left), true));
    const source_info *i = source_describe(s);
    printf("%s: %s, %s (%s%s)\nbecause: %s\n", i->path, i->format, example_kind_words(i->kind), i->layout,
           i->conversational ? ", conversations" : "", i->reason);
    for (int k = 0; k < SOURCE_PREVIEW && i->preview[k]; k++) printf("  %s\n", i->preview[k]);
    if (o.count && !each_example(s, NULL, &count, &left, e)) return false;
    if (o.count) printf("%lld examples\n", (long long)count);
    return true;
}
