/* Sums of 8-bit weights times one or two digits (DIGITS), in plain C. */
#include "kernels/scalar/integers.h"

static void sums_part(const sums_context *c, const unsigned char *tiles, uint32_t from, uint32_t to,
                      const psti_shape *s, uint32_t vectors, psti_partial *partial) {
    const signed char *w = (const signed char *)tiles;
    (void)s;
    for (uint32_t lane = 0; lane < vectors * PSTI_LANES; lane++)
        for (int k = 0; k < DIGITS; k++) {
            int32_t sum = (int32_t)partial->word[k][lane / PSTI_LANES][lane % PSTI_LANES];
            for (uint32_t i = from; i < to; i++)
                sum += w[((size_t)(i / 4) * vectors * PSTI_LANES + lane) * 4 + i % 4] * c->digit[k][i];
            partial->word[k][lane / PSTI_LANES][lane % PSTI_LANES] = (uint32_t)sum;
        }
}
