/* bf16 at level avx512: the two halves of a pair by mask and shift. */
#include <immintrin.h>

#include "kernels/kernels.h"
#include "kernels/target.h"

PSTI_TARGET("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma")

#include "kernels/avx512/vector.h"
#include "kernels/template/math.h"

#define BUILD avx512

static inline vf vf_odd(const unsigned char *w) {
    return _mm512_castsi512_ps(_mm512_and_si512(_mm512_loadu_si512(w), _mm512_set1_epi32(-65536)));
}

static inline vf vf_even(const unsigned char *w) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_loadu_si512(w), 16));
}

#include "kernels/template/bf16.h"

PSTI_TARGET_END
