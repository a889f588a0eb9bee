/* Sums of weights of fewer than 8 bits (BITS) times one or two digits (DIGITS), in plain C: a weight is the integer
 * multiplier x code, and what is summed are products of integers, in any order. */
#include "format/few.h"
#include "kernels/scalar/integers.h"

static void sums_part(const sums_context *c, const unsigned char *tiles, uint32_t from, uint32_t to,
                      const psti_shape *s, uint32_t vectors, psti_partial *partial) {
    const psti_encoding *e = &psti_encodings[ENCODING_NUMBER];
    const unsigned char *words = tiles + psti_head_bytes(s, ENCODING_NUMBER, vectors == 1);
    const uint32_t lanes = vectors * PSTI_LANES, end = to < s->inputs ? to : s->inputs;
    const uint32_t group = e->grouped ? psti_shape_group(s, ENCODING_NUMBER) : end;
    for (uint32_t lane = 0; lane < lanes; lane++)
        for (uint32_t i = from, next; i < end; i = next) { /* a group, or what is asked for of it */
            int32_t multiplier = e->grouped ? tiles[(size_t)(i / group) * lanes + lane] : 1;
            next = (i / group + 1) * group < end ? (i / group + 1) * group : end;
            for (uint32_t k = i; k < next; k++) {
                int u = psti_few_u(words + (size_t)lane * 4, (size_t)lanes * 4, BITS, k);
                int32_t weight = multiplier * psti_few_code(ENCODING_NUMBER, u);
                for (int d = 0; d < DIGITS; d++)
                    partial->word[d][lane / PSTI_LANES][lane % PSTI_LANES] += (uint32_t)(weight * c->digit[d][k]);
            }
        }
}
