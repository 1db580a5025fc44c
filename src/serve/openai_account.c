/* openai_account.c - what an answer costs its key, and where it stays: in memory for an hour, in the store when the key is marked so. */
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/message.h"
#include "serve/openai.h"
#include "serve/recall.h"

#define DAY ((int64_t)86400 * 1000000)

static bool read_spent(store_tx *t, void *context, err *e) {
    call *c = context;
    const int64_t now = clock_now(), spent = pass_spent(t, c->came_by.seq, now / DAY, e);
    if (e->code || spent < c->came_by.budget) return !e->code;
    c->retry_after = (int)((DAY - now % DAY) / 1000000) + 1;
    return err_set(e, ERR_BUSY, "the budget of this key, %lld tokens a day, is used up; it begins anew at midnight UTC",
                   (long long)c->came_by.budget);
}

bool budget_left(call *c, err *e) { return !c->came_by.budget || store_read(server_store(c->server), read_spent, c, e); }

/* ---- afterwards -------------------------------------------------------------------------------------------------------------------------- */

typedef struct {
    call *c;
    int64_t tokens;
    const recalled *kept; /* NULL: nothing to keep */
} receipt;

static bool write_receipt(store_tx *t, void *context, err *e) {
    const receipt *x = context;
    const pass *p = &x->c->came_by;
    if (p->budget && !pass_spend(t, p->seq, clock_now() / DAY, x->tokens, e)) return false;
    if (!p->record || !x->kept) return true;
    traffic row = {.id = x->kept->id,
                   .pass = p->seq,
                   .user = p->user,
                   .model = x->kept->model,
                   .request = x->kept->messages,
                   .answer = x->kept->answers,
                   .unfinished = x->kept->unfinished,
                   .until = clock_now() + p->retention * DAY};
    return traffic_add(t, &row, e);
}

void account_tokens(call *c, int64_t tokens) {
    receipt r = {.c = c, .tokens = tokens};
    err e = {0};
    if (c->came_by.budget && !store_write(server_store(c->server), write_receipt, &r, &e))
        log_warning("what a key spent was not noted: %s", e.text);
}

/* A conversation as it came; of a text that goes on, the text as somebody's words. */
static str messages_of(const completion *x, arena *a) {
    buf out = {0};
    json_put(&out, x->chat ? x->order.messages : messages_new(a, STR(""), x->text[0]));
    const str s = {arena_copy(a, out.ptr, out.len), out.len};
    buf_free(&out);
    return s;
}

void account_completion(completion *x) {
    arena *a = arena_new();
    receipt r = {.c = x->c};
    buf answers = {0}, unfinished = {0};
    json_writer w = json_writer_on(&answers, false), u = json_writer_on(&unfinished, false);
    bool whole = true;
    err e = {0};
    json_open(&w, '['), json_open(&u, '[');
    recalled kept = {.id = x->id, .user = x->c->me.seq};
    for (int i = 0; i < x->prompts; i++) {
        work_view v = {0};
        if (!x->work[i]) continue;
        work_read(x->work[i], a, &v);
        whole &= v.state == WORK_DONE;
        r.tokens += v.prompt_tokens;
        for (int k = 0; k < v.count; k++) {
            r.tokens += v.answer[k].count;
            json_put_text(&w, v.answer[k].text);
            if (work_cut(&v.answer[k])) json_put_int(&u, k);
        }
        kept.model = v.model;
    }
    json_close(&w), json_close(&u);
    if (whole && kept.model && x->prompts == 1 && (x->chat || !x->ids[0])) {
        kept.messages = messages_of(x, a);
        kept.answers = buf_str(&answers);
        kept.unfinished = buf_str(&unfinished);
        recall_put(server_recall(x->c->server), &kept);
        r.kept = &kept;
    }
    if (((x->c->came_by.budget && r.tokens) || (x->c->came_by.record && r.kept)) &&
        !store_write(server_store(x->c->server), write_receipt, &r, &e))
        log_warning("an answer was not noted: %s", e.text);
    buf_free(&answers);
    buf_free(&unfinished);
    arena_free(a);
}
