/* Rounding to nearest even for the time of a call: read at entry, set and put back only if the caller had another mode.
 * Flush-to-zero modes are left alone: no operation here has a denormal to flush (docs/numerics.md). */
#ifndef PSTI_BASE_ROUNDING_H
#define PSTI_BASE_ROUNDING_H

#include <fenv.h>

#if defined(__x86_64__)
#include <xmmintrin.h>

/* Only SSE's control word: nothing here uses the x87 unit, and fegetround() reads that one. */
static inline unsigned psti_rounding_enter(void) {
    unsigned was = _mm_getcsr();
    if (__builtin_expect((was & _MM_ROUND_MASK) != _MM_ROUND_NEAREST, 0))
        _mm_setcsr((was & ~(unsigned)_MM_ROUND_MASK) | _MM_ROUND_NEAREST);
    return was;
}

static inline void psti_rounding_leave(unsigned was) {
    if (__builtin_expect((was & _MM_ROUND_MASK) != _MM_ROUND_NEAREST, 0))
        _mm_setcsr((_mm_getcsr() & ~(unsigned)_MM_ROUND_MASK) | (was & _MM_ROUND_MASK));
}
#else
static inline unsigned psti_rounding_enter(void) {
    int was = fegetround();
    if (was != FE_TONEAREST)
        fesetround(FE_TONEAREST);
    return (unsigned)was;
}

static inline void psti_rounding_leave(unsigned was) {
    if ((int)was != FE_TONEAREST)
        fesetround((int)was);
}
#endif

#endif
