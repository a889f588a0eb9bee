/* A spread of times: every one counted, none kept. */
#ifndef PSTI_HOST_SPREAD_H
#define PSTI_HOST_SPREAD_H

#include <stdint.h>

/* 64 classes an octave, so a class is at most 1/64 of its values wide; from 2^36 ns (69 s) on there is only one. */
enum { PSTI_SPREAD_CLASSES = 2048 };

/* Zero-initialise with {0}. */
typedef struct {
    uint64_t count, sum, largest; /* exact */
    uint64_t in[PSTI_SPREAD_CLASSES];
} psti_spread;

void psti_spread_add(psti_spread *s, uint64_t ns);
/* The middle of the class of the smallest time that at least the share q of all does not exceed; 0 without any. */
double psti_spread_at(const psti_spread *s, double q);
double psti_spread_mean(const psti_spread *s);

#endif
