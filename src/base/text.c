/* Texts of bounded length. */
#include "base/text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

/* Kept free for " and N more". */
#define PSTI_TEXT_END 40

void psti_text_add(psti_text *t, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    size_t room = sizeof t->text - t->used;
    int n = vsnprintf(t->text + t->used, room, format, arguments);
    va_end(arguments);
    if (n > 0) {
        t->used += (size_t)n < room ? (size_t)n : room - 1;
    }
}

void psti_text_item(psti_text *t, const char *format, ...) {
    char item[512];
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(item, sizeof item, format, arguments);
    va_end(arguments);
    size_t length = n < 0 ? 0 : (size_t)n < sizeof item ? (size_t)n : sizeof item - 1;
    t->items++;
    if (t->left_out || length + 2 + PSTI_TEXT_END >= sizeof t->text - t->used) {
        t->left_out++;
        return;
    }
    psti_text_add(t, "%s%s", t->items > 1 ? ", " : "", item);
}

const char *psti_text_end(psti_text *t) {
    if (t->left_out) {
        psti_text_add(t, " and %zu more", t->left_out);
        t->left_out = 0;
    }
    return t->text;
}

void psti_text_shape(psti_text *t, size_t rank, const uint64_t *shape) {
    psti_text_add(t, "[");
    for (size_t i = 0; i < rank && i < 8; i++) {
        psti_text_add(t, "%s%" PRIu64, i ? ", " : "", shape[i]);
    }
    psti_text_add(t, rank > 8 ? ", ...]" : "]");
}
