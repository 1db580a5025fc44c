/* folder.c - which files of a folder are read, and in which order.
 *
 *   all files ── of a kind that is read ── of the subset and split (README.md, or names) ── one kind ── sorted, no shard missing */
#include "data/folder.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"

enum { FILES_MAX = 100000, DEPTH_MAX = 8, SPLITS_MAX = 64 };

// clang-format off
/*    ending     read?   (in the order of preference, where a folder holds the same in several) */
#define ENDINGS(X)          \
    X(".parquet", true)     \
    X(".jsonl",   true)     \
    X(".ndjson",  true)     \
    X(".json",    true)     \
    X(".csv",     true)     \
    X(".tsv",     true)     \
    X(".arrow",   false)
// clang-format on

static const struct {
    const char *text;
    bool is_read;
} endings[] = {
#define X(text, is_read) {text, is_read},
    ENDINGS(X)
#undef X
};
enum { ENDING_COUNT = sizeof endings / sizeof *endings };

/* Words in names that tell the split (those of `datasets`). */
static const struct {
    const char *word, *split;
} split_words[] = {
    {"train", "train"},    {"training", "train"}, {"validation", "validation"}, {"valid", "validation"}, {"dev", "validation"},
    {"val", "validation"}, {"test", "test"},      {"testing", "test"},          {"eval", "test"},        {"evaluation", "test"},
};

typedef struct {
    char *path; /* in the folder */
    int ending;
    str subset, split;
    bool is_default;
} item;

typedef struct {
    arena *a;
    const char *folder;
    item *list;
    int count, room;
    str split, subset; /* wished */
} looking;

/* ---- all files ------------------------------------------------------------------------------------------------------------------------ */

/* Behind it may stand how the file is packed. */
static int ending_of(const char *name) {
    static const char *const packed[] = {"", ".gz", ".zst", ".zstd"};
    for (int i = 0; i < ENDING_COUNT; i++)
        for (int k = 0; k < 4; k++) {
            const size_t size = strlen(name), first = strlen(endings[i].text), last = strlen(packed[k]);
            const bool long_enough = size > first + last;
            if (long_enough && !strncasecmp(name + size - first - last, endings[i].text, first) &&
                !strcasecmp(name + size - last, packed[k]))
                return i;
        }
    return -1;
}

/* What stands beside the data and is none. */
static bool is_about_data(const char *name) {
    static const char *const names[] = {"dataset_info.json", "dataset_infos.json", "dataset_dict.json",
                                        "state.json",        "dataset.json",       "settings.json",
                                        "config.json",       "metadata.json",      "version.json"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(name, names[i])) return true;
    return false;
}

static void add_file(looking *l, const char *path, int ending) {
    if (l->count == l->room) {
        const int room = l->room ? l->room * 2 : 64;
        item *more = arena_array(l->a, item, room);
        if (l->count) memcpy(more, l->list, sizeof *more * (size_t)l->count);
        l->list = more;
        l->room = room;
    }
    l->list[l->count++] = (item){.path = arena_text(l->a, path), .ending = ending, .subset = STR("default"), .split = STR("")};
}

static bool walk(looking *l, const char *below, int depth, err *e) {
    char **names;
    int count;
    if (!dir_list(l->a, *below ? path_join(l->a, l->folder, below) : l->folder, &names, &count, e)) return false;
    for (int i = 0; i < count; i++) {
        if (names[i][0] == '.' || names[i][0] == '_') continue;
        char *path = path_join(l->a, below, names[i]);
        const int ending = ending_of(names[i]);
        if (file_is_dir(path_join(l->a, l->folder, path))) {
            if (depth < DEPTH_MAX && !walk(l, path, depth + 1, e)) return false;
        } else if (ending >= 0 && !is_about_data(names[i])) add_file(l, path, ending);
        if (l->count > FILES_MAX) return err_set(e, ERR_LIMIT, "%s holds more than %d files", l->folder, FILES_MAX);
    }
    return true;
}

