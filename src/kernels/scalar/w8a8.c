/* w8a8 in plain C: the bits that every level must give. */
#include "kernels/scalar/vector.h"
#include "kernels/template/math.h"

#define BUILD scalar
#define ENCODING w8a8
#define ENCODING_NUMBER PSTI_W8A8

#define DIGITS 1

#include "kernels/scalar/digits.h"

static void sums_whole(const sums_context *c, const unsigned char *tiles, const psti_shape *s, uint32_t vectors,
                       vf *value, psti_cell *cell) {
    psti_partial partial = {0};
    sums_part(c, tiles, 0, s->padded_inputs, s, vectors, &partial);
    sums_value(c, &partial, vectors, value);
    if (cell)
        psti_cell_finish(cell);
}

#include "kernels/template/layer.h"
