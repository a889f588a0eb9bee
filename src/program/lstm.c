/* The lstm layer in a program: W_ih on the path, W_hh off it, one bias for both. */
#include <string.h>

#include "program/program.h"

static pst_status copy(psti_arena *arena, const float *from, uint32_t n, const float **out) {
    if (!from)
        return PST_OK;
    float *own = psti_arena_take(arena, n, sizeof *own);
    if (!own)
        return PST_E_MEMORY;
    memcpy(own, from, n * sizeof *own);
    *out = own;
    return PST_OK;
}

static pst_status build(psti_arena *arena, const psti_layer *from, const psti_format *format, float h_scale,
                        psti_program_layer *out) {
    psti_program_start(from, out);
    out->h_scale = h_scale;
    pst_status status = psti_program_pack(arena, from->tensor[PSTI_LSTM_W_IH], format->input, PSTI_MATRIX_INPUT, out);
    if (!status)
        status = psti_program_pack(arena, from->tensor[PSTI_LSTM_W_HH], format->recurrent, PSTI_MATRIX_RECURRENT, out);
    if (!status)
        status = psti_program_bias(arena, from->tensor[PSTI_LSTM_B_IH], from->tensor[PSTI_LSTM_B_HH], out);
    if (!status)
        status = copy(arena, from->tensor[PSTI_LSTM_H0], out->outputs, &out->h0);
    if (!status)
        status = copy(arena, from->tensor[PSTI_LSTM_C0], out->outputs, &out->c0);
    return status;
}

const psti_program_kind psti_program_kind_lstm = {
    .matrices = 2,
    .matrix = {[PSTI_MATRIX_INPUT] = {PSTI_GATES, 'n'}, [PSTI_MATRIX_RECURRENT] = {PSTI_GATES, 'H'}},
    .has_bias = 1,
    .has_state = 1,
    .build = build};
