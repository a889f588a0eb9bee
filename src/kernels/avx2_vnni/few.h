/* Chunks of weights of fewer than 8 bits by VPDPBUSD on ymm: avx512_vnni/few.h, in two registers. DPBUSD and DPWSSD are
 * the VEX encodings (AVX-VNNI) unless a build has defined them. */
#include "kernels/avx2/few_vector.h"

#ifndef DPBUSD
#define DPBUSD _mm256_dpbusd_avx_epi32
#define DPWSSD _mm256_dpwssd_avx_epi32
#endif
#define FEW_IN_PLACE 1
#define FEW_GATES_INNER 0

static inline few_sum few_dot(few_sum sum, few u, quad d) {
    return (few_sum){DPBUSD(sum.a, u.a, d), DPBUSD(sum.b, u.b, d)};
}

static inline vi few6_dot(vi sum, few u, quad d) {
    return (vi){DPBUSD(sum.a, u.a, d), DPBUSD(sum.b, u.b, d)};
}

static inline few_times few_times_load(const unsigned char *m) {
    __m128i all = _mm_loadu_si128((const __m128i *)m);
    return (few_times){_mm256_cvtepu8_epi32(all), _mm256_cvtepu8_epi32(_mm_srli_si128(all, 8))};
}

static inline vi few_weigh(vi total, few_sum sum, few_times m) {
    return (vi){DPWSSD(total.a, sum.a, m.a), DPWSSD(total.b, sum.b, m.b)};
}

static inline few_sum few_down(few_sum s, const int n) {
    return (few_sum){_mm256_srai_epi32(s.a, n), _mm256_srai_epi32(s.b, n)};
}

static inline few_sum few_add(few_sum x, few_sum y) {
    return (few_sum){_mm256_add_epi32(x.a, y.a), _mm256_add_epi32(x.b, y.b)};
}

/* In 2 bits the sums that begin with it are halved as they are joined. */
static inline int32_t few_begins(int32_t n) {
    return (BITS == 2 ? 2 : 1) * PSTI_FEW_OFFSET(BITS) * n;
}

#if BITS == 4 || BITS == 3
static inline few_sum few_join(const few_sum s[2]) {
    return few_add(s[0], few_down(s[1], 4));
}
#elif BITS == 2
static inline few_sum few_join(const few_sum s[4]) {
    return few_add(few_add(few_add(s[0], s[0]), few_down(s[1], 1)), few_add(few_down(s[2], 3), few_down(s[3], 5)));
}
#else
static inline few_sum few_join(const few_sum s[1]) {
    return s[0];
}
#endif

#include "kernels/avx2/few_digits.h"
