/* catalog.c - looking through HOME/models and HOME/runs (contract: catalog.h). */
#include "serve/catalog.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "model/model.h"

/* Bytes of a file, or of the files of a folder; *at: the newest of their times. */
static int64_t measure(arena *a, const char *path, int64_t *at) {
    struct stat st;
    char **names;
    int count = 0;
    int64_t sum = 0;
    err none = {0};
    if (stat(path, &st) != 0) return 0;
    if ((int64_t)st.st_mtim.tv_sec > *at) *at = st.st_mtim.tv_sec;
    if (!S_ISDIR(st.st_mode)) return st.st_size;
    if (!dir_list(a, path, &names, &count, &none)) return 0;
    for (int i = 0; i < count; i++)
        if (!file_is_dir(path_join(a, path, names[i]))) sum += measure(a, path_join(a, path, names[i]), at);
    return sum;
}

bool catalog_writes(const char *path) {
    head_kind head;
    int labels;
    err none = {0};
    return !file_is_dir(path) || !model_head_of(path, &head, &labels, &none) || head == HEAD_WRITES;
}

static void add(arena *a, const char *home, catalog *all, const char *id, const char *run) {
    model_place at;
    err none = {0};
    catalog_entry x = {.id = id, .run = run};
    const bool found = model_find(a, home, id, false, &at, &none);
    if (!found && !at.adapter) return;
    x.adapter = at.adapter != NULL;
    x.path = x.adapter ? at.adapter : at.base;
    x.base = x.adapter && found ? at.base : NULL;
    x.writes = catalog_writes(x.path);
    x.bytes = measure(a, x.path, &x.at);
    if ((all->count & (all->count - 1)) == 0) {
        catalog_entry *more = arena_array(a, catalog_entry, all->count ? 2 * all->count : 1);
        if (all->count) memcpy(more, all->item, (size_t)all->count * sizeof *more);
        all->item = more;
    }
    all->item[all->count++] = x;
}

/* What an adapter's base is called here: the entry whose files are the same ones. */
static void name_bases(arena *a, catalog *all) {
    (void)a;
    for (int i = 0; i < all->count; i++) {
        char *real = all->item[i].base ? realpath(all->item[i].base, NULL) : NULL;
        for (int k = 0; real && k < all->count && !all->item[i].base_id; k++) {
            char *other = all->item[k].adapter ? NULL : realpath(all->item[k].path, NULL);
            if (other && strcmp(other, real) == 0) all->item[i].base_id = all->item[k].id;
            free(other);
        }
        free(real);
    }
}

bool catalog_read(arena *a, const char *home, catalog *out, err *e) {
    const char *models = path_join(a, home, "models"), *runs = path_join(a, home, "runs");
    char **names;
    int count = 0;
    *out = (catalog){0};
    if (file_is_dir(models) && !dir_list(a, models, &names, &count, e)) return false;
    for (int i = 0; i < count; i++) {
        const str name = str_of(names[i]);
        const bool is_file = str_ends(name, STR(".gguf"));
        add(a, home, out, str_copy(a, is_file ? str_slice(name, 0, name.len - 5) : name), NULL);
    }
    count = 0;
    if (file_is_dir(runs) && !dir_list(a, runs, &names, &count, e)) return false;
    for (int i = 0; i < count; i++) add(a, home, out, arena_printf(a, "run:%s", names[i]), names[i]);
    name_bases(a, out);
    return true;
}
