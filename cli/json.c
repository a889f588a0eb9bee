/* JSON on stdout: see json.h. */
#include "json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { DEPTH = 16 };
static char closing[DEPTH];
static bool filled[DEPTH]; /* whether something stands in that bracket already */
static int depth;

static void text(const char *s) {
    putchar('"');
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\')
            printf("\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            printf("\\u%04x", c);
        else
            putchar(c);
    }
    putchar('"');
}

static void begin(const char *name) {
    if (depth > 0) {
        if (filled[depth - 1])
            putchar(',');
        filled[depth - 1] = true;
        printf("\n%*s", 2 * depth, "");
    }
    if (name) {
        text(name);
        printf(": ");
    }
}

void cli_json_open(const char *name, char bracket) {
    if (depth == DEPTH)
        abort();
    begin(name);
    putchar(bracket);
    closing[depth] = bracket == '{' ? '}' : ']';
    filled[depth++] = false;
}

void cli_json_close(void) {
    depth--;
    if (filled[depth])
        printf("\n%*s", 2 * depth, "");
    putchar(closing[depth]);
    if (depth == 0)
        putchar('\n');
}

void cli_json_string(const char *name, const char *value) {
    begin(name);
    if (value)
        text(value);
    else
        printf("null");
}

void cli_json_whole(const char *name, uint64_t value) {
    begin(name);
    printf("%llu", (unsigned long long)value);
}

void cli_json_bool(const char *name, bool value) {
    begin(name);
    printf("%s", value ? "true" : "false");
}

void cli_json_number(const char *name, double value) {
    begin(name);
    if (!isfinite(value)) {
        printf("null");
        return;
    }
    char digits[40];
    for (int n = 1; n <= 17; n++) {
        snprintf(digits, sizeof digits, "%.*g", n, value);
        if (strtod(digits, NULL) >= value && strtod(digits, NULL) <= value)
            break;
    }
    printf("%s", digits);
}
