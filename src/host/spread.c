/* A spread of times: see spread.h. */
#include "host/spread.h"

enum { BITS = 6, TOP = 36 };

static uint32_t class_of(uint64_t ns) {
    if (ns >> TOP)
        return PSTI_SPREAD_CLASSES - 1;
    uint32_t shift = ns >> BITS ? 63 - BITS - (uint32_t)__builtin_clzll(ns) : 0;
    return (shift << BITS) + (uint32_t)(ns >> shift);
}

/* Classes below 2^(BITS + 1) hold one value each. */
static double middle(uint32_t class) {
    uint32_t shift = class >> (BITS + 1) ? (class >> BITS) - 1 : 0;
    uint64_t first = (uint64_t)(class - (shift << BITS)) << shift;
    return (double)first + 0.5 * (double)(((uint64_t)1 << shift) - 1);
}

void psti_spread_add(psti_spread *s, uint64_t ns) {
    s->count++;
    s->sum += ns;
    if (ns > s->largest)
        s->largest = ns;
    s->in[class_of(ns)]++;
}

double psti_spread_at(const psti_spread *s, double q) {
    uint64_t seen = 0;
    for (uint32_t i = 0; i < PSTI_SPREAD_CLASSES; i++) {
        seen += s->in[i];
        if (seen && (double)seen >= q * (double)s->count) {
            /* The last class has no middle, and the largest bounds every one. */
            double largest = (double)s->largest;
            return i == PSTI_SPREAD_CLASSES - 1 || middle(i) > largest ? largest : middle(i);
        }
    }
    return 0;
}

double psti_spread_mean(const psti_spread *s) {
    return s->count ? (double)s->sum / (double)s->count : 0;
}
