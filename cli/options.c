/* The command line: see options.h. */
#include "options.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "output.h"
#include "penstock.h"

enum { WORD_MOST = 64 }; /* longer words are nobody's typing error */

/* Edits (insert, delete, replace, swap neighbours) that make one word of the other. */
static size_t distance(const char *a, const char *b) {
    size_t rows[3][WORD_MOST + 1];
    size_t na = strlen(a), nb = strlen(b);
    if (na > WORD_MOST || nb > WORD_MOST)
        return WORD_MOST;
    size_t *before = rows[0], *last = rows[1], *now = rows[2];
    for (size_t j = 0; j <= nb; j++)
        last[j] = before[j] = j;
    for (size_t i = 1; i <= na; i++) {
        now[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            size_t best = last[j - 1] + (a[i - 1] != b[j - 1]);
            if (last[j] + 1 < best)
                best = last[j] + 1;
            if (now[j - 1] + 1 < best)
                best = now[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            now[j] = best;
        }
        size_t *spare = before;
        before = last;
        last = now;
        now = spare;
    }
    return last[nb];
}

const char *cli_nearest(const char *word, const char *const *names) {
    const char *nearest = NULL;
    word += strspn(word, "-");
    size_t n = strlen(word);
    size_t too_far = n < 3 ? 1 : n < 6 ? 2 : 3; /* of short words one letter may be wrong, of long ones two */
    for (; *names; names++) {
        const char *name = *names + strspn(*names, "-");
        size_t d = n >= 2 && strncmp(word, name, n) == 0 ? 0 : distance(word, name);
        if (d < too_far) {
            too_far = d;
            nearest = *names;
        }
    }
    return nearest;
}

void cli_print_help(const cli_usage *usage) {
    printf("usage: penstock %s %s\n\n%s\n\noptions:\n", usage->command, usage->usage, usage->about);
    for (const cli_option *o = usage->table; o->name; o++) {
        char form[64];
        snprintf(form, sizeof form, "--%s%s%s", o->name, o->argument ? " " : "", o->argument ? o->argument : "");
        if (o->letter)
            printf("  -%c, %-26s %s\n", o->letter, form, o->help);
        else
            printf("      %-26s %s\n", form, o->help);
    }
    printf("  -h, %-26s %s\n", "--help", "print this");
}

static enum cli_parsed unknown(const cli_usage *usage, const char *word) {
    enum { MOST = 32 };
    char text[MOST][40];
    const char *names[MOST + 1];
    int n = 0;
    snprintf(text[n++], sizeof text[0], "--help");
    for (const cli_option *o = usage->table; o->name && n < MOST; o++)
        snprintf(text[n++], sizeof text[0], "--%s", o->name);
    for (int i = 0; i < n; i++)
        names[i] = text[i];
    names[n] = NULL;
    size_t length = strcspn(word, "=");
    const char *near = NULL;
    char *name = strndup(word, length);
    if (name)
        near = cli_nearest(name, names);
    if (near)
        cli_error("unknown option '%s': did you mean '%s'?", name, near);
    else
        cli_error("unknown option '%s': see penstock %s --help", name ? name : word, usage->command);
    free(name);
    return CLI_REFUSED;
}

/* The option that argv[i] is, and its value if it is in the same word. */
static const cli_option *match(const cli_option *table, const char *word, const char **value) {
    *value = NULL;
    for (const cli_option *o = table; o->name; o++) {
        size_t n = strlen(o->name);
        if (word[1] == '-' && strncmp(word + 2, o->name, n) == 0 && (word[n + 2] == 0 || word[n + 2] == '=')) {
            if (word[n + 2] == '=')
                *value = word + n + 3;
            return o;
        }
        if (o->letter && word[1] == o->letter && (word[2] == 0 || o->argument)) {
            if (word[2])
                *value = word + 2;
            return o;
        }
    }
    return NULL;
}

static bool repeats(const cli_option *o) {
    size_t n = o->argument ? strlen(o->argument) : 0;
    return n > 3 && strcmp(o->argument + n - 3, "...") == 0;
}

static bool take(const cli_option *o, const char *value, char **argv, int *i) {
    const char **to = o->value;
    if (repeats(o)) {
        while (*to)
            to++;
        if (to - o->value == CLI_REPEATS) {
            cli_error("--%s is given more than %d times", o->name, CLI_REPEATS);
            return false;
        }
    }
    if (*to) {
        cli_error("--%s is given twice", o->name);
        return false;
    }
    if (!o->argument) {
        if (value) {
            cli_error("--%s takes no value", o->name);
            return false;
        }
        *to = "";
        return true;
    }
    if (!value) {
        /* "-" alone is a value: standard input or output. */
        value = argv[*i + 1];
        if (!value || (value[0] == '-' && value[1] != 0 && !(value[1] >= '0' && value[1] <= '9'))) {
            cli_error("--%s needs a value: --%s %.*s", o->name, o->name,
                      (int)(strlen(o->argument) - (repeats(o) ? 3 : 0)), o->argument);
            return false;
        }
        ++*i;
    }
    if (!*value) {
        cli_error("--%s has an empty value", o->name);
        return false;
    }
    *to = value;
    return true;
}

enum cli_parsed cli_parse(const cli_usage *usage, int argc, char **argv, const char **operand) {
    bool only_operands = false;
    *operand = NULL;
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i], *value;
        if (only_operands || word[0] != '-' || word[1] == 0) {
            if (!usage->operand) {
                cli_error("'%s' is one too many: only options are taken", word);
                return CLI_REFUSED;
            }
            if (*operand) {
                cli_error("'%s' is one too many: only %s is taken, and it is '%s'", word, usage->operand, *operand);
                return CLI_REFUSED;
            }
            if (!*word) {
                cli_error("%s is an empty name", usage->operand);
                return CLI_REFUSED;
            }
            *operand = word;
            continue;
        }
        if (strcmp(word, "--") == 0) {
            only_operands = true;
            continue;
        }
        if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
            cli_print_help(usage);
            return CLI_HELPED;
        }
        const cli_option *o = match(usage->table, word, &value);
        if (!o)
            return unknown(usage, word);
        if (!take(o, value, argv, &i))
            return CLI_REFUSED;
    }
    if (usage->operand && !*operand) {
        cli_error("%s is missing: penstock %s %s", usage->operand, usage->command, usage->usage);
        return CLI_REFUSED;
    }
    return CLI_GO;
}

