/* A weak memory of a few cores, for a model checker: what a load may find, and which plain accesses race.
 *
 * It is the release-acquire part of C11's memory model, run step by step. A location keeps its stores in their order. A
 * load may find any of them that is not older than what its core already knows of: so a store becomes visible to each
 * core at a time of its own, and two stores to two locations in either order. A core knows of another's stores up to a
 * number. A store with release carries what its core knows, a load with acquire takes that over; relaxed ones do not.
 * A plain access that another core's access to the same place does not happen before is a race, and an error, whatever
 * it would have found: that covers all that compilers and processors may do to plain accesses. Every location has only
 * one core that writes it, as in the engine. */
#ifndef TESTS_UNIT_ENGINE_WEAK_H
#define TESTS_UNIT_ENGINE_WEAK_H

#include <stdint.h>
#include <string.h>

enum { WEAK_CORES = 3, WEAK_ATOMICS = 32, WEAK_PLAINS = 40, WEAK_KEPT = 8 };

/* number: of the store among its core's, from 1 on. knows: with it the reader knows so many stores of each core. */
typedef struct {
    uint8_t value, number, knows[WEAK_CORES];
} weak_store;

typedef struct {
    uint8_t writer, oldest, count; /* of the stores that some core may still find: from `oldest` on */
    uint8_t from[WEAK_CORES];      /* the oldest that a core may find */
    weak_store store[WEAK_KEPT];
} weak_atomic;

/* An access before the n-th store of its core is of number n: whoever knows that store, and with release, is behind. */
typedef struct {
    uint16_t value;
    uint8_t writer, written, read[WEAK_CORES];
} weak_plain;

typedef struct {
    uint8_t knows[WEAK_CORES][WEAK_CORES]; /* [m][m]: m's own stores */
    weak_atomic atomic[WEAK_ATOMICS];
    weak_plain plain[WEAK_PLAINS];
} weak_memory;

/* All zero, and known to all. */
static inline void weak_begin(weak_memory *w, int cores) {
    memset(w, 0, sizeof *w);
    for (int a = 0; a < WEAK_ATOMICS; a++) {
        w->atomic[a].count = 1;
        for (int m = cores; m < WEAK_CORES; m++)
            w->atomic[a].from[m] = 255; /* there is no such core */
    }
}

static inline int weak_newest(const weak_atomic *a) {
    return a->oldest + a->count - 1;
}

/* How many stores core m may find at a location. */
static inline int weak_choices(const weak_memory *w, int m, int location) {
    const weak_atomic *a = &w->atomic[location];
    return weak_newest(a) - a->from[m] + 1;
}

/* After core m came to know more: what it cannot find any more, and what nobody can. */
static inline void weak_forget(weak_memory *w, int m) {
    for (int i = 0; i < WEAK_ATOMICS; i++) {
        weak_atomic *a = &w->atomic[i];
        uint8_t least = 255;
        while (a->from[m] < weak_newest(a) && a->store[a->from[m] - a->oldest + 1].number <= w->knows[m][a->writer])
            a->from[m]++;
        for (int k = 0; k < WEAK_CORES; k++)
            least = a->from[k] < least ? a->from[k] : least;
        int gone = least - a->oldest;
        if (!gone)
            continue;
        memmove(a->store, a->store + gone, (size_t)(a->count - gone) * sizeof *a->store);
        memset(a->store + a->count - gone, 0, (size_t)gone * sizeof *a->store);
        a->oldest = least;
        a->count = (uint8_t)(a->count - gone);
    }
}

/* 0, or 1 if there is no room for so many unseen stores. */
static inline int weak_put(weak_memory *w, int m, int location, uint8_t value, int release) {
    weak_atomic *a = &w->atomic[location];
    if (a->count == WEAK_KEPT)
        return 1;
    weak_store *s = &a->store[a->count++];
    a->writer = (uint8_t)m;
    *s = (weak_store){.value = value, .number = ++w->knows[m][m]};
    if (release)
        memcpy(s->knows, w->knows[m], sizeof s->knows);
    weak_forget(w, m);
    return 0;
}

/* Finds the choice-th of the stores that core m may find. */
static inline uint8_t weak_get(weak_memory *w, int m, int location, int choice, int acquire) {
    weak_atomic *a = &w->atomic[location];
    a->from[m] = (uint8_t)(a->from[m] + choice);
    weak_store s = a->store[a->from[m] - a->oldest];
    for (int k = 0; k < WEAK_CORES && acquire; k++)
        if (s.knows[k] > w->knows[m][k])
            w->knows[m][k] = s.knows[k];
    weak_forget(w, m);
    return s.value;
}

/* Plain accesses: 0, or 1 if it races. */
static inline int weak_write(weak_memory *w, int m, int place, uint16_t value) {
    weak_plain *p = &w->plain[place];
    int races = p->written && p->writer != m && p->written > w->knows[m][p->writer];
    for (int k = 0; k < WEAK_CORES; k++)
        races |= k != m && p->read[k] > w->knows[m][k];
    p->writer = (uint8_t)m;
    p->written = (uint8_t)(w->knows[m][m] + 1);
    p->value = value;
    memset(p->read, 0, sizeof p->read); /* they happen before this */
    return races;
}

static inline int weak_read(weak_memory *w, int m, int place, uint16_t *value) {
    weak_plain *p = &w->plain[place];
    *value = p->value;
    p->read[m] = (uint8_t)(w->knows[m][m] + 1);
    return p->written && p->writer != m && p->written > w->knows[m][p->writer];
}

#endif
