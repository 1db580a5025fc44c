/* cmd_completion.c - fettle completion: words for the Tab key of a shell, from the table of commands. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "train/train.h"

static bool run_completion(arena *a, int argc, char **argv, err *e);

const command command_completion = {"completion", "print what makes a shell complete fettle's commands and options",
                                    "bash|zsh|fish\n\nbash:  source <(fettle completion bash)            in ~/.bashrc\n"
                                    "zsh:   fettle completion zsh > ~/.zfunc/_fettle    with fpath+=~/.zfunc before compinit\n"
                                    "fish:  fettle completion fish > ~/.config/fish/completions/fettle.fish",
                                    NULL, run_completion};

/* ---- what can stand behind a command ------------------------------------------------------------------------------------------ */

enum { WORDS_MOST = 64, TABLES_MOST = 64 };
typedef struct {
    const char *word[WORDS_MOST];
    int words;
    const opt *table[TABLES_MOST];
    int tables;
} choices;

static void add_word(arena *a, choices *c, const char *from, size_t length) {
    const char *word = arena_copy(a, from, length);
    for (int i = 0; i < c->words; i++)
        if (strcmp(c->word[i], word) == 0) return;
    if (c->words < WORDS_MOST) c->word[c->words++] = word;
}

static bool is_word(const char *text, size_t length) {
    for (size_t i = 0; i < length; i++)
        if (!islower((unsigned char)text[i]) && text[i] != '-') return false;
    return length > 1 && text[0] != '-';
}

/* The literal words of one alternative: "show RUN", "[peak] [train]", "bash|zsh|fish", up to the first that is no literal. */
static void add_alternative(arena *a, choices *c, str text) {
    bool first = true;
    for (size_t at = 0; at < text.len;) {
        const size_t gap = strspn(text.ptr + at, " []\n");
        if (gap) {
            at += gap;
            continue;
        }
        size_t n = strcspn(text.ptr + at, " []|\n");
        if (at + n > text.len) n = text.len - at;
        const bool optional = at > 0 && text.ptr[at - 1] == '[';
        const bool flag = optional && text.ptr[at] == '-';
        if (!flag && (!is_word(text.ptr + at, n) || !(first || optional || text.ptr[at - 1] == '|'))) return;
        if (!flag && !str_is((str){text.ptr + at, n}, "options")) add_word(a, c, text.ptr + at, n);
        first &= flag;
        at += n + (at + n < text.len && text.ptr[at + n] == '|');
    }
}

/* From the usage: lines up to the first empty one, alternatives split by " | "; later lines begin with the command's name. */
static void read_usage(arena *a, choices *c, const command *of) {
    const char *end = strstr(of->usage, "\n\n");
    const str all = {of->usage, end ? (size_t)(end - of->usage) : strlen(of->usage)};
    for (size_t at = 0; at < all.len;) {
        const ptrdiff_t line = str_find(all, STR("\n"), at), bar = str_find(all, STR(" | "), at);
        size_t to = all.len, next = all.len;
        if (line >= 0) to = (size_t)line, next = to + 1;
        if (bar >= 0 && (size_t)bar < to) to = (size_t)bar, next = to + 3;
        str part = str_trim(str_slice(all, at, to));
        const str starts[] = {STR("fettle "), str_of(of->name)};
        for (size_t i = 0; i < 2 && at; i++)
            if (str_starts(part, starts[i])) part = str_trim(str_slice(part, starts[i].len, part.len));
        add_alternative(a, c, part);
        at = next;
    }
}

static void add_objectives(arena *a, choices *c) {
    int count;
    const objective *const *list = objective_list(&count);
    c->table[c->tables++] = train_option_table;
    c->table[c->tables++] = rollout_option_table;
    for (int i = 0; i < count; i++) {
        add_word(a, c, list[i]->name, strlen(list[i]->name));
        if (c->tables < TABLES_MOST) c->table[c->tables++] = list[i]->options;
    }
}

static choices choices_of(arena *a, const command *of) {
    choices c = {0};
    if (of->options) c.table[c.tables++] = of->options;
    if (of == &command_train) add_objectives(a, &c);
    else read_usage(a, &c, of);
    return c;
}

/* ---- printing ------------------------------------------------------------------------------------------------------------------- */

static void put_flag(const char *key) {
    printf("--");
    for (; *key; key++) putchar(*key == '_' ? '-' : *key);
}

static bool seen_before(const choices *c, int table, const opt *o) {
    for (int t = 0; t < table; t++)
        if (opt_find(c->table[t], str_of(o->key))) return true;
    return false;
}

static void put_choice_words(const opt *o) {
    for (const char *p = o->choices; *p; p++) putchar(*p == '|' ? ' ' : *p);
}

