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

#define LARGEST_CENTRED 0x1p41 /* of what the mean makes of a rest: a bias holds it */

/* sum[row] = left[row] . mean; 0 if one is too large. */
static int products_of_mean(const float *left, size_t rows, uint32_t inputs, const double *mean, double *sum) {
    int small = 1;
    for (size_t row = 0; row < rows; row++) {
        sum[row] = 0;
        for (uint32_t i = 0; i < inputs; i++)
            sum[row] += (double)left[row * inputs + i] * mean[i];
        small &= sum[row] <= LARGEST_CENTRED && sum[row] >= -LARGEST_CENTRED;
    }
    return small;
}

/* Packs what a matrix leaves to nearest; `left` becomes what that leaves in turn. */
static pst_status pack_left(psti_arena *arena, const psti_packing *packing, int encoding, uint32_t m, float *left,
                            psti_program_layer *out) {
    psti_packing nearest = *packing;
    nearest.round = NULL;
    return psti_program_pack(arena, &nearest, left, encoding, m, out, left, NULL);
}

/* What W_ih leaves: its columns folded, and packed as R; and centred: the mean's product is in the bias, and R x begins
 * with less R mean, so that only what differs from the mean is foreseen and mended. */
static pst_status pack_rest(psti_arena *arena, const psti_packing *packing, int encoding, float *left,
                            psti_program_layer *out, double *correction) {
    size_t rows = (size_t)PSTI_GATES * out->outputs;
    psti_arena own = {0};
    double *of_mean = psti_arena_take(&own, rows, sizeof *of_mean);
    double *folded = psti_arena_take(&own, rows, sizeof *folded), *lost = psti_arena_take(&own, rows, sizeof *lost);
    pst_status status = of_mean && folded && lost ? PST_OK : PST_E_MEMORY;
    if (!status) {
        out->rho = packing->rho;
        out->mends = packing->mends;
        int centred = packing->mean && products_of_mean(left, rows, out->inputs, packing->mean, of_mean);
        fold_columns(left, rows, out->inputs, packing->fold);
        centred = centred && products_of_mean(left, rows, out->inputs, packing->mean, folded);
        status = pack_left(arena, packing, encoding, PSTI_MATRIX_INPUT_REST, left, out);
        centred = centred && products_of_mean(left, rows, out->inputs, packing->mean, lost);
        for (size_t row = 0; centred && row < rows; row++) {
            correction[row] += of_mean[row];
            folded[row] = lost[row] - folded[row];
        }
        if (!status && centred && !(out->rest_bias = psti_program_lanes(arena, out, folded)))
            status = PST_E_MEMORY;
    }
    psti_arena_free(&own);
    return status;
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
    if (!status)
        status = input ? pack_rest(arena, packing, held.rest, left, out, correction)
                       : pack_left(arena, packing, held.rest, PSTI_MATRIX_RECURRENT_REST, left, out);
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
    psti_arena own = {0};
    double *correction = psti_arena_take(&own, (size_t)PSTI_GATES * from->outputs, sizeof *correction);
    pst_status status = correction ? PST_OK : PST_E_MEMORY;
    const float *w_ih =
        psti_program_unfold(arena, &own, packing, from->tensor[PSTI_LSTM_W_IH], PSTI_GATES * from->outputs, out);
    if (!status)
        status = w_ih ? pack_both(arena, packing, w_ih, from->tensor[PSTI_LSTM_W_HH], out, correction) : PST_E_MEMORY;
    if (!status)
        status = psti_program_bias(arena, from->tensor[PSTI_LSTM_B_IH], from->tensor[PSTI_LSTM_B_HH], correction, out);
    if (!status)
        status = copy(arena, from->tensor[PSTI_LSTM_H0], out->outputs, &out->h0);
    if (!status)
        status = copy(arena, from->tensor[PSTI_LSTM_C0], out->outputs, &out->c0);
    psti_arena_free(&own);
    return status;
}

const psti_program_kind psti_program_kind_lstm = {
    .matrices = 2,
    .matrix = {[PSTI_MATRIX_INPUT] = {PSTI_GATES, 'n'}, [PSTI_MATRIX_RECURRENT] = {PSTI_GATES, 'H'}},
    .has_bias = 1,
    .has_state = 1,
    .build = build};
