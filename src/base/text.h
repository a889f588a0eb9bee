/* Texts of bounded length, for messages: lists that say how many items they had no room for. */
#ifndef PSTI_BASE_TEXT_H
#define PSTI_BASE_TEXT_H

#include <stddef.h>
#include <stdint.h>

/* Zero-initialise with {0}; text is always complete. */
typedef struct {
    char text[2048];
    size_t used;
    size_t items, left_out; /* of psti_text_item */
} psti_text;

/* Appends, cut at the room there is. */
void psti_text_add(psti_text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Appends one item of a list, after ", " from the second on; one that no longer fits is counted instead. */
void psti_text_item(psti_text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The finished text: " and 7 more" is appended if items were left out. */
const char *psti_text_end(psti_text *t);
/* Appends a shape: "[4, 128]". */
void psti_text_shape(psti_text *t, size_t rank, const uint64_t *shape);

#endif
