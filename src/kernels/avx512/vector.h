/* Vectors of 16 floats in one zmm register. scalar/vector.h says what each operation means. */
#ifndef PSTI_KERNELS_AVX512_VECTOR_H
#define PSTI_KERNELS_AVX512_VECTOR_H

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#include "base/number.h"
#include "kernels/kernels.h"

#define PSTI_PARK(v) (void)0 /* avx2/vector.h: here are registers enough */
typedef __m512 vf;

static inline vf vf_load(const float *p) {
    return _mm512_loadu_ps(p);
}
static inline void vf_store(float *p, vf a) {
    _mm512_storeu_ps(p, a);
}
static inline vf vf_all(float v) {
    return _mm512_set1_ps(v);
}
static inline vf vf_add(vf a, vf b) {
    return _mm512_add_ps(a, b);
}
static inline vf vf_sub(vf a, vf b) {
    return _mm512_sub_ps(a, b);
}
static inline vf vf_mul(vf a, vf b) {
    return _mm512_mul_ps(a, b);
}
static inline vf vf_div(vf a, vf b) {
    return _mm512_div_ps(a, b);
}
static inline vf vf_fma(vf a, vf b, vf c) {
    return _mm512_fmadd_ps(a, b, c);
}
static inline vf vf_max(vf a, vf b) {
    return _mm512_max_ps(a, b);
}
static inline vf vf_min(vf a, vf b) {
    return _mm512_min_ps(a, b);
}
static inline vf vf_abs(vf a) {
    return _mm512_abs_ps(a);
}
static inline vf vf_copysign(vf a, vf s) {
    const __m512i sign = _mm512_set1_epi32(INT32_MIN);
    /* sign ? s : a, bit by bit */
    return _mm512_castsi512_ps(_mm512_ternarylogic_epi32(sign, _mm512_castps_si512(s), _mm512_castps_si512(a), 0xca));
}
static inline vf vf_round(vf a) {
    return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
static inline vf vf_power2_of_shifted(vf a) {
    __m512i e = _mm512_slli_epi32(_mm512_castps_si512(a), 23);
    return _mm512_castsi512_ps(_mm512_add_epi32(e, _mm512_set1_epi32(0x3f800000)));
}
static inline vf vf_where_less(vf a, vf b, vf x, vf y) {
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), y, x);
}
static inline vf vf_flush(vf a, float least) {
    __m512i size = _mm512_castps_si512(_mm512_abs_ps(a));
    return _mm512_maskz_mov_ps(_mm512_cmpge_epi32_mask(size, _mm512_set1_epi32((int32_t)psti_bits(least))), a);
}
static inline void vf_store_bf16(uint16_t *p, vf a) {
    __m512i b = _mm512_castps_si512(a);
    __m512i odd = _mm512_and_si512(_mm512_srli_epi32(b, 16), _mm512_set1_epi32(1));
    b = _mm512_add_epi32(b, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
    _mm256_storeu_si256((__m256i *)p, _mm512_cvtepi32_epi16(_mm512_srli_epi32(b, 16)));
}
static inline void vf_store_digits(int8_t *high, int8_t *low, vf a) {
    __m512i v = _mm512_cvtps_epi32(a);
    _mm_storeu_si128((__m128i *)high,
                     _mm512_cvtepi32_epi8(_mm512_srai_epi32(_mm512_add_epi32(v, _mm512_set1_epi32(128)), 8)));
    /* v mod 256 as a signed byte is the low digit: v - 256 high lies in [-128, 127] */
    _mm_storeu_si128((__m128i *)low, _mm512_cvtepi32_epi8(v));
}
static inline void vf_store_digit(int8_t *p, vf a) {
    _mm_storeu_si128((__m128i *)p, _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(a)));
}
static inline uint32_t vf_largest_bits(vf a, uint32_t before) {
    uint32_t largest = _mm512_reduce_max_epu32(_mm512_castps_si512(_mm512_abs_ps(a)));
    return largest > before ? largest : before;
}

#endif
