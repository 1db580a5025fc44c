/* cmd_chat.c - fettle chat MODEL: a conversation on the terminal; the KV cache of what was said is kept. */
#include "cli/command.h"

#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "base/rng.h"
#include "base/sys.h"
#include "cli/answering.h"

typedef struct {
    answering_options answering;
} chat_options;

static const opt options[] = {ANSWERING_ROWS, OPT_END};

static bool print_piece(void *self, str piece) {
    (void)self;
    fwrite(piece.ptr, 1, piece.len, stdout);
    return fflush(stdout) == 0;
}

static void say(arena *a, json *messages, const char *role, str text) {
    json *m = json_new_object(a);
    json_set(m, "role", json_new_text(a, str_of(role)));
    json_set(m, "content", json_new_text(a, text));
    json_append(messages, m);
}

static json *begin_conversation(arena *a, const chat_options *o) {
    json *messages = json_new_array(a);
    if (o->answering.system) say(a, messages, "system", str_of(o->answering.system));
    return messages;
}

/* One turn: the session is made at the first one and continued afterwards. */
static bool answer(arena *a, engine *g, const subject *s, json *messages, const chat_options *o, session **live, int turn,
                   err *e) {
    const int32_t *ids;
    int count;
    if (!conversation_tokens(a, s->model, messages, true, &ids, &count, e)) return false;
    sampling set = answering_sampling(&o->answering, s->model);
    set.seed = rng_mix(set.seed, (uint64_t)turn);
    if (*live) session_continue(*live, ids, count, &set);
    else if (!(*live = session_new(g, s->adapter, ids, count, &set, print_piece, NULL, e))) return false;
    if (!engine_run(g, live, 1, sys_stop_requested, e)) return false;
    putchar('\n');
    say(a, messages, "assistant", session_text(*live));
    return true;
}

static bool converse(arena *a, const subject *s, const chat_options *o, compute_type compute, err *e) {
    const bool asks = sys_is_terminal(STDIN_FILENO);
    if (!s->model->chat) return conversation_tokens(a, s->model, NULL, true, NULL, NULL, e); /* says what is missing */
    if (asks) fprintf(stderr, "Talking with %s. An empty line or Ctrl-D ends it; /new begins again.\n", s->spec);
    engine *g = engine_new(s->model, compute);
    json *messages = begin_conversation(a, o);
    session *live = NULL;
    file_lines in;
    str line;
    bool ok = file_lines_open(&in, "-", 1 << 20, e);
    for (int turn = 0; ok; turn++) {
        if (asks) fprintf(stderr, "\n> ");
        if (!file_lines_next(&in, &line, e) || (asks && !str_trim(line).len)) break;
        if (str_is(str_trim(line), "/new")) {
            messages = begin_conversation(a, o);
            continue;
        }
        say(a, messages, "user", (str){str_copy(a, line), line.len});
        ok = answer(a, g, s, messages, o, &live, turn, e);
    }
    file_lines_close(&in);
    session_free(live);
    engine_free(g);
    return ok && !e->code;
}

static bool chat(arena *a, int argc, char **argv, err *e);

const command command_chat = {"chat", "talk with a model", "MODEL [options]\n\nReads one message a line from standard input.",
                              options, chat};

static bool chat(arena *a, int argc, char **argv, err *e) {
    chat_options o;
    int rest;
    bool help;
    if (!arguments_read(a, &command_chat, &o, argc, argv, &rest, &help, e) || help) return help;
    if (rest != 1) return err_set(e, ERR_USAGE, "say which model: fettle chat MODEL");
    subjects all;
    subject s;
    return subjects_begin(a, o.answering.dtype, &all, e) && subject_open(&all, argv[0], &s, e) &&
           converse(a, &s, &o, all.options.compute, e);
}
