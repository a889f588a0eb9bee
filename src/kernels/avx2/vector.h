/* Vectors of 16 floats in two ymm registers. scalar/vector.h says what each operation means. */
#ifndef PSTI_KERNELS_AVX2_VECTOR_H
#define PSTI_KERNELS_AVX2_VECTOR_H

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#include "base/number.h"
#include "kernels/kernels.h"

typedef struct {
    __m256 a, b;
} vf;

/* 16 registers hold the 8 sums of a wide block and what one step needs, if the compiler is kept from two things. gcc
 * begins all steps of a group before it ends any: a vector's step ends where this stands. */
#define PSTI_IN_ORDER(v) __asm__ volatile("" : "+x"(v))
/* And it gives registers to what lives across the loops, and keeps the sums of the loop in memory: v is in memory here,
 * so that a loop's sums are other variables. */
#define PSTI_PARK(v) __asm__ volatile("" : "+m"(v))

#define BOTH(expression_a, expression_b) ((vf){(expression_a), (expression_b)})

static inline vf vf_load(const float *p) {
    return BOTH(_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8));
}
static inline void vf_store(float *p, vf v) {
    _mm256_storeu_ps(p, v.a);
    _mm256_storeu_ps(p + 8, v.b);
}
static inline vf vf_all(float v) {
    return BOTH(_mm256_set1_ps(v), _mm256_set1_ps(v));
}
static inline vf vf_add(vf x, vf y) {
    return BOTH(_mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b));
}
static inline vf vf_sub(vf x, vf y) {
    return BOTH(_mm256_sub_ps(x.a, y.a), _mm256_sub_ps(x.b, y.b));
}
static inline vf vf_mul(vf x, vf y) {
    return BOTH(_mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b));
}
static inline vf vf_div(vf x, vf y) {
    return BOTH(_mm256_div_ps(x.a, y.a), _mm256_div_ps(x.b, y.b));
}
static inline vf vf_fma(vf x, vf y, vf z) {
    return BOTH(_mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b));
}
static inline vf vf_max(vf x, vf y) {
    return BOTH(_mm256_max_ps(x.a, y.a), _mm256_max_ps(x.b, y.b));
}
static inline vf vf_min(vf x, vf y) {
    return BOTH(_mm256_min_ps(x.a, y.a), _mm256_min_ps(x.b, y.b));
}
static inline __m256 psti_abs8(__m256 v) {
    return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), v);
}
static inline vf vf_abs(vf x) {
    return BOTH(psti_abs8(x.a), psti_abs8(x.b));
}
static inline __m256 psti_copysign8(__m256 v, __m256 s) {
    const __m256 sign = _mm256_set1_ps(-0.0f);
    return _mm256_or_ps(_mm256_andnot_ps(sign, v), _mm256_and_ps(sign, s));
}
static inline vf vf_copysign(vf x, vf s) {
    return BOTH(psti_copysign8(x.a, s.a), psti_copysign8(x.b, s.b));
}
static inline vf vf_round(vf x) {
    return BOTH(_mm256_round_ps(x.a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC),
                _mm256_round_ps(x.b, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
static inline __m256 psti_power2_of_shifted8(__m256 v) {
    __m256i e = _mm256_slli_epi32(_mm256_castps_si256(v), 23);
    return _mm256_castsi256_ps(_mm256_add_epi32(e, _mm256_set1_epi32(0x3f800000)));
}
static inline vf vf_power2_of_shifted(vf x) {
    return BOTH(psti_power2_of_shifted8(x.a), psti_power2_of_shifted8(x.b));
}
static inline vf vf_where_less(vf p, vf q, vf x, vf y) {
    return BOTH(_mm256_blendv_ps(y.a, x.a, _mm256_cmp_ps(p.a, q.a, _CMP_LT_OQ)),
                _mm256_blendv_ps(y.b, x.b, _mm256_cmp_ps(p.b, q.b, _CMP_LT_OQ)));
}
static inline __m256 psti_flush8(__m256 v, __m256i below) {
    return _mm256_and_ps(_mm256_castsi256_ps(_mm256_cmpgt_epi32(_mm256_castps_si256(psti_abs8(v)), below)), v);
}
static inline vf vf_flush(vf x, float least) {
    __m256i below = _mm256_set1_epi32((int32_t)psti_bits(least) - 1); /* the largest that is flushed */
    return BOTH(psti_flush8(x.a, below), psti_flush8(x.b, below));
}
/* 32-bit integers of both halves as 16-bit ones, in order; values fit. */
static inline __m256i psti_narrow16(__m256i a, __m256i b) {
    return _mm256_permute4x64_epi64(_mm256_packs_epi32(a, b), 0xd8);
}
/* The low bytes of 16 16-bit integers, in order; values fit. */
static inline __m128i psti_narrow8(__m256i v) {
    return _mm_packs_epi16(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
}
static inline __m256i psti_round_bf16(__m256 v) {
    __m256i b = _mm256_castps_si256(v);
    __m256i odd = _mm256_and_si256(_mm256_srli_epi32(b, 16), _mm256_set1_epi32(1));
    /* the shift is arithmetic so that the 16-bit pack does not saturate */
    return _mm256_srai_epi32(_mm256_add_epi32(b, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff))), 16);
}
static inline void vf_store_bf16(uint16_t *p, vf x) {
    _mm256_storeu_si256((__m256i *)p, psti_narrow16(psti_round_bf16(x.a), psti_round_bf16(x.b)));
}
static inline void vf_store_digits(int8_t *high, int8_t *low, vf x) {
    __m256i v = psti_narrow16(_mm256_cvtps_epi32(x.a), _mm256_cvtps_epi32(x.b));
    __m256i top = _mm256_srai_epi16(_mm256_add_epi16(v, _mm256_set1_epi16(128)), 8);
    _mm_storeu_si128((__m128i *)high, psti_narrow8(top));
    _mm_storeu_si128((__m128i *)low, psti_narrow8(_mm256_sub_epi16(v, _mm256_slli_epi16(top, 8))));
}
static inline void vf_store_digit(int8_t *p, vf x) {
    _mm_storeu_si128((__m128i *)p, psti_narrow8(psti_narrow16(_mm256_cvtps_epi32(x.a), _mm256_cvtps_epi32(x.b))));
}
static inline uint32_t vf_largest_bits(vf x, uint32_t before) {
    uint32_t bits[8];
    _mm256_storeu_si256((__m256i *)bits,
                        _mm256_max_epu32(_mm256_castps_si256(psti_abs8(x.a)), _mm256_castps_si256(psti_abs8(x.b))));
    for (int i = 0; i < 8; i++)
        before = bits[i] > before ? bits[i] : before;
    return before;
}

#endif
