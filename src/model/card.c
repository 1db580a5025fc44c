/* card.c - the README.md of a model folder, as Hugging Face's hub reads it: YAML between two lines of dashes, then text.
 *
 * Texts in the YAML come from file names and people, so they are written as JSON strings, which YAML reads as they are; texts in the
 * tables lose what would end a cell. */
#include <string.h>

#include "model/config.h"

#include "model/model.h"

static void put_yaml(buf *b, const char *key, const char *value) {
    if (!value) return;
    buf_printf(b, "%s: ", key);
    json_quote(b, str_of(value));
    buf_put_char(b, '\n');
}

static void put_cell(buf *b, const char *text) {
    for (; *text; text++) {
        if (*text == '|') buf_put_char(b, '\\');
        buf_put_char(b, *text == '\n' || *text == '\r' ? ' ' : *text);
    }
}

static void put_row(buf *b, const char *name, const char *value) {
    if (!value) return;
    buf_put_text(b, "| ");
    put_cell(b, name);
    buf_put_text(b, " | ");
    put_cell(b, value);
    buf_put_text(b, " |\n");
}

static void put_table(buf *b, const char *heading, const char *const *pairs) {
    if (!pairs || !pairs[0]) return;
    buf_printf(b, "\n## %s\n\n| | |\n|---|---|\n", heading);
    for (; pairs[0] && pairs[1]; pairs += 2) put_row(b, pairs[0], pairs[1]);
}

static void put_front(buf *b, const model_card *c, head_kind head) {
    buf_put_text(b, "---\n");
    put_yaml(b, "base_model", c->base);
    put_yaml(b, "license", c->licence);
    buf_put_text(b, c->adapter ? "library_name: peft\n" : "library_name: transformers\n");
    buf_printf(b, "pipeline_tag: %s\ntags:\n- fettle\n", head_pipeline(head));
    if (c->adapter) buf_put_text(b, "- lora\n");
    if (c->objective) buf_printf(b, "- %s\n", c->objective);
    buf_put_text(b, "---\n");
}

bool model_card_write(const model_card *c, const char *folder, err *e) {
    buf b = {0};
    head_kind head;
    int labels;
    if (!model_head_of(folder, &head, &labels, e)) return false;
    put_front(&b, c, head);
    buf_put_text(&b, "\n# ");
    put_cell(&b, c->name ? c->name : "A model");
    buf_put_text(&b, "\n\n");
    if (c->summary) buf_printf(&b, "%s\n\n", c->summary);
    buf_put_text(&b, "| | |\n|---|---|\n");
    put_row(&b, "Base", c->base);
    put_row(&b, "SHA-256 of the base's weights", c->base_hash);
    put_row(&b, "Licence of the base", c->licence);
    put_row(&b, "Objective", c->objective);
    put_row(&b, "Data", c->data);
    put_row(&b, "Licence of the data", c->data_licence);
    put_table(&b, "Settings", c->settings);
    put_table(&b, "Results", c->metrics);
    arena *a = arena_new();
    const bool ok = dir_make(folder, e) && file_write(path_join(a, folder, "README.md"), buf_str(&b), e);
    arena_free(a);
    buf_free(&b);
    return ok;
}

static const char *licence_of_gguf(arena *a, const char *path) {
    err ignored = {0};
    const gguf *g = gguf_open(a, path, &ignored);
    const str value = g ? json_get_text(gguf_metadata(g), "general.license", STR("")) : (str){0};
    return value.len ? str_copy(a, value) : NULL;
}

/* The value of a line "license: x" between the first two lines of dashes; quotes around it do not belong to it. */
const char *model_licence(arena *a, const char *folder) {
    if (file_exists(folder) && !file_is_dir(folder)) return licence_of_gguf(a, folder);
    const char *path = path_join(a, folder, "README.md");
    str card, line;
    err ignored = {0};
    if (!file_exists(path) || !file_read(a, path, 1 << 20, &card, &ignored) || !str_starts(card, STR("---\n"))) return NULL;
    for (size_t at = 4; at < card.len; at += line.len + 1) {
        const ptrdiff_t end = str_find(card, STR("\n"), at);
        line = str_slice(card, at, end < 0 ? card.len : (size_t)end);
        if (str_is(str_trim(line), "---")) return NULL;
        if (!str_starts(line, STR("license:"))) continue;
        str value = str_trim(str_slice(line, strlen("license:"), line.len));
        if (value.len >= 2 && (*value.ptr == '"' || *value.ptr == '\'')) value = str_slice(value, 1, value.len - 1);
        return value.len ? str_copy(a, value) : NULL;
    }
    return NULL;
}
