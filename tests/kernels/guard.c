/* Guarded memory: a page that faults behind, a pattern before. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness.h"

#define PATTERN 0xa5
#define MOST 4096

static struct {
    unsigned char *map;
    size_t mapped, pattern_bytes;
} taken[MOST];
static int count;

static void *take(size_t bytes) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE), data = (bytes + 64 + page - 1) / page * page;
    unsigned char *map = mmap(NULL, data + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED || count == MOST || mprotect(map + data, page, PROT_NONE) != 0)
        abort();
    unsigned char *at = map + data - bytes;
    memset(map, PATTERN, (size_t)(at - map));
    taken[count].map = map;
    taken[count].mapped = data + page;
    taken[count++].pattern_bytes = (size_t)(at - map);
    return at;
}

void *guard_exact(size_t bytes) {
    return take(bytes);
}

void *guard_take(size_t bytes) {
    return take((bytes + 63) & ~(size_t)63);
}

void *guard_copy(const void *from, size_t bytes) {
    void *to = guard_take(bytes);
    memcpy(to, from, bytes);
    return to;
}

int guard_check(void) {
    for (int i = 0; i < count; i++)
        for (size_t b = 0; b < taken[i].pattern_bytes; b++)
            if (taken[i].map[b] != PATTERN)
                return 1;
    return 0;
}

void guard_free(void) {
    for (int i = 0; i < count; i++)
        munmap(taken[i].map, taken[i].mapped);
    count = 0;
}
