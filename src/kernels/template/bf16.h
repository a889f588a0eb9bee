/* bf16: a pair of inputs a step, odd then even, each one FMA to nearest even, as VDPBF16PS does. A build without that
 * instruction defines vf_odd(weights) and vf_even(weights), the two halves of 16 pairs as floats. */
#define ENCODING bf16
#define ENCODING_NUMBER PSTI_BF16
#define STEP 2

typedef struct {
    vf odd, even;
} step_operand;

static inline step_operand step_load(const void *code, uint32_t input) {
    const uint16_t *pair = (const uint16_t *)code + input;
    return (step_operand){vf_all(psti_from_bf16(pair[1])), vf_all(psti_from_bf16(pair[0]))};
}

static inline vf step_add(vf sum, const unsigned char *w, step_operand x) {
    return vf_fma(vf_even(w), x.even, vf_fma(vf_odd(w), x.odd, sum));
}

#include "kernels/template/floats.h"
#include "kernels/template/layer.h"
