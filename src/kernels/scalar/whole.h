/* A whole block in plain C, from its parts: what scalar/floats.h and scalar/digits.h have in common. */
static void sums_whole(const sums_context *c, const unsigned char *tiles, const psti_shape *s, uint32_t vectors,
                       vf *value, psti_cell *cell, const psti_ahead *ahead, const psti_partial *begun) {
    psti_partial partial = {0};
    if (begun) {
        partial = *begun;
        sums_rest(c, tiles, s, vectors, ahead, &partial);
    } else {
        sums_part(c, tiles, 0, s->padded_inputs, s, vectors, &partial);
    }
    sums_value(c, &partial, vectors, value);
    if (cell)
        psti_cell_finish(cell);
}

#include "kernels/template/layer.h"