/* ---- patterns ------------------------------------------------------------------------------------------------------------------------- */

static bool in_brackets(str *pattern, char c) {
    bool hit = false;
    size_t i = 1;
    const bool not_these = i < pattern->len && (pattern->ptr[i] == '!' || pattern->ptr[i] == '^');
    for (i += not_these; i < pattern->len && pattern->ptr[i] != ']'; i++) {
        const bool range = i + 2 < pattern->len && pattern->ptr[i + 1] == '-' && pattern->ptr[i + 2] != ']';
        hit = hit || (range ? c >= pattern->ptr[i] && c <= pattern->ptr[i + 2] : c == pattern->ptr[i]);
        if (range) i += 2;
    }
    *pattern = str_slice(*pattern, i + 1, pattern->len);
    return hit != not_these;
}

/* Where a star can take one character more. */
typedef struct {
    str pattern, path;
    bool set;
} fork;

static bool take_more(fork *f, str *pattern, str *path) {
    if (!f->set || !f->path.len) return false;
    f->path = *path = str_slice(f->path, 1, f->path.len);
    *pattern = f->pattern;
    return true;
}

/* One character of both; false where they differ. */
static bool same_character(str *pattern, str *path) {
    if (!pattern->len || !path->len) return false;
    const char c = path->ptr[0];
    if (pattern->ptr[0] == '[') {
        if (c == '/' || !in_brackets(pattern, c)) return false;
    } else {
        if (pattern->ptr[0] != c && (pattern->ptr[0] != '?' || c == '/')) return false;
        *pattern = str_slice(*pattern, 1, pattern->len);
    }
    *path = str_slice(*path, 1, path->len);
    return true;
}

/* Only the last star, and the last double star before it, have to be come back to: what stands before them has matched already. */
bool folder_glob(str pattern, str path) {
    fork star = {0}, deep = {0};
    while (pattern.len || path.len) {
        const bool double_star = str_starts(pattern, STR("**"));
        if (str_starts(pattern, STR("*"))) {
            while (str_starts(pattern, STR("*"))) pattern = str_slice(pattern, 1, pattern.len);
            if (double_star && str_starts(pattern, STR("/")))
                pattern = str_slice(pattern, 1, pattern.len); /* no folder will do too */
            if (double_star) deep = (fork){pattern, path, true};
            star = double_star ? (fork){0} : (fork){pattern, path, true};
            continue;
        }
        if (same_character(&pattern, &path)) continue;
        const bool in_name = star.set && star.path.len && star.path.ptr[0] != '/';
        if (in_name && take_more(&star, &pattern, &path)) continue;
        star.set = false;
        if (!take_more(&deep, &pattern, &path)) return false;
    }
    return true;
}

/* ---- splits ---------------------------------------------------------------------------------------------------------------------------- */

static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

/* A word that stands alone in the path: no letter before and behind. */
static bool has_word(const char *path, const char *word) {
    const size_t size = strlen(word);
    for (const char *at = path; (at = strcasestr(at, word)) != NULL; at++)
        if ((at == path || !is_letter(at[-1])) && !is_letter(at[size])) return true;
    return false;
}

/* NAME-00000-of-00002: where the number begins, or NULL. */
static const char *shard_number(const char *name) {
    for (const char *of = name; (of = strstr(of, "-of-")) != NULL; of += 4)
        if (of - name >= 7 && of[-6] == '-' && strspn(of - 5, "0123456789") == 5 && strspn(of + 4, "0123456789") == 5)
            return of - 5;
    return NULL;
}

static void split_by_name(looking *l, item *x) {
    const char *name = path_name(x->path), *number = shard_number(name);
    for (size_t i = 0; i < sizeof split_words / sizeof *split_words && !x->split.len; i++)
        if (has_word(x->path, split_words[i].word)) x->split = str_of(split_words[i].split);
    if (!x->split.len && number) x->split = (str){name, (size_t)(number - 1 - name)};
    if (!x->split.len) x->split = STR("train");
    (void)l;
}

