/* The linear layer in a program: one matrix, one bias. */
#include "program/program.h"

static pst_status build(psti_arena *arena, const psti_layer *from, const psti_format *format, float h_scale,
                        psti_program_layer *out) {
    (void)h_scale;
    psti_program_start(from, out);
    pst_status status =
        psti_program_pack(arena, from->tensor[PSTI_LINEAR_WEIGHT], format->linear, PSTI_MATRIX_INPUT, out);
    if (!status)
        status = psti_program_bias(arena, from->tensor[PSTI_LINEAR_BIAS], NULL, out);
    return status;
}

const psti_program_kind psti_program_kind_linear = {
    .matrices = 1, .matrix = {[PSTI_MATRIX_INPUT] = {1, 'n'}}, .has_bias = 1, .build = build};
