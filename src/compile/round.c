/* Rounding a matrix: the nearest codes, and where a calibration is known, those that change its products least. */
#include "compile/round.h"

#include <math.h>

#include "compile/form.h"
#include "compile/lattice.h"
#include "compile/strip.h"

#define PASSES 4 /* of coordinate descent, at most: what a fifth gains is not worth its time */

static uint32_t group_of(const psti_grid *grid, uint32_t inputs) {
    return grid->group ? grid->group : inputs;
}

static pst_status open(const psti_grid *grid, uint32_t rows, uint32_t inputs, psti_rounded *out) {
    uint32_t group = group_of(grid, inputs);
    *out = (psti_rounded){.rows = rows, .inputs = inputs, .groups = (inputs + group - 1) / group};
    out->code = psti_arena_take(&out->arena, (size_t)rows * inputs, sizeof *out->code);
    out->multiplier = psti_arena_take(&out->arena, (size_t)rows * out->groups, sizeof *out->multiplier);
    out->scale = psti_arena_take(&out->arena, rows, sizeof *out->scale);
    return out->code && out->multiplier && out->scale ? PST_OK : PST_E_MEMORY;
}

void psti_rounded_free(psti_rounded *r) {
    psti_arena_free(&r->arena);
    *r = (psti_rounded){0};
}

/* ---- scales ----------------------------------------------------------------------------------------------------- */

/* A row's scale and multipliers from the steps of its groups, which become those that they stand for. stride: from one
 * group's step to the next. */
static void settle(const psti_grid *grid, uint32_t groups, float *step, size_t stride, float *scale,
                   uint8_t *multiplier) {
    float largest = 0, most = grid->group ? (float)grid->most_multiplier : 1.0f;
    for (uint32_t g = 0; g < groups; g++)
        largest = fmaxf(largest, step[g * stride]);
    *scale = fmaxf(largest / most, PSTI_SMALLEST_SCALE);
    for (uint32_t g = 0; g < groups; g++) {
        float factor = fminf(fmaxf(rintf(step[g * stride] / *scale), 1.0f), most);
        if (grid->group && !(step[g * stride] > 0))
            factor = 0;
        multiplier[g] = (uint8_t)factor;
        step[g * stride] = *scale * factor;
    }
}

/* ---- nearest ---------------------------------------------------------------------------------------------------- */

pst_status psti_round_nearest(const psti_grid *grid, const float *w, uint32_t rows, uint32_t inputs,
                              psti_rounded *out) {
    pst_status status = open(grid, rows, inputs, out);
    for (size_t row = 0; !status && row < rows; row++) {
        uint8_t *multiplier = out->multiplier + row * out->groups;
        *multiplier = 1; /* without groups */
        out->scale[row] = psti_nearest_row(grid, w + row * inputs, inputs, out->code + row * inputs, multiplier);
    }
    return status;
}

/* ---- calibrated ------------------------------------------------------------------------------------------------- */

/* The sum of (w - rounded) mean: how far the row's mean product is off. */
static double mean_error(const psti_grid *grid, const psti_rounded *r, uint32_t row, const float *w,
                         const double *mean) {
    uint32_t group = group_of(grid, r->inputs);
    double sum = 0;
    for (uint32_t i = 0; i < r->inputs; i++) {
        double multiplier = (double)r->multiplier[(size_t)row * r->groups + i / group];
        double rounded = (double)r->scale[row] * multiplier * (double)r->code[(size_t)row * r->inputs + i];
        sum += ((double)w[i] - rounded) * mean[i];
    }
    return sum;
}

/* The strip's own steps for scales and multipliers that stand in r. */
static void take_scales(psti_strip *s, const psti_rounded *r, uint32_t first, uint32_t rows) {
    for (uint32_t lane = 0; lane < rows; lane++)
        for (uint32_t g = 0; g < r->groups; g++)
            s->step[(size_t)g * PSTI_STRIP + lane] =
                r->scale[first + lane] * (float)r->multiplier[(size_t)(first + lane) * r->groups + g];
}

