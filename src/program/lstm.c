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

/* What the codes of W_ih have left, its columns multiplied by `fold`. */
static void fold_columns(float *left, size_t rows, uint32_t inputs, const float *fold) {
    for (size_t i = 0; fold && i < rows * inputs; i++)
        left[i] *= fold[i % inputs];
}

/* A matrix as a role of the recipe says, and what it leaves as another. */
static pst_status pack_held(psti_arena *arena, const psti_packing *packing, const float *w, int role,
                            psti_program_layer *out, double *correction) {
    int input = role == PSTI_ROLE_IH;
    uint32_t m = input ? PSTI_MATRIX_INPUT : PSTI_MATRIX_RECURRENT;
    psti_held held = packing->recipe.of[role];
    if (held.rest < 0)
        return psti_program_pack(arena, packing, w, held.encoding, m, out, NULL, correction);
    uint32_t rows = PSTI_GATES * out->outputs, inputs = input ? out->inputs : out->outputs;
    psti_arena own = {0};
    float *left = psti_arena_take(&own, (size_t)rows * inputs, sizeof *left);
    pst_status status = left ? psti_program_pack(arena, packing, w, held.encoding, m, out, left, NULL) : PST_E_MEMORY;
    if (!status && input) {
        fold_columns(left, rows, inputs, packing->fold);
        out->rho = packing->rho;
        out->mends = packing->mends;
    }
    psti_packing nearest = *packing;
    nearest.round = NULL;
    if (!status)
        status = psti_program_pack(arena, &nearest, left, held.rest,
                                   input ? PSTI_MATRIX_INPUT_REST : PSTI_MATRIX_RECURRENT_REST, out, NULL, NULL);
    psti_arena_free(&own);
    return status;
}

/* W_ih without a rest, and W_hh refitted for what its codes leave. */
static pst_status pack_refitted(psti_arena *arena, const psti_packing *packing, const float *w_ih, const float *w_hh,
                                psti_program_layer *out, double *correction) {
    size_t rows = (size_t)PSTI_GATES * out->outputs;
    psti_arena own = {0};
    float *left = psti_arena_take(&own, rows * out->inputs, sizeof *left);
    float *refitted = psti_arena_take(&own, rows * out->outputs, sizeof *refitted);
    pst_status status = left && refitted ? PST_OK : PST_E_MEMORY;
    if (!status)
        status = psti_program_pack(arena, packing, w_ih, packing->recipe.of[PSTI_ROLE_IH].encoding, PSTI_MATRIX_INPUT,
                                   out, left, correction);
    if (!status) {
        memcpy(refitted, w_hh, rows * out->outputs * sizeof *refitted);
        status = packing->refit(packing->user, left, (uint32_t)rows, refitted, correction);
    }
    if (!status)
        status = pack_held(arena, packing, refitted, PSTI_ROLE_HH, out, correction);
    psti_arena_free(&own);
    return status;
}

static pst_status pack_both(psti_arena *arena, const psti_packing *packing, const float *w_ih, const float *w_hh,
                            psti_program_layer *out, double *correction) {
    psti_held held = packing->recipe.of[PSTI_ROLE_IH];
    if (packing->refit && held.rest < 0 && psti_encoding_scaled(held.encoding))
        return pack_refitted(arena, packing, w_ih, w_hh, out, correction);
    pst_status status = pack_held(arena, packing, w_ih, PSTI_ROLE_IH, out, correction);
    return status ? status : pack_held(arena, packing, w_hh, PSTI_ROLE_HH, out, correction);
}

static pst_status build(psti_arena *arena, const psti_layer *from, const psti_packing *packing,
                        psti_program_layer *out) {
    psti_program_start(from, out);
    out->h_scale = packing->h_scale;
    out->h_scale_8 = packing->h_scale_8;
    double *correction = psti_arena_take(arena, (size_t)PSTI_GATES * from->outputs, sizeof *correction);
    pst_status status = correction ? PST_OK : PST_E_MEMORY;
    const float *w_ih =
        psti_program_unfold(arena, packing, from->tensor[PSTI_LSTM_W_IH], PSTI_GATES * from->outputs, out);
    if (!status)
        status = w_ih ? pack_both(arena, packing, w_ih, from->tensor[PSTI_LSTM_W_HH], out, correction) : PST_E_MEMORY;
    if (!status)
        status = psti_program_bias(arena, from->tensor[PSTI_LSTM_B_IH], from->tensor[PSTI_LSTM_B_HH], correction, out);
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