/* One list of words a command, one a choice: both shells ask for them by the words before the cursor. */
static void put_cases(arena *a) {
    printf("  case $before in\n");
    for (const command *const *k = command_list; *k; k++) {
        const choices c = choices_of(a, *k);
        for (int t = 0; t < c.tables; t++)
            for (const opt *o = c.table[t]; o->key; o++) {
                if (!o->choices || seen_before(&c, t, o)) continue;
                printf("    '%s ", (*k)->name), put_flag(o->key), printf("') offers='"), put_choice_words(o),
                    printf("'; return;;\n");
            }
    }
    printf("  esac\n  case $command in\n");
    for (const command *const *k = command_list; *k; k++) {
        const choices c = choices_of(a, *k);
        printf("    %s) offers='--help", (*k)->name);
        for (int i = 0; i < c.words; i++) printf(" %s", c.word[i]);
        for (int t = 0; t < c.tables; t++)
            for (const opt *o = c.table[t]; o->key; o++)
                if (!seen_before(&c, t, o)) putchar(' '), put_flag(o->key);
        printf("';;\n");
    }
    printf("    *) offers='--help --version");
    for (const command *const *k = command_list; *k; k++) printf(" %s", (*k)->name);
    printf("';;\n  esac\n");
}

static void put_bash(arena *a) {
    printf("# fettle for bash: source <(fettle completion bash)\n"
           "_fettle_words() {\n  local command=$1 before=\"$1 $2\"\n  offers=\n");
    put_cases(a);
    printf("}\n_fettle() {\n  local offers command=\n  [ \"$COMP_CWORD\" -gt 1 ] && command=${COMP_WORDS[1]}\n"
           "  _fettle_words \"$command\" \"${COMP_WORDS[COMP_CWORD-1]}\"\n"
           "  COMPREPLY=($(compgen -W \"$offers\" -- \"${COMP_WORDS[COMP_CWORD]}\"))\n}\n"
           "complete -o default -F _fettle fettle\n");
}

static void put_zsh(arena *a) {
    printf("#compdef fettle\n_fettle_words() {\n  local command=$1 before=\"$1 $2\"\n  offers=\n");
    put_cases(a);
    printf("}\n_fettle() {\n  local -a typed; typed=(\"${words[@]}\")\n  local at=$CURRENT command=\n"
           "  (( at > 2 )) && command=${typed[2]}\n  local offers\n  _fettle_words \"$command\" \"${typed[at-1]}\"\n"
           "  compadd -- ${=offers}\n  _files\n}\n"
           "if [ \"$funcstack[1]\" = _fettle ]; then _fettle \"$@\"; else compdef _fettle fettle; fi\n");
}

static void put_fish_text(const char *text) {
    putchar('\'');
    for (; *text; text++) {
        if (*text == '\'' || *text == '\\') putchar('\\');
        putchar(*text);
    }
    putchar('\'');
}

static void put_fish_option(const char *command_name, const opt *o) {
    printf("complete -c fettle -n '__fish_seen_subcommand_from %s' -l ", command_name);
    for (const char *p = o->key; *p; p++) putchar(*p == '_' ? '-' : *p);
    if (o->type != OPT_BOOL) printf(o->choices ? " -x" : " -r");
    if (o->choices) printf(" -a '"), put_choice_words(o), printf("'");
    printf(" -d "), put_fish_text(o->help ? o->help : ""), putchar('\n');
}

static void put_fish(arena *a) {
    printf("# fettle for fish\n");
    for (const command *const *k = command_list; *k; k++) {
        const choices c = choices_of(a, *k);
        printf("complete -c fettle -n __fish_use_subcommand -a %s -d ", (*k)->name), put_fish_text((*k)->words), putchar('\n');
        for (int i = 0; i < c.words; i++)
            printf("complete -c fettle -n '__fish_seen_subcommand_from %s' -a %s\n", (*k)->name, c.word[i]);
        for (int t = 0; t < c.tables; t++)
            for (const opt *o = c.table[t]; o->key; o++)
                if (!seen_before(&c, t, o)) put_fish_option((*k)->name, o);
    }
}

static const struct {
    const char *name;
    void (*put)(arena *a);
} shells[] = {{"bash", put_bash}, {"zsh", put_zsh}, {"fish", put_fish}};

static bool run_completion(arena *a, int argc, char **argv, err *e) {
    int rest;
    bool help;
    if (!arguments_read(a, &command_completion, NULL, argc, argv, &rest, &help, e) || help) return help;
    for (size_t i = 0; rest == 1 && i < sizeof shells / sizeof *shells; i++)
        if (strcmp(argv[0], shells[i].name) == 0) return shells[i].put(a), true;
    return err_set(e, ERR_USAGE, "say which shell: fettle completion bash, zsh or fish");
}
