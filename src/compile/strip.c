/* Rounding a strip of rows: scales, codes one input after the other, then coordinate descent. Each row is computed by
 * itself in a written order; the rows are only side by side. */
#include "compile/strip.h"

#include <math.h>
#include <string.h>

#include "base/cloned.h"

#define BATCH 64  /* inputs whose errors wait until they are handed on together: their rows stay in the first cache */
#define ABREAST 4 /* inputs that take a batch at a time */

/* Clip factors of the largest weight's step: 20/40 to 42/40. A narrower range cuts the largest weights, and has finer
 * steps for all others. */
#define FIRST_CLIP 20
#define LAST_CLIP 42
#define CLIP_PARTS 40.0f

#define MARGIN 0x1p-12f /* in squares of a step: what a code has to be nearer by to take the place of another */

#define LANES for (size_t lane = 0; lane < PSTI_STRIP; lane++)

static inline float *at(float *of, size_t place) {
    return of + place * PSTI_STRIP;
}

/* out[r] += sum over k < count of matrix[r][k] v[k], k ascending, r < rows. Always inline, or the clones of what
 * follows would all call one function of the baseline. */
static inline __attribute__((always_inline)) void add_rows(float *out, const float *matrix, size_t stride, size_t rows,
                                                           size_t count, const float *v) {
    float sum[ABREAST][PSTI_STRIP];
    for (size_t r = 0; r < rows; r++)
        LANES sum[r][lane] = out[r * PSTI_STRIP + lane];
    for (size_t k = 0; k < count; k++)
        for (size_t r = 0; r < rows; r++)
            LANES sum[r][lane] += matrix[r * stride + k] * v[k * PSTI_STRIP + lane];
    for (size_t r = 0; r < rows; r++)
        LANES out[r * PSTI_STRIP + lane] = sum[r][lane];
}

PSTI_CLONED static void add_products(float *out, const float *matrix, size_t stride, size_t rows, size_t count,
                                     const float *v) {
    size_t r = 0;
    for (; r + ABREAST <= rows; r += ABREAST)
        add_rows(out + r * PSTI_STRIP, matrix + r * stride, stride, ABREAST, count, v);
    for (; r < rows; r++)
        add_rows(out + r * PSTI_STRIP, matrix + r * stride, stride, 1, count, v);
}

/* ---- memory ----------------------------------------------------------------------------------------------------- */

pst_status psti_strip_open(psti_strip *out, const psti_form *form, const psti_grid *grid, uint32_t groups,
                           uint32_t group) {
    *out = (psti_strip){.form = form, .lattice = psti_lattice_of(grid), .groups = groups, .group = group};
    float **inputs[] = {&out->w, &out->code, &out->error, &out->target};
    float **steps[] = {&out->step, &out->largest_step, &out->per_step};
    int taken = 1;
    for (size_t k = 0; k < sizeof inputs / sizeof *inputs; k++)
        taken = taken && (*inputs[k] = psti_arena_take(&out->arena, form->inputs, PSTI_STRIP * sizeof(float)));
    for (size_t k = 0; k < sizeof steps / sizeof *steps; k++)
        taken = taken && (*steps[k] = psti_arena_take(&out->arena, groups, PSTI_STRIP * sizeof(float)));
    taken = taken && (out->change = psti_arena_take(&out->arena, BATCH, PSTI_STRIP * sizeof(float)));
    return taken ? PST_OK : PST_E_MEMORY;
}

void psti_strip_free(psti_strip *s) {
    psti_arena_free(&s->arena);
    *s = (psti_strip){0};
}

void psti_strip_load(psti_strip *s, const psti_grid *grid, const float *w, uint32_t rows) {
    uint32_t n = s->form->inputs;
    memset(s->largest_step, 0, (size_t)s->groups * PSTI_STRIP * sizeof(float));
    for (uint32_t lane = 0; lane < PSTI_STRIP; lane++)
        for (uint32_t i = 0; i < n; i++) {
            float v = lane < rows ? w[(size_t)lane * n + i] : 0;
            float *largest = at(s->largest_step, i / s->group) + lane;
            at(s->w, s->form->place[i])[lane] = v;
            *largest = fmaxf(*largest, fabsf(v));
        }
    for (size_t k = 0; k < (size_t)s->groups * PSTI_STRIP; k++)
        s->largest_step[k] = psti_step_of(grid, s->largest_step[k]);
}

/* ---- scales ----------------------------------------------------------------------------------------------------- */

PSTI_CLONED static void add_error(const psti_lattice *lattice, const float *w, const float *step, const float *per_step,
                                  float weight, float *error) {
    LANES {
        float e = psti_nearest_code(lattice, w[lane] * per_step[lane]) * step[lane] - w[lane];
        error[lane] += weight * (e * e);
    }
}

static void search_group(psti_strip *s, uint32_t group, float factor, float *error, float *step) {
    const psti_form *f = s->form;
    const float *largest = at(s->largest_step, group);
    float per_step[PSTI_STRIP];
    uint32_t first = group * s->group, end = first + s->group < f->inputs ? first + s->group : f->inputs;
    LANES {
        error[lane] = 0;
        step[lane] = largest[lane] * factor;
        per_step[lane] = step[lane] > 0 ? 1.0f / step[lane] : 0;
    }
    for (uint32_t i = first; i < end; i++) {
        uint32_t p = f->place[i];
        add_error(&s->lattice, at(s->w, p), step, per_step, f->variance[p] + PSTI_DAMPING, error);
    }
}

