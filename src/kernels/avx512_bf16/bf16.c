/* bf16 at level avx512_bf16: VDPBF16PS. */
#include <immintrin.h>

#include "kernels/kernels.h"
#include "kernels/target.h"

PSTI_TARGET("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,avx512vnni,avx512bf16")

#include "kernels/avx512/vector.h"
#include "kernels/template/math.h"

#define BUILD avx512_bf16
#define ENCODING bf16
#define ENCODING_NUMBER PSTI_BF16
#define STEP 2

typedef __m512bh step_operand;

static inline step_operand step_load(const void *code, uint32_t input) {
    int32_t pair;
    memcpy(&pair, (const uint16_t *)code + input, sizeof pair);
    return (step_operand)_mm512_set1_epi32(pair);
}

static inline vf step_add(vf sum, const unsigned char *w, step_operand x) {
    return _mm512_dpbf16_ps(sum, (__m512bh)_mm512_loadu_si512(w), x);
}

#include "kernels/template/floats.h"
#include "kernels/template/layer.h"

PSTI_TARGET_END
