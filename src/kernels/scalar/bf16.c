/* bf16 in plain C: the bits that every level must give. */
#include "kernels/scalar/vector.h"
#include "kernels/template/math.h"

#define BUILD scalar
#define ENCODING bf16
#define ENCODING_NUMBER PSTI_BF16
#define code_type uint16_t

#include "kernels/scalar/floats.h"

static float range(const sums_context *c, const unsigned char *tiles, uint32_t from, uint32_t to, uint32_t vectors,
                   uint32_t lane, float sum) {
    const uint16_t *w = (const uint16_t *)tiles;
    for (uint32_t i = from; i < to; i += 2) {
        const uint16_t *pair = w + 2 * ((size_t)(i / 2) * vectors * PSTI_LANES + lane);
        sum = fmaf(psti_from_bf16(pair[1]), psti_from_bf16(c->code[i + 1]), sum); /* odd first, as VDPBF16PS */
        sum = fmaf(psti_from_bf16(pair[0]), psti_from_bf16(c->code[i]), sum);
    }
    return sum;
}
