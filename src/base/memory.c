/* Checked sizes, the arena, and aligned heap memory. */
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"

#define PSTI_ALIGNMENT 64 /* a cache line, and the widest vector */

/* Stands at the start of its own block of memory; the piece follows at the next multiple of 64. */
struct psti_arena_chunk {
    struct psti_arena_chunk *next;
};

bool psti_multiply(size_t a, size_t b, size_t *out) {
    size_t product;
    if (__builtin_mul_overflow(a, b, &product)) {
        return false;
    }
    *out = product;
    return true;
}

bool psti_add(size_t a, size_t b, size_t *out) {
    size_t sum;
    if (__builtin_add_overflow(a, b, &sum)) {
        return false;
    }
    *out = sum;
    return true;
}

void *psti_arena_take(psti_arena *arena, size_t count, size_t size) {
    size_t bytes, block;
    if (!psti_multiply(count, size, &bytes) ||
        !psti_add(bytes, sizeof(struct psti_arena_chunk) + PSTI_ALIGNMENT, &block)) {
        (void)psti_fail_memory(SIZE_MAX);
        return NULL;
    }
    /* calloc, not aligned_alloc and memset: large pieces then come as untouched zero pages. */
    struct psti_arena_chunk *chunk = calloc(1, block);
    if (!chunk) {
        (void)psti_fail_memory(block);
        return NULL;
    }
    chunk->next = arena->chunks;
    arena->chunks = chunk;
    arena->bytes += bytes;
    uintptr_t after = (uintptr_t)(chunk + 1);
    size_t gap = (PSTI_ALIGNMENT - after % PSTI_ALIGNMENT) % PSTI_ALIGNMENT;
    return (unsigned char *)(chunk + 1) + gap;
}

char *psti_arena_string(psti_arena *arena, const char *text) {
    size_t n = strlen(text) + 1;
    char *copy = psti_arena_take(arena, n, 1);
    if (copy) {
        memcpy(copy, text, n);
    }
    return copy;
}

void psti_arena_free(psti_arena *arena) {
    while (arena->chunks) {
        struct psti_arena_chunk *next = arena->chunks->next;
        free(arena->chunks);
        arena->chunks = next;
    }
    arena->bytes = 0;
}

void *psti_allocate(size_t count, size_t size) {
    size_t bytes, padded;
    if (!psti_multiply(count, size, &bytes) || !psti_add(bytes ? bytes : 1, PSTI_ALIGNMENT - 1, &padded)) {
        (void)psti_fail_memory(SIZE_MAX);
        return NULL;
    }
    padded -= padded % PSTI_ALIGNMENT; /* aligned_alloc wants a multiple */
    void *memory = aligned_alloc(PSTI_ALIGNMENT, padded);
    if (!memory) {
        (void)psti_fail_memory(padded);
        return NULL;
    }
    memset(memory, 0, padded);
    return memory;
}
