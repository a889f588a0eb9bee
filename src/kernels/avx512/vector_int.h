/* 16 int32 in one zmm register, for the products of 8-bit weights. */
#ifndef PSTI_KERNELS_AVX512_VECTOR_INT_H
#define PSTI_KERNELS_AVX512_VECTOR_INT_H

#include "kernels/avx512/vector.h"

typedef __m512i vi;

static inline vi vi_zero(void) {
    return _mm512_setzero_si512();
}
static inline vi vi_add(vi a, vi b) {
    return _mm512_add_epi32(a, b);
}
static inline vi vi_load(const uint32_t *p) {
    return _mm512_loadu_si512(p);
}
static inline void vi_store(uint32_t *p, vi a) {
    _mm512_storeu_si512(p, a);
}
static inline vi vi_subtract_all(vi a, int32_t b) {
    return _mm512_sub_epi32(a, _mm512_set1_epi32(b));
}
static inline vf vi_to_float(vi a) {
    return _mm512_cvtepi32_ps(a);
}

#endif
