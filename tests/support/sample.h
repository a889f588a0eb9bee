/* Tests that go through many cases of a kind take a sample of them where every step is slow: under sanitizers, in
 * emulation, at level scalar. tests/run sets PENSTOCK_SAMPLE there. */
#ifndef TESTS_SUPPORT_SAMPLE_H
#define TESTS_SUPPORT_SAMPLE_H

#include <stdlib.h>

/* One case of how many is taken: n in a sample, else 1. */
static inline unsigned sample_of(unsigned n) {
    return getenv("PENSTOCK_SAMPLE") ? n : 1;
}

#endif
