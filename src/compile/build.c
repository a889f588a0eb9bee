/* A program of the recipes of its layers: scales, rests and rounding as calibration says. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "compile/compile.h"
#include "compile/round.h"

pst_status psti_recipes(const pst_model *m, const char *format, const char *layer_formats, uint32_t group,
                        psti_recipe **out) {
    psti_recipe *recipes = psti_allocate(m->count, sizeof *recipes);
    if (!recipes)
        return PST_E_MEMORY;
    pst_status status = PST_OK;
    for (uint32_t i = 0; i < m->count && !status; i++) {
        status = psti_recipe_of_layer(format, layer_formats, i, m->count, &recipes[i]);
        if (group)
            recipes[i].group = group;
    }
    if (status)
        free(recipes);
    else
        *out = recipes;
    return status;
}

int psti_has_integers(const psti_recipe *recipes, uint32_t layers) {
    for (uint32_t i = 0; i < layers; i++)
        for (int role = 0; role < PSTI_ROLES; role++)
            if (psti_encoding_scaled(recipes[i].of[role].encoding))
                return 1;
    return 0;
}

/* ---- scales and rests ---------------------------------------------------------------------------------------------
 */

/* The scale of h in 16 bits: 2^k, k <= 0, the least that holds 4 times the largest |h| seen; 2^-40 at least. An h that
 * never moved (calibrated on silence) says nothing: then 1. */
static float h_scale(float largest) {
    float scale = 1.0f;
    while (largest > 0 && scale * 0.5f >= 4.0f * largest && scale > 0x1p-40f)
        scale *= 0.5f;
    return scale;
}

/* In 8 bits every level counts: the range ends a tenth above what was seen, and an |h| beyond it, at most 1, saturates.
 */
static float h_scale_8(float largest) {
    return fmaxf(largest > 0 ? fminf(1.1f * largest, 1.0f) : 1.0f, 0x1p-40f);
}

#define LEAST_RHO 0x1p-10f
/* A rest that mends c leaves some 2.2 times less squared error (docs/numerics.md): where coefficients of their own for
 * every input promise more than that, they are folded into the rest, which then can't mend. */
#define WORTH_FOLDING 2.2

/* The squared error of predicting every input by one coefficient, over that by each one's own. */
static double spread_of(const psti_statistics *s) {
    double pooled = 0, own = 0;
    for (uint32_t i = 0; i < s->inputs; i++) {
        double r = s->rho[i], rho = s->pooled_rho;
        pooled += s->variance[i] * (1 - 2 * rho * r + rho * rho);
        own += s->variance[i] * (1 - r * r);
    }
    return own > 0 ? pooled / own : 1;
}

static pst_status plan_rest(psti_arena *arena, const psti_statistics *input, psti_packing *packing) {
    packing->mends = 1;
    packing->rho = 0;
    if (!input)
        return PST_OK;
    packing->mean = input->mean;
    float rho = (float)input->pooled_rho;
    packing->rho = fabsf(rho) < LEAST_RHO ? 0 : rho;
    if (spread_of(input) < WORTH_FOLDING)
        return PST_OK;
    float *fold = psti_arena_take(arena, input->inputs, sizeof *fold);
    if (!fold)
        return PST_E_MEMORY;
    for (uint32_t i = 0; i < input->inputs; i++)
        fold[i] = (float)input->rho[i];
    packing->fold = fold;
    packing->mends = 0;
    packing->rho = 1;
    return PST_OK;
}

/* ---- rounding -----------------------------------------------------------------------------------------------------
 */

typedef struct {
    const psti_statistics *input, *h;
    const psti_pairs *pairs;
    int by_innovation;       /* what W_ih leaves is predicted: only what is new counts */
    int exact_h;             /* W_hh has a rest: how it is cut in two does not matter */
    psti_program_layer *out; /* to be told what came of it */
} rounder;

/* The statistics of a matrix' operand. */
static const psti_statistics *statistics_of(const rounder *r, uint32_t matrix) {
    return matrix == PSTI_MATRIX_RECURRENT ? r->h : r->input;
}

/* What is left of an operand when its rest is foreseen: the innovation; and now and then, after a jump or at the start,
 * all of it, its mean too. In what never moves an error could else be as large as it likes. */
#define SHARE_OF_JUMPS 0.01

static double *what_counts(psti_arena *arena, const psti_statistics *of) {
    size_t n = of->inputs, size = of->covariance ? n * n : n;
    const double *innovation = of->covariance ? of->innovation : of->innovation_variance;
    const double *covariance = of->covariance ? of->covariance : of->variance;
    double *out = psti_arena_take(arena, size, sizeof *out);
    for (size_t i = 0; out && i < size; i++) {
        double mean = of->covariance ? of->mean[i / n] * of->mean[i % n] : of->mean[i] * of->mean[i];
        out[i] = innovation[i] + SHARE_OF_JUMPS * (covariance[i] + mean);
    }
    return out;
}

