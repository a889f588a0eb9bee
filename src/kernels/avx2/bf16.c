/* bf16 at level avx2: the two halves of a pair by mask and shift. */
#include <immintrin.h>

#include "kernels/kernels.h"
#include "kernels/target.h"

PSTI_TARGET("avx2,fma")

#include "kernels/avx2/vector.h"
#include "kernels/template/math.h"

#define BUILD avx2

#define ENCODING bf16
#define ENCODING_NUMBER PSTI_BF16
#define STEP 2

static inline __m256 odd8(__m256i pairs) {
    return _mm256_castsi256_ps(_mm256_and_si256(pairs, _mm256_set1_epi32(-65536)));
}

static inline __m256 even8(__m256i pairs) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(pairs, 16));
}

/* A pair of activations, in all lanes. */
typedef struct {
    __m256 odd, even;
} step_operand;

static inline step_operand step_load(const void *code, uint32_t input) {
    int32_t pair;
    memcpy(&pair, (const uint16_t *)code + input, sizeof pair);
    __m256i all = _mm256_set1_epi32(pair);
    return (step_operand){odd8(all), even8(all)};
}

static inline __m256 step_add8(__m256 sum, const unsigned char *w, step_operand x) {
    __m256i pairs = _mm256_loadu_si256((const __m256i *)w);
    PSTI_IN_ORDER(pairs); /* and in one load */
    return _mm256_fmadd_ps(even8(pairs), x.even, _mm256_fmadd_ps(odd8(pairs), x.odd, sum));
}

static inline vf step_add(vf sum, const unsigned char *w, step_operand x) {
    return (vf){step_add8(sum.a, w, x), step_add8(sum.b, w + 32, x)};
}

#include "kernels/template/floats.h"
#include "kernels/template/layer.h"

PSTI_TARGET_END