bool cli_number(const char *what, const char *text, uint64_t least, uint64_t most, uint64_t *out) {
    char *end;
    errno = 0;
    unsigned long long n = text[0] >= '0' && text[0] <= '9' ? strtoull(text, &end, 10) : (end = (char *)text, 0);
    if (end == text || *end) {
        cli_error("%s: '%s' is not a whole number", what, text);
        return false;
    }
    if (errno == ERANGE || n < least || n > most) {
        cli_error("%s: %s is not between %llu and %llu", what, text, (unsigned long long)least,
                  (unsigned long long)most);
        return false;
    }
    *out = n;
    return true;
}

bool cli_parse_tolerance(const char *text, cli_tolerance *out) {
    bool absolute = strncmp(text, "abs:", 4) == 0;
    const char *number = absolute ? text + 4 : text;
    char *end;
    double limit = strtod(number, &end);
    /* strtod would take blanks, signs, hexadecimal, "inf" and "nan". */
    if (!*number || strspn(number, "0123456789.eE+-") != strlen(number) || *number == '+' || *end || !isfinite(limit) ||
        limit < 0) {
        cli_error("--tolerance: '%s' is not E or abs:E with a number E >= 0, such as 0.01 or abs:1e-3", text);
        return false;
    }
    out->absolute = absolute;
    out->limit = limit;
    return true;
}

/* Weakest first, as the library's own: PENSTOCK_ISA is a cap, so the order matters. */
static const char *const all_levels[] = {"scalar", "avx2", "avx2_vnni", "avx512", "avx512_vnni", "avx512_bf16"};
enum { ALL_LEVELS = sizeof all_levels / sizeof *all_levels };

static int level_index(const char *name) {
    for (int i = 0; i < ALL_LEVELS; i++)
        if (strcmp(all_levels[i], name) == 0)
            return i;
    return -1;
}

const char *cli_level(void) {
    const char *cap = getenv("PENSTOCK_ISA"), *const * here, *level = NULL;
    size_t count;
    if (!cap || !*cap)
        return NULL;
    pst_levels(&here, &count);
    for (size_t i = 0; i < count; i++)
        if (level_index(here[i]) <= level_index(cap))
            level = here[i];
    return level;
}

bool cli_level_check(void) {
    const char *cap = getenv("PENSTOCK_ISA");
    if (!cap || !*cap || level_index(cap) >= 0)
        return true;
    char list[256] = "";
    for (int i = 0; i < ALL_LEVELS; i++) {
        size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, "%s%s", used ? ", " : "", all_levels[i]);
    }
    cli_error("PENSTOCK_ISA=%s is not a level; the levels are %s", cap, list);
    return false;
}