static pst_status round_matrix(void *user, uint32_t matrix, const psti_shape *s, int encoding, const float *w,
                               psti_codes *codes, double *correction) {
    const rounder *r = user;
    const psti_statistics *of = statistics_of(r, matrix);
    uint32_t rows = s->gates * s->units, groups = psti_shape_groups(s, encoding);
    psti_grid grid = psti_grid_of(s, encoding);
    psti_rounded rounded;
    psti_arena arena = {0};
    double *bias = psti_arena_take(&arena, rows, sizeof *bias);
    if (!bias)
        return PST_E_MEMORY;
    const double *counts = matrix == PSTI_MATRIX_INPUT && r->by_innovation ? what_counts(&arena, of) : NULL;
    const double *covariance = counts ? counts : of->covariance, *variance = counts ? counts : of->variance;
    if (matrix == PSTI_MATRIX_INPUT && r->by_innovation && !counts) {
        psti_arena_free(&arena);
        return PST_E_MEMORY;
    }
    pst_status status = matrix == PSTI_MATRIX_RECURRENT && r->exact_h
                            ? psti_round_nearest(&grid, w, rows, s->inputs, &rounded)
                            : psti_round_calibrated(&grid, w, rows, s->inputs, of->covariance ? covariance : NULL,
                                                    variance, of->mean, &rounded, bias);
    if (!status) {
        memcpy((signed char *)codes->code, rounded.code, (size_t)rows * s->inputs);
        if (groups)
            memcpy((unsigned char *)codes->multiplier, rounded.multiplier, (size_t)rows * groups);
        memcpy((float *)codes->scale, rounded.scale, rows * sizeof(float));
    }
    if (!status && (matrix != PSTI_MATRIX_RECURRENT || !r->exact_h)) {
        r->out->rounded[matrix] = rounded.error / rows;
        r->out->nearest[matrix] = rounded.error_nearest / rows;
    }
    for (uint32_t row = 0; !status && correction && row < rows; row++)
        correction[row] += bias[row];
    psti_rounded_free(&rounded);
    psti_arena_free(&arena);
    return status;
}

static pst_status refit(void *user, const float *left, uint32_t rows, float *w_hh, double *correction) {
    const rounder *r = user;
    return psti_refit(r->pairs, r->input->rho, left, rows, w_hh, correction, NULL);
}

/* ---- the whole ----------------------------------------------------------------------------------------------------
 */

static int is_integer(psti_held held) {
    return psti_encoding_scaled(held.encoding);
}

static pst_status build_layer(const pst_model *m, const psti_plan *plan, uint32_t i, pst_program *p) {
    const psti_layer *layer = &m->layers[i];
    const psti_calibration *c = plan->calibration;
    const psti_recipe *recipe = &plan->recipes[i];
    int lstm = layer->kind == PSTI_KIND_lstm, linear = layer->kind == PSTI_KIND_linear;
    psti_packing packing = {.recipe = *recipe, .h_scale = 1, .h_scale_8 = 1};
    rounder r = {0};
    pst_status status = PST_OK;
    if (c && lstm) {
        packing.h_scale = h_scale(c->largest_h[i]);
        packing.h_scale_8 = h_scale_8(c->largest_h[i]);
        r.h = &c->h[i];
    }
    if (c && (lstm || linear)) {
        r.input = &c->input[i];
        if (i == 0 && is_integer(recipe->of[lstm ? PSTI_ROLE_IH : PSTI_ROLE_LINEAR]))
            packing.feature = c->feature;
    }
    if (lstm && recipe->of[PSTI_ROLE_IH].rest >= 0)
        status = plan_rest(&p->arena, r.input, &packing);
    if (r.input && !plan->nearest) {
        r.by_innovation = packing.mends;
        r.exact_h = lstm && recipe->of[PSTI_ROLE_HH].rest >= 0;
        r.pairs = lstm && c->pairs ? &c->pairs[i] : NULL;
        r.out = &p->layers[i];
        packing.round = round_matrix;
        packing.refit = r.pairs ? refit : NULL;
        packing.user = &r;
    }
    if (status)
        return status;
    return psti_program_kinds[layer->kind]->build(&p->arena, layer, &packing, &p->layers[i]);
}

pst_status psti_build(const pst_model *m, const psti_plan *plan, const psti_stage *stage, pst_program **out) {
    pst_program *p;
    pst_status status = psti_program_new(m->count, &p);
    if (status)
        return status;
    int layers = plan->layer_formats != NULL, n = snprintf(p->format, sizeof p->format, "%s%s%s", plan->format,
                                                           layers ? ";" : "", layers ? plan->layer_formats : "");
    if (n < 0 || (size_t)n >= sizeof p->format)
        snprintf(p->format, sizeof p->format, "mixed");
    p->readout = m->readout;
    for (uint32_t i = 0; i < m->count && !status; i++) {
        status = psti_report(stage, (double)i / m->count, plan->calibration ? "rounding" : "packing");
        if (!status)
            status = build_layer(m, plan, i, p);
    }
    if (!status)
        status = psti_program_finish(p);
    if (status)
        pst_program_free(p);
    else
        *out = p;
    return status;
}
