/* Chunks of weights of fewer than 8 bits without VNNI: VPMADDUBSW of unsigned weights and signed digits saturates at no
 * pair (2 x 63 x 128), and the sums of a chunk's half fit 16 bits (16 x 15 x 128), which VPMADDWD takes times the
 * multiplier, both halves at once. */
#include "kernels/avx512/few_vector.h"

#define FEW_IN_PLACE 0
#define FEW_GATES_INNER 1

static inline few_sum few_dot(few_sum sum, few u, quad d) {
    return _mm512_add_epi16(sum, _mm512_maddubs_epi16(u, d));
}

static inline vi few6_dot(vi sum, few u, quad d) {
    return _mm512_add_epi32(sum, _mm512_madd_epi16(_mm512_maddubs_epi16(u, d), _mm512_set1_epi16(1)));
}

/* Each in both halves of a 32-bit integer. */
static inline few_times few_times_load(const unsigned char *m) {
    __m512i low = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)m));
    return _mm512_or_si512(low, _mm512_slli_epi32(low, 16));
}

static inline vi few_weigh(vi total, few_sum sum, few_times m) {
    return _mm512_add_epi32(total, _mm512_madd_epi16(sum, m));
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