/* Subsets and splits as the README says; a file may be in several, and is then listed for each. */
static void split_by_readme(looking *l, const folder_patterns *p) {
    const int files = l->count;
    item *all = l->list;
    l->list = NULL;
    l->count = l->room = 0;
    for (int i = 0; i < p->count; i++)
        for (int k = 0; k < files; k++) {
            if (!folder_glob(p->item[i].pattern, str_of(all[k].path))) continue;
            add_file(l, all[k].path, all[k].ending);
            item *x = &l->list[l->count - 1];
            x->subset = p->item[i].subset;
            x->split = p->item[i].split;
            x->is_default = p->item[i].is_default;
            if (!x->split.len) split_by_name(l, x);
        }
}

/* ---- choosing --------------------------------------------------------------------------------------------------------------------------- */

static bool read_wish(looking *l, str wish, err *e) {
    while (wish.len) {
        const ptrdiff_t comma = str_find(wish, STR(","), 0);
        const str one = str_slice(wish, 0, comma < 0 ? wish.len : (size_t)comma);
        if (str_starts(one, STR("split="))) l->split = str_slice(one, 6, one.len);
        else if (str_starts(one, STR("subset="))) l->subset = str_slice(one, 7, one.len);
        else
            return err_set(e, ERR_USAGE, "expected %s#split=NAME or #subset=NAME,split=NAME; '%.*s' is neither", l->folder,
                           STR_ARG(one));
        wish = comma < 0 ? STR("") : str_slice(wish, (size_t)comma + 1, wish.len);
    }
    return true;
}

static str subset_of(const item *x) { return x->subset; }
static str split_of(const item *x) { return x->split; }

/* The names there are, in the order met: "train, test". */
static const char *names_of(looking *l, str (*of)(const item *), int *count) {
    str seen[SPLITS_MAX];
    char *out = arena_text(l->a, "");
    *count = 0;
    for (int i = 0; i < l->count; i++) {
        int k = 0;
        while (k < *count && !str_eq(seen[k], of(&l->list[i]))) k++;
        if (k < *count || *count == SPLITS_MAX) continue;
        seen[(*count)++] = of(&l->list[i]);
        out = arena_printf(l->a, "%s%s%.*s", out, k ? ", " : "", STR_ARG(seen[k]));
    }
    return out;
}

static void keep(looking *l, str (*of)(const item *), str name) {
    int kept = 0;
    for (int i = 0; i < l->count; i++)
        if (str_eq(of(&l->list[i]), name)) l->list[kept++] = l->list[i];
    l->count = kept;
}

static bool has(const looking *l, str (*of)(const item *), str name) {
    for (int i = 0; i < l->count; i++)
        if (str_eq(of(&l->list[i]), name)) return true;
    return false;
}

/* The one that is wished, preferred, or the only one. */
static bool choose(looking *l, const char *what, str (*of)(const item *), str wished, str preferred, str *chosen, err *e) {
    int count;
    const char *names = names_of(l, of, &count);
    *chosen = wished.len ? wished : has(l, of, preferred) ? preferred : count == 1 ? of(&l->list[0]) : STR("");
    if (!chosen->len)
        return err_set(e, ERR_USAGE, "%s has several %ss (%s); say which: %s#%s=NAME", l->folder, what, names, l->folder, what);
    if (!has(l, of, *chosen))
        return err_set(e, ERR_NOT_FOUND, "%s has no %s '%.*s'; it has %s", l->folder, what, STR_ARG(*chosen), names);
    keep(l, of, *chosen);
    return true;
}

static str default_subset(const looking *l) {
    for (int i = 0; i < l->count; i++)
        if (l->list[i].is_default) return l->list[i].subset;
    return STR("default");
}

/* Of several kinds of file the one with the most, the earlier in ENDINGS where there are as many. */
static void keep_one_kind(looking *l) {
    int seen[ENDING_COUNT] = {0}, best = 0, kept = 0;
    for (int i = 0; i < l->count; i++) seen[l->list[i].ending]++;
    for (int k = 1; k < ENDING_COUNT; k++)
        if (endings[k].is_read && seen[k] > seen[best]) best = k;
    for (int i = 0; i < l->count; i++)
        if (l->list[i].ending == best) l->list[kept++] = l->list[i];
    l->count = kept;
}

