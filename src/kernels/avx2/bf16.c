/* bf16 at level avx2: the two halves of a pair by mask and shift. */
#include <immintrin.h>

#include "kernels/kernels.h"
#include "kernels/target.h"

PSTI_TARGET("avx2,fma")

#include "kernels/avx2/vector.h"
#include "kernels/template/math.h"

#define BUILD avx2

static inline __m256 odd8(const unsigned char *w) {
    return _mm256_castsi256_ps(_mm256_and_si256(_mm256_loadu_si256((const __m256i *)w), _mm256_set1_epi32(-65536)));
}

static inline __m256 even8(const unsigned char *w) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_loadu_si256((const __m256i *)w), 16));
}

static inline vf vf_odd(const unsigned char *w) {
    return (vf){odd8(w), odd8(w + 32)};
}

static inline vf vf_even(const unsigned char *w) {
    return (vf){even8(w), even8(w + 32)};
}

#include "kernels/template/bf16.h"

PSTI_TARGET_END
