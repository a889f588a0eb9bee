/* The activation layer in a program: a function and its two numbers, no arrays. */
#include "program/program.h"

static pst_status build(psti_arena *arena, const psti_layer *from, const psti_packing *packing,
                        psti_program_layer *out) {
    (void)arena, (void)packing;
    psti_program_start(from, out);
    return PST_OK;
}

const psti_program_kind psti_program_kind_activation = {.build = build};