void psti_strip_search(psti_strip *s) {
    for (uint32_t g = 0; g < s->groups; g++) {
        float least[PSTI_STRIP], error[PSTI_STRIP], step[PSTI_STRIP];
        search_group(s, g, 1.0f, least, at(s->step, g));
        for (int clip = FIRST_CLIP; clip <= LAST_CLIP; clip++) {
            search_group(s, g, (float)clip / CLIP_PARTS, error, step);
            LANES if (error[lane] < least[lane]) {
                least[lane] = error[lane];
                at(s->step, g)[lane] = step[lane];
            }
        }
    }
}

void psti_strip_settle(psti_strip *s) {
    for (size_t k = 0; k < (size_t)s->groups * PSTI_STRIP; k++)
        s->per_step[k] = s->step[k] > 0 ? 1.0f / s->step[k] : 0;
}

/* ---- codes ------------------------------------------------------------------------------------------------------ */

static size_t group_at(const psti_strip *s, uint32_t place) {
    return s->form->order[place] / s->group;
}

void psti_strip_take(psti_strip *s, const int8_t *code, uint32_t rows) {
    uint32_t n = s->form->inputs;
    for (uint32_t p = 0; p < n; p++) {
        const float *w = at(s->w, p), *step = at(s->step, group_at(s, p));
        float *own = at(s->code, p), *error = at(s->error, p);
        LANES {
            own[lane] = lane < rows ? (float)code[lane * n + s->form->order[p]] : 0;
            error[lane] = lane < rows ? own[lane] * step[lane] - w[lane] : 0;
        }
    }
}

PSTI_CLONED static void round_place(const psti_lattice *lattice, const float *target, const float *w, const float *step,
                                    const float *per_step, float *code, float *error) {
    LANES {
        code[lane] = psti_nearest_code(lattice, target[lane] * per_step[lane]);
        error[lane] = code[lane] * step[lane] - w[lane];
    }
}

void psti_strip_round(psti_strip *s) {
    const psti_form *f = s->form;
    size_t stride = f->stride;
    memcpy(s->target, s->w, (size_t)f->inputs * PSTI_STRIP * sizeof(float));
    for (uint32_t first = 0; first < f->inputs; first += BATCH) {
        uint32_t end = first + BATCH < f->inputs ? first + BATCH : f->inputs;
        for (uint32_t p = first; p < end; p++) {
            size_t g = group_at(s, p);
            if (f->feedback)
                add_products(at(s->target, p), f->feedback + p * stride + first, stride, 1, p - first,
                             at(s->error, first));
            round_place(&s->lattice, at(s->target, p), at(s->w, p), at(s->step, g), at(s->per_step, g), at(s->code, p),
                        at(s->error, p));
        }
        if (f->feedback)
            add_products(at(s->target, end), f->feedback + end * stride + first, stride, f->inputs - end, end - first,
                         at(s->error, first));
    }
}

/* ---- descent ---------------------------------------------------------------------------------------------------- */

void psti_strip_measure(psti_strip *s, double *error) {
    const psti_form *f = s->form;
    uint32_t n = f->inputs;
    if (f->covariance) {
        memset(s->target, 0, (size_t)n * PSTI_STRIP * sizeof(float));
        for (uint32_t first = 0; first < n; first += BATCH)
            add_products(s->target, f->covariance + first, f->stride, n, first + BATCH < n ? BATCH : n - first,
                         at(s->error, first));
    } else {
        for (uint32_t p = 0; p < n; p++)
            LANES at(s->target, p)[lane] = f->variance[p] * at(s->error, p)[lane];
    }
    LANES error[lane] = 0;
    for (uint32_t p = 0; p < n; p++)
        LANES error[lane] += (double)at(s->error, p)[lane] * (double)at(s->target, p)[lane];
}

/* The form is a parabola in each code, so the code nearest to its lowest point is the best one. Of two that are as
 * near, as those of a weight of 0 among odd codes are, it keeps the one it has, whatever the gradient's roundings say.
 */
PSTI_CLONED static int descend_place(const psti_lattice *lattice, const float *gradient, float per_curvature,
                                     const float *w, const float *step, const float *per_step, float *code,
                                     float *error, float *change) {
    float changed = 0;
    LANES {
        float target = code[lane] * step[lane] - gradient[lane] * per_curvature;
        float v = target * per_step[lane], nearest = psti_nearest_code(lattice, v);
        float off = v - code[lane], left = v - nearest;
        float best = left * left + MARGIN < off * off ? nearest : code[lane];
        change[lane] = (best - code[lane]) * step[lane];
        code[lane] = best;
        error[lane] = best * step[lane] - w[lane];
    }
    LANES changed = change[lane] != 0 ? 1 : changed;
    return changed > 0;
}

int psti_strip_descend(psti_strip *s) {
    const psti_form *f = s->form;
    size_t stride = f->stride;
    int any = 0;
    if (!f->covariance)
        return 0;
    for (uint32_t first = 0; first < f->inputs; first += BATCH) {
        uint32_t end = first + BATCH < f->inputs ? first + BATCH : f->inputs;
        int changed = 0;
        for (uint32_t p = first; p < end; p++) {
            size_t g = group_at(s, p);
            float gradient[PSTI_STRIP];
            memcpy(gradient, at(s->target, p), sizeof gradient);
            add_products(gradient, f->covariance + p * stride + first, stride, 1, p - first, s->change);
            changed |= descend_place(&s->lattice, gradient, f->inverse[p], at(s->w, p), at(s->step, g),
                                     at(s->per_step, g), at(s->code, p), at(s->error, p), at(s->change, p - first));
        }
        if (changed)
            add_products(s->target, f->covariance + first, stride, f->inputs, end - first, s->change);
        any |= changed;
    }
    return any;
}
