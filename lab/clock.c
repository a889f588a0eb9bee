/* The clock's calibration: see clock.h. */
#include "lab/clock.h"

#include <stdlib.h>

#define CALIBRATION_NS 20000000u

static uint64_t raw_nanos(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC_RAW, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Both clocks at one moment: of some tries the one in which least time passed around the reading. */
static void read_both(uint64_t *ticks, uint64_t *nanos) {
    uint64_t least = UINT64_MAX;
    *ticks = *nanos = 0;
    for (int i = 0; i < 32; i++) {
        uint64_t before = lab_ticks(), ns = raw_nanos(), after = lab_ticks();
        if (after - before < least) {
            least = after - before;
            *ticks = before + least / 2;
            *nanos = ns;
        }
    }
}

static double rate_since(const lab_clock *clock) {
    uint64_t ticks, nanos;
    read_both(&ticks, &nanos);
    return 1e3 * (double)(ticks - clock->ticks0) / (double)(nanos - clock->nanos0);
}

void lab_clock_open(lab_clock *clock) {
#if defined(__x86_64__)
    clock->name = "rdtscp";
#elif defined(__aarch64__)
    clock->name = "cntvct";
#else
    clock->name = "clock_gettime";
#endif
    read_both(&clock->ticks0, &clock->nanos0);
}

void lab_clock_calibrate(lab_clock *clock) {
    enum { PAIRS = 1001 };
    uint64_t pairs[PAIRS];
    while (raw_nanos() - clock->nanos0 < CALIBRATION_NS)
        ;
    clock->ticks_per_us = rate_since(clock);
    for (int i = 0; i < PAIRS; i++) {
        uint64_t before = lab_ticks();
        pairs[i] = lab_ticks() - before;
    }
    clock->pair_us = lab_us(clock, lab_median(pairs, PAIRS));
}

double lab_clock_drift(const lab_clock *clock) {
    return rate_since(clock) / clock->ticks_per_us - 1;
}

static int compare(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

uint64_t lab_median(uint64_t *values, uint32_t n) {
    qsort(values, n, sizeof *values, compare);
    return values[n / 2];
}
