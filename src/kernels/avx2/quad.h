/* Dot products of 4 inputs without VNNI: VPMADDUBSW of |d| (unsigned) and the weights, those of a negative digit
 * inverted bit by bit: |d| (-w - 1) = d w - |d|, so a sum lacks the |d| of the negative digits, which is the same in
 * all lanes and known once a call. Inverting is one VPXOR with the weights in memory; VPSIGNB would be a load and a
 * slower instruction. No pair of products saturates: at most 2 * 128 * 127, at least 2 * 128 * -128 = -32768. */
#include "kernels/avx2/vector_int.h"

#define QUAD_OFFSET 1

/* Read where it is used. */
typedef const unsigned char *w8;

/* 4 digits in all lanes: |d|, and all bits of a byte where d < 0. */
typedef struct {
    __m256i magnitude, negative;
} quad;

static inline w8 w8_load(const unsigned char *w) {
    return w;
}

static inline quad quad_load(const int8_t *d) {
    int32_t four;
    memcpy(&four, d, sizeof four);
    __m256i digits = _mm256_set1_epi32(four);
    return (quad){_mm256_abs_epi8(digits), _mm256_cmpgt_epi8(_mm256_setzero_si256(), digits)};
}

static inline __m256i quad_dot8(__m256i sum, w8 w, quad d) {
    __m256i turned = _mm256_xor_si256(_mm256_loadu_si256((const __m256i *)w), d.negative);
    __m256i products = _mm256_madd_epi16(_mm256_maddubs_epi16(d.magnitude, turned), _mm256_set1_epi16(1));
    sum = _mm256_add_epi32(sum, products);
    PSTI_IN_ORDER(sum);
    return sum;
}

static inline vi quad_dot(vi sum, w8 w, quad d) {
    return (vi){quad_dot8(sum.a, w, d), quad_dot8(sum.b, w + 32, d)};
}

/* The sum of the negative digits; operands are padded to 64 with zeros. */
static inline int32_t digit_sum(const int8_t *d, uint32_t n) {
    __m256i sum = _mm256_setzero_si256(), zero = _mm256_setzero_si256();
    for (uint32_t i = 0; i < n; i += 32) {
        __m256i digits = _mm256_loadu_si256((const __m256i *)(d + i));
        /* |d| of the negative ones, 128 at most, as unsigned bytes */
        __m256i negative = _mm256_and_si256(_mm256_abs_epi8(digits), _mm256_cmpgt_epi8(zero, digits));
        sum = _mm256_sub_epi64(sum, _mm256_sad_epu8(negative, zero));
    }
    __m128i half = _mm_add_epi64(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
    return _mm_cvtsi128_si32(_mm_add_epi64(half, _mm_unpackhi_epi64(half, half)));
}
