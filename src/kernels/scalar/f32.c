/* f32 in plain C: the bits that every level must give. */
#include "kernels/scalar/vector.h"
#include "kernels/template/math.h"

#define BUILD scalar
#define ENCODING f32
#define ENCODING_NUMBER PSTI_F32
#define code_type float

#include "kernels/scalar/floats.h"

static float range(const sums_context *c, const unsigned char *tiles, uint32_t from, uint32_t to, uint32_t vectors,
                   uint32_t lane, float sum) {
    const float *w = (const float *)tiles;
    for (uint32_t i = from; i < to; i++)
        sum = fmaf(w[(size_t)i * vectors * PSTI_LANES + lane], c->code[i], sum);
    return sum;
}
