/* The linear layer in a program: one matrix, one bias. */
#include "program/program.h"

static pst_status build(psti_arena *arena, const psti_layer *from, const psti_packing *packing,
                        psti_program_layer *out) {
    psti_program_start(from, out);
    psti_arena own = {0};
    double *correction = psti_arena_take(&own, from->outputs, sizeof *correction);
    const float *w = psti_program_unfold(arena, &own, packing, from->tensor[PSTI_LINEAR_WEIGHT], from->outputs, out);
    pst_status status = correction && w ? PST_OK : PST_E_MEMORY;
    if (!status)
        status = psti_program_pack(arena, packing, w, packing->recipe.of[PSTI_ROLE_LINEAR].encoding, PSTI_MATRIX_INPUT,
                                   out, NULL, correction);
    if (!status)
        status = psti_program_bias(arena, from->tensor[PSTI_LINEAR_BIAS], NULL, correction, out);
    psti_arena_free(&own);
    return status;
}

const psti_program_kind psti_program_kind_linear = {
    .matrices = 1, .matrix = {[PSTI_MATRIX_INPUT] = {1, 'n'}}, .has_bias = 1, .build = build};
