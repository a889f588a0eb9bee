/* JSON: see json.h. */
#include "json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { DEPTH = 16 };
static FILE *stream; /* NULL: stdout */
static char closing[DEPTH];
static bool filled[DEPTH]; /* whether something stands in that bracket already */
static int depth;

void cli_json_to(FILE *to) {
    stream = to;
}

static FILE *out(void) {
    return stream ? stream : stdout;
}

static void text(const char *s) {
    putc('"', out());
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\')
            fprintf(out(), "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            fprintf(out(), "\\u%04x", c);
        else
            putc(c, out());
    }
    putc('"', out());
}

static void begin(const char *name) {
    if (depth > 0) {
        if (filled[depth - 1])
            putc(',', out());
        filled[depth - 1] = true;
        fprintf(out(), "\n%*s", 2 * depth, "");
    }
    if (name) {
        text(name);
        fprintf(out(), ": ");
    }
}

void cli_json_open(const char *name, char bracket) {
    if (depth == DEPTH)
        abort();
    begin(name);
    putc(bracket, out());
    closing[depth] = bracket == '{' ? '}' : ']';
    filled[depth++] = false;
}

void cli_json_close(void) {
    depth--;
    if (filled[depth])
        fprintf(out(), "\n%*s", 2 * depth, "");
    putc(closing[depth], out());
    if (depth == 0)
        putc('\n', out());
}

void cli_json_string(const char *name, const char *value) {
    begin(name);
    if (value)
        text(value);
    else
        fprintf(out(), "null");
}

void cli_json_whole(const char *name, uint64_t value) {
    begin(name);
    fprintf(out(), "%llu", (unsigned long long)value);
}

void cli_json_bool(const char *name, bool value) {
    begin(name);
    fprintf(out(), "%s", value ? "true" : "false");
}

void cli_json_number(const char *name, double value) {
    begin(name);
    if (!isfinite(value)) {
        fprintf(out(), "null");
        return;
    }
    char digits[40];
    for (int n = 1; n <= 17; n++) {
        snprintf(digits, sizeof digits, "%.*g", n, value);
        if (strtod(digits, NULL) >= value && strtod(digits, NULL) <= value)
            break;
    }
    fprintf(out(), "%s", digits);
}
