/* Chunks of weights of fewer than 8 bits without VNNI: avx512/few.h, in two ymm registers. */
#include "kernels/avx2/few_vector.h"

#define FEW_IN_PLACE 0
#define FEW_GATES_INNER 0

static inline few_sum few_dot(few_sum sum, few u, quad d) {
    return (few_sum){_mm256_add_epi16(sum.a, _mm256_maddubs_epi16(u.a, d)),
                     _mm256_add_epi16(sum.b, _mm256_maddubs_epi16(u.b, d))};
}

static inline __m256i few6_dot8(__m256i sum, __m256i u, quad d) {
    return _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(u, d), _mm256_set1_epi16(1)));
}

static inline vi few6_dot(vi sum, few u, quad d) {
    return (vi){few6_dot8(sum.a, u.a, d), few6_dot8(sum.b, u.b, d)};
}

/* Each in both halves of a 32-bit integer. */
static inline __m256i few_times8(__m128i m) {
    __m256i low = _mm256_cvtepu8_epi32(m);
    return _mm256_or_si256(low, _mm256_slli_epi32(low, 16));
}

static inline few_times few_times_load(const unsigned char *m) {
    __m128i all = _mm_loadu_si128((const __m128i *)m);
    return (few_times){few_times8(all), few_times8(_mm_srli_si128(all, 8))};
}

static inline vi few_weigh(vi total, few_sum sum, few_times m) {
    return (vi){_mm256_add_epi32(total.a, _mm256_madd_epi16(sum.a, m.a)),
                _mm256_add_epi32(total.b, _mm256_madd_epi16(sum.b, m.b))};
}

/* Halves of 16 bits: with a part of the offset in each, both stay in range. */
static inline int32_t few_begins(int32_t n) {
    int32_t first = PSTI_FEW_OFFSET(BITS) / 2 * n, second = PSTI_FEW_OFFSET(BITS) * n - first;
    return (int32_t)(((uint32_t)first & 0xffff) | (uint32_t)second << 16);
}

static inline few_sum few_join(const few_sum s[1]) {
    return s[0];
}

#include "kernels/avx2/few_digits.h"
