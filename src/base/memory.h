/* Checked sizes, and an arena: memory that is taken piece by piece and given back all at once. */
#ifndef PSTI_BASE_MEMORY_H
#define PSTI_BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* *out = a * b (a + b); false if it overflows, *out then untouched. */
bool psti_multiply(size_t a, size_t b, size_t *out);
bool psti_add(size_t a, size_t b, size_t *out);

/* Zero-initialise with {0}. Pieces are aligned to 64 bytes and cleared. */
typedef struct psti_arena {
    struct psti_arena_chunk *chunks;
    size_t bytes; /* taken in all */
} psti_arena;

/* count elements of `size` bytes, cleared, aligned to 64; NULL on overflow or without memory, error set. */
void *psti_arena_take(psti_arena *arena, size_t count, size_t size);
/* A copy of a string in the arena; NULL without memory, error set. */
char *psti_arena_string(psti_arena *arena, const char *text);
void psti_arena_free(psti_arena *arena);

/* Heap memory aligned to 64 bytes, cleared; NULL without memory, error set. Free with free(). */
void *psti_allocate(size_t count, size_t size);

#endif
