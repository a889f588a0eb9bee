/* 16 int32 in two ymm registers, for the products of 8-bit weights. */
#ifndef PSTI_KERNELS_AVX2_VECTOR_INT_H
#define PSTI_KERNELS_AVX2_VECTOR_INT_H

#include "kernels/avx2/vector.h"

typedef struct {
    __m256i a, b;
} vi;

static inline vi vi_zero(void) {
    return (vi){_mm256_setzero_si256(), _mm256_setzero_si256()};
}
static inline vi vi_add(vi x, vi y) {
    return (vi){_mm256_add_epi32(x.a, y.a), _mm256_add_epi32(x.b, y.b)};
}
static inline vi vi_load(const uint32_t *p) {
    return (vi){_mm256_loadu_si256((const __m256i *)p), _mm256_loadu_si256((const __m256i *)(p + 8))};
}
static inline void vi_store(uint32_t *p, vi x) {
    _mm256_storeu_si256((__m256i *)p, x.a);
    _mm256_storeu_si256((__m256i *)(p + 8), x.b);
}
static inline vi vi_subtract_all(vi x, int32_t y) {
    __m256i all = _mm256_set1_epi32(y);
    return (vi){_mm256_sub_epi32(x.a, all), _mm256_sub_epi32(x.b, all)};
}
static inline vf vi_to_float(vi x) {
    return (vf){_mm256_cvtepi32_ps(x.a), _mm256_cvtepi32_ps(x.b)};
}

#endif
