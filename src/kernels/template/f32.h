/* f32: one input a step, one FMA. */
#define ENCODING f32
#define ENCODING_NUMBER PSTI_F32
#define STEP 1

typedef vf step_operand;

static inline step_operand step_load(const void *code, uint32_t input) {
    return vf_all(((const float *)code)[input]);
}

static inline vf step_add(vf sum, const unsigned char *w, step_operand x) {
    return vf_fma(vf_load((const float *)w), x, sum);
}

#include "kernels/template/floats.h"
#include "kernels/template/layer.h"
