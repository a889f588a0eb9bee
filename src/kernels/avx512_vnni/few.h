/* Chunks of weights of fewer than 8 bits by VPDPBUSD on zmm; their sums are 16-bit numbers, so that VPDPWSSD takes one
 * times its multiplier and adds it in one step. */
#include "kernels/avx512/few_vector.h"

#define FEW_IN_PLACE 1
#define FEW_GATES_INNER 1

static inline few_sum few_dot(few_sum sum, few u, quad d) {
    return _mm512_dpbusd_epi32(sum, u, d);
}

static inline vi few6_dot(vi sum, few u, quad d) {
    return _mm512_dpbusd_epi32(sum, u, d);
}

/* 16 bytes to the low halves of 16 32-bit integers. */
static inline few_times few_times_load(const unsigned char *m) {
    return _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)m));
}

/* A sum's low half is all of it, as a signed number; its high half meets the 0 of the multiplier's. */
static inline vi few_weigh(vi total, few_sum sum, few_times m) {
    return _mm512_dpwssd_epi32(total, sum, m);
}

/* In 2 bits the sums that begin with it are halved as they are joined. */
static inline int32_t few_begins(int32_t n) {
    return (BITS == 2 ? 2 : 1) * PSTI_FEW_OFFSET(BITS) * n;
}

#if BITS == 4 || BITS == 3
static inline few_sum few_join(const few_sum s[2]) {
    return _mm512_add_epi32(s[0], _mm512_srai_epi32(s[1], 4));
}
#elif BITS == 2
static inline few_sum few_join(const few_sum s[4]) {
    return _mm512_add_epi32(_mm512_add_epi32(_mm512_slli_epi32(s[0], 1), _mm512_srai_epi32(s[1], 1)),
                            _mm512_add_epi32(_mm512_srai_epi32(s[2], 3), _mm512_srai_epi32(s[3], 5)));
}
#else
static inline few_sum few_join(const few_sum s[1]) {
    return s[0];
}
#endif

#include "kernels/avx2/few_digits.h"
