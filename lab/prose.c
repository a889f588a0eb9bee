/* Sentences under a table: see prose.h. */
#include "lab/prose.h"

#include <stdarg.h>
#include <string.h>

void lab_prose(int markdown, FILE *to, const char *format, ...) {
    char text[4096];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    const char *rest = text;
    size_t length = strlen(rest);
    while (!markdown && length > LAB_PROSE_WIDTH) {
        size_t n = LAB_PROSE_WIDTH;
        while (n > 0 && rest[n] != ' ')
            n--;
        if (n == 0) /* a word longer than a line, a path most likely, is not cut */
            n = strcspn(rest, " ");
        fprintf(to, "%.*s\n", (int)n, rest);
        rest += rest[n] ? n + 1 : n;
        length = strlen(rest);
    }
    fprintf(to, markdown ? "%s\n\n" : "%s\n", rest);
}
