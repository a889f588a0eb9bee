/* The processor's own float modes and exception flags, as a caller may have them set. */
#ifndef TESTS_SUPPORT_MODES_H
#define TESTS_SUPPORT_MODES_H

#include <fenv.h>
#include <stdint.h>

enum { /* exception flags, in the same order on every machine */
       MODES_DENORMAL = 1,
       MODES_UNDERFLOW = 2
};

#if defined(__x86_64__)
#include <xmmintrin.h>

static inline uint64_t modes_get(void) {
    return _mm_getcsr() & ~0x3fu;
}
static inline void modes_set(uint64_t modes) {
    _mm_setcsr((unsigned)modes | (_mm_getcsr() & 0x3f));
}
/* `modes` with denormals taken as 0 and results flushed to 0. */
static inline uint64_t modes_flushing(uint64_t modes) {
    return modes | 0x8040;
}
static inline void modes_clear_flags(void) {
    _mm_setcsr(_mm_getcsr() & ~0x3fu);
}
static inline int modes_flags(void) {
    unsigned c = _mm_getcsr();
    return (c & 0x02 ? MODES_DENORMAL : 0) | (c & 0x10 ? MODES_UNDERFLOW : 0);
}
#elif defined(__aarch64__)
static inline uint64_t modes_get(void) {
    uint64_t c;
    __asm__ volatile("mrs %0, fpcr" : "=r"(c));
    return c;
}
static inline void modes_set(uint64_t modes) {
    __asm__ volatile("msr fpcr, %0" : : "r"(modes));
}
static inline uint64_t modes_flushing(uint64_t modes) {
    return modes | 1u << 24;
}
static inline void modes_clear_flags(void) {
    __asm__ volatile("msr fpsr, %0" : : "r"((uint64_t)0));
}
static inline int modes_flags(void) {
    uint64_t c;
    __asm__ volatile("mrs %0, fpsr" : "=r"(c));
    return (c & 0x80 ? MODES_DENORMAL : 0) | (c & 0x08 ? MODES_UNDERFLOW : 0);
}
#else
static inline uint64_t modes_get(void) {
    return (uint64_t)fegetround();
}
static inline void modes_set(uint64_t modes) {
    fesetround((int)modes);
}
static inline uint64_t modes_flushing(uint64_t modes) {
    return modes;
}
static inline void modes_clear_flags(void) {
    feclearexcept(FE_ALL_EXCEPT);
}
static inline int modes_flags(void) {
    return fetestexcept(FE_UNDERFLOW) ? MODES_UNDERFLOW : 0;
}
#endif

/* Rounding modes by number, 0 .. 3: nearest, down, up, towards zero. */
static inline uint64_t modes_rounding(int which) {
    static const int rounding[] = {FE_TONEAREST, FE_DOWNWARD, FE_UPWARD, FE_TOWARDZERO};
    uint64_t was = modes_get();
    int old = fegetround();
    fesetround(rounding[which]);
    uint64_t modes = modes_get();
    fesetround(old);
    modes_set(was);
    return modes;
}

#endif