static void store(const psti_strip *s, uint32_t lane, psti_rounded *r, uint32_t row, float scale,
                  const uint8_t *multiplier) {
    r->scale[row] = scale;
    for (uint32_t g = 0; g < r->groups; g++)
        r->multiplier[(size_t)row * r->groups + g] = multiplier[g];
    for (uint32_t i = 0; i < r->inputs; i++)
        r->code[(size_t)row * r->inputs + i] = (int8_t)s->code[(size_t)s->form->place[i] * PSTI_STRIP + lane];
}

/* r holds the nearest codes of these rows, and keeps them where nothing better is found. multiplier: [STRIP][groups].
 */
static void round_strip(const psti_grid *grid, psti_strip *s, const float *w, uint32_t first, uint32_t rows,
                        psti_rounded *r, uint8_t *multiplier) {
    double nearest[PSTI_STRIP], error[PSTI_STRIP];
    float scale[PSTI_STRIP];
    psti_strip_load(s, grid, w, rows);
    take_scales(s, r, first, rows);
    psti_strip_take(s, r->code + (size_t)first * r->inputs, rows);
    psti_strip_measure(s, nearest);
    psti_strip_search(s);
    for (uint32_t lane = 0; lane < PSTI_STRIP; lane++)
        settle(grid, r->groups, s->step + lane, PSTI_STRIP, &scale[lane], multiplier + (size_t)lane * r->groups);
    psti_strip_settle(s);
    psti_strip_round(s);
    psti_strip_measure(s, error);
    for (int pass = 0; pass < PASSES && psti_strip_descend(s); pass++)
        ;
    psti_strip_measure(s, error); /* anew, as the gradient has gathered roundings */
    for (uint32_t lane = 0; lane < rows; lane++) {
        if (error[lane] < nearest[lane])
            store(s, lane, r, first + lane, scale[lane], multiplier + (size_t)lane * r->groups);
        r->error_nearest += s->form->unit * nearest[lane];
        r->error += s->form->unit * (error[lane] < nearest[lane] ? error[lane] : nearest[lane]);
    }
}

static pst_status round_all(const psti_grid *grid, const psti_form *form, const float *w, const double *mean,
                            psti_rounded *r, double *bias_correction) {
    psti_strip s;
    pst_status status = psti_strip_open(&s, form, grid, r->groups, group_of(grid, r->inputs));
    uint8_t *multiplier = status ? NULL : psti_arena_take(&s.arena, r->groups, PSTI_STRIP);
    for (uint32_t first = 0; multiplier && first < r->rows; first += PSTI_STRIP) {
        const float *from = w + (size_t)first * r->inputs;
        uint32_t rows = r->rows - first < PSTI_STRIP ? r->rows - first : PSTI_STRIP;
        for (uint32_t k = 0; k < rows; k++) {
            double off = mean_error(grid, r, first + k, from + (size_t)k * r->inputs, mean);
            r->error_nearest += off * off;
        }
        round_strip(grid, &s, from, first, rows, r, multiplier);
        for (uint32_t k = 0; k < rows; k++)
            bias_correction[first + k] = mean_error(grid, r, first + k, from + (size_t)k * r->inputs, mean);
    }
    psti_strip_free(&s);
    return multiplier ? PST_OK : PST_E_MEMORY;
}

pst_status psti_round_calibrated(const psti_grid *grid, const float *w, uint32_t rows, uint32_t inputs,
                                 const double *covariance, const double *variance, const double *mean,
                                 psti_rounded *out, double *bias_correction) {
    psti_form form;
    pst_status status = psti_round_nearest(grid, w, rows, inputs, out);
    if (status)
        return status;
    status = psti_form_open(&form, inputs, covariance, variance);
    if (!status)
        status = round_all(grid, &form, w, mean, out, bias_correction);
    psti_form_free(&form);
    return status;
}