static bool check_shards(const looking *l, err *e) {
    for (int i = 0; i < l->count; i++) {
        const char *number = shard_number(path_name(l->list[i].path));
        if (!number) continue;
        const int total = atoi(number + 9);
        int there = 0;
        for (int k = 0; k < l->count; k++) {
            const char *other = shard_number(path_name(l->list[k].path));
            there += other && atoi(other + 9) == total && number - l->list[i].path == other - l->list[k].path &&
                     !strncmp(l->list[i].path, l->list[k].path, (size_t)(number - l->list[i].path));
        }
        if (there < total)
            return err_set(e, ERR_INPUT, "%s: %d of %d shards of %s are there; fetch the others too", l->folder, there, total,
                           l->list[i].path);
        if (total > 1000) return true; /* looked at once; more would take long */
        while (i + 1 < l->count && shard_number(path_name(l->list[i + 1].path)) &&
               !strncmp(l->list[i].path, l->list[i + 1].path, (size_t)(number - l->list[i].path)))
            i++;
    }
    return true;
}

/* ---- all of it --------------------------------------------------------------------------------------------------------------------------- */

static bool nothing_to_read(const looking *l, err *e) {
    int arrow = 0, other = 0;
    for (int i = 0; i < l->count; i++) endings[l->list[i].ending].is_read ? other++ : arrow++;
    if (other) return false;
    if (!arrow)
        return !err_set(e, ERR_INPUT, "%s holds no data: expected .parquet, .jsonl, .json, .csv or .tsv files in it", l->folder);
    return !err_set(e, ERR_UNSUPPORTED,
                    "%s holds Arrow files, as save_to_disk writes them, which are not read; write it as Parquet: "
                    "datasets.load_from_disk('%s').to_parquet('data.parquet'), of several splits each by itself",
                    l->folder, l->folder);
}

static int by_path(const void *x, const void *y) { return strcmp(((const item *)x)->path, ((const item *)y)->path); }

/* A file that two patterns name is read once. */
static void drop_twins(looking *l) {
    int kept = 0;
    for (int i = 0; i < l->count; i++)
        if (!kept || strcmp(l->list[kept - 1].path, l->list[i].path)) l->list[kept++] = l->list[i];
    l->count = kept;
}

bool folder_files_find(arena *a, const char *folder, str wish, folder_files *out, err *e) {
    looking l = {.a = a, .folder = folder, .split = STR(""), .subset = STR("")};
    folder_patterns patterns;
    str subset, split;
    if (!read_wish(&l, wish, e) || !walk(&l, "", 0, e) || nothing_to_read(&l, e)) return false;
    if (!folder_readme(a, path_join(a, folder, "README.md"), &patterns, e)) return false;
    if (patterns.count) split_by_readme(&l, &patterns);
    else
        for (int i = 0; i < l.count; i++) split_by_name(&l, &l.list[i]);
    if (!l.count) return err_set(e, ERR_INPUT, "%s: no file fits the data_files that its README.md names", folder);
    if (!choose(&l, "subset", subset_of, l.subset, default_subset(&l), &subset, e) ||
        !choose(&l, "split", split_of, l.split, STR("train"), &split, e))
        return false;
    keep_one_kind(&l);
    qsort(l.list, (size_t)l.count, sizeof *l.list, by_path);
    drop_twins(&l);
    if (nothing_to_read(&l, e) || !check_shards(&l, e)) return false;
    out->count = l.count;
    out->path = arena_array(a, char *, l.count);
    for (int i = 0; i < l.count; i++) out->path[i] = path_join(a, folder, l.list[i].path);
    out->words = arena_printf(a, "%d file%s of split %.*s", l.count, l.count == 1 ? "" : "s", STR_ARG(split));
    return true;
}
