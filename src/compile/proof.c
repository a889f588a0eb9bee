/* More certificates: over steps and first steps, a long run, inputs made to hurt; and the error of each matrix alone.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/number.h"
#include "base/status.h"
#include "compile/compile.h"

#define LONG_RUN 10000
#define HURT_STEPS 256
#define HELD_STEPS 16 /* that x stands still before it jumps */
#define JUMPS 64
#define FIRST_STEPS 64 /* sequences of one step */
#define SPIKE 1e4f
#define TINY 0x1p-70f

static psti_stage part(const psti_stage *s, double from, double to) {
    return (psti_stage){s->o, s->from + from * (s->to - s->from), s->from + to * (s->to - s->from)};
}

/* ---- input that is made from other input --------------------------------------------------------------------------
 */

typedef struct {
    const pst_model *model;
    const psti_data *data;   /* what it is made from */
    float largest;           /* |x| of it */
    uint64_t stride;         /* through its steps: they are all met */
    const psti_trial *noise; /* whose noise it is; NULL: the caller's */
} maker;

/* Step n of the data, one sequence behind the other, from the beginning again at the end. */
static const float *step_of(const maker *from, uint64_t n) {
    const psti_data *d = from->data;
    n %= d->sequences * d->steps;
    return d->x + (size_t)(n / d->steps * d->stride + n % d->steps) * from->model->inputs;
}

static uint64_t common_divisor(uint64_t a, uint64_t b) {
    return b ? common_divisor(b, a % b) : a;
}

/* Far apart, and none twice before all were met. */
static uint64_t stride_of(const psti_data *d) {
    uint64_t all = d->sequences * d->steps, stride = 7919;
    while (common_divisor(stride, all) > 1)
        stride++;
    return stride;
}

static float largest_of(const maker *from) {
    float largest = 0;
    for (uint64_t n = 0; n < from->data->sequences * from->data->steps; n++)
        for (uint32_t i = 0; i < from->model->inputs; i++)
            largest = fmaxf(largest, fabsf(step_of(from, n)[i]));
    return largest;
}

/* x of step t of each kind of input; the data's own in `x` already. */
static void change(const maker *from, int over, uint64_t t, float *x) {
    uint32_t inputs = from->model->inputs;
    for (uint32_t i = 0; i < inputs; i++)
        switch (over) {
        case PSTI_OVER_SATURATED: /* all gates at their ends, for half a period each */
            x[i] = (t / 32 + i) % 2 ? SPIKE : -SPIKE;
            break;
        case PSTI_OVER_SPIKES: /* one feature at a time, once in 16 steps */
            if (t % 16 == 8 && i == t / 16 % inputs)
                x[i] = t / 16 % 2 ? SPIKE : -SPIKE;
            break;
        case PSTI_OVER_ZERO:
            x[i] = 0;
            break;
        case PSTI_OVER_ALTERNATING: /* the largest change from step to step that the data's range allows */
            x[i] = t % 2 ? from->largest : -from->largest;
            break;
        case PSTI_OVER_TINY:
            x[i] *= TINY;
            break;
        default:
            break;
        }
}

/* The data's step that stands at step t of a sequence. */
static uint64_t source(const maker *from, int over, uint64_t sequence, uint64_t t) {
    uint64_t all = from->data->sequences * from->data->steps;
    if (over == PSTI_OVER_STEP_CHANGE) /* stands still, then jumps far */
        return (2 * sequence + (t == HELD_STEPS)) * from->stride % all;
    return over == PSTI_OVER_AFTER_RESET ? sequence * from->stride % all : t;
}

static pst_status make(const maker *from, int over, uint64_t sequences, uint64_t steps, psti_arena *arena,
                       psti_data *out) {
    uint32_t inputs = from->model->inputs;
    size_t n;
    if (!psti_multiply((size_t)(sequences * steps), inputs, &n))
        return psti_fail_memory(SIZE_MAX);
    float *x = psti_arena_take(arena, n, sizeof *x);
    if (!x)
        return PST_E_MEMORY;
    *out = (psti_data){x, sequences, steps, steps};
    for (uint64_t s = 0; s < sequences; s++)
        for (uint64_t t = 0; t < steps; t++, x += inputs) {
            memcpy(x, step_of(from, source(from, over, s, t)), inputs * sizeof *x);
            change(from, over, t, x);
        }
    return PST_OK;
}

/* ---- certificates -------------------------------------------------------------------------------------------------
 */

/* Only the last step of each sequence counts: one sequence of those steps, of program and reference. */
static pst_status certify_last(const pst_model *m, const pst_program *p, const psti_trial *t, const char *level,
                               pst_certificate *out) {
    pst_engine_options options;
    PST_INIT(options);
    options.level = level;
    pst_engine *e = NULL;
    pst_stream *s = NULL;
    psti_arena arena = {0};
    size_t steps = (size_t)t->data.steps, outputs = m->outputs;
    float *y = psti_arena_take(&arena, steps * outputs, sizeof *y);
    float *last = psti_arena_take(&arena, (size_t)t->data.sequences * outputs, sizeof *last);
    double *expect = psti_arena_take(&arena, (size_t)t->data.sequences * outputs, sizeof *expect);
    pst_status status = y && last && expect ? pst_engine_open(p, &options, &e) : PST_E_MEMORY;
    if (!status)
        status = pst_stream_open(e, NULL, &s);
    for (size_t i = 0; i < t->data.sequences && !status; i++) {
        status = i ? pst_stream_reset(s) : PST_OK;
        if (!status)
            status = pst_run(s, t->data.x + i * t->data.stride * m->inputs, steps, y);
        memcpy(last + i * outputs, y + (steps - 1) * outputs, outputs * sizeof *last);
        memcpy(expect + i * outputs, t->y + (i * steps + steps - 1) * outputs, outputs * sizeof *expect);
    }
    pst_certificate c;
    PST_INIT(c);
    c.from_caller = 1;
    if (!status)
        status = pst_compare(last, expect, t->data.sequences, 1, m->outputs, &c);
    if (!status) {
        c.over = psti_over_name((uint32_t)t->over);
        c.drift = c.constant_rms = c.constant_max_abs = (double)NAN;
        *out = c;
    }
    pst_stream_close(s);
    pst_engine_close(e);
    psti_arena_free(&arena);
    return status;
}

static pst_status add(const pst_model *m, pst_program *p, const maker *from, int over, uint64_t sequences,
                      uint64_t steps, const char *level, const psti_stage *stage) {
    psti_arena arena = {0};
    psti_data data;
    psti_trial trial = {0};
    psti_stage answers = part(stage, 0, 0.9), run = part(stage, 0.9, 1);
    pst_certificate c;
    pst_status status = make(from, over, sequences, steps, &arena, &data);
    if (!status)
        status = psti_trial_run(m, &data, over, &answers, &trial);
    if (!status && sequences > 1)
        status = certify_last(m, p, &trial, level, &c);
    else if (!status)
        status = psti_certify(p, &trial, level, &run, &c);
    if (!status) {
        c.from_caller = !from->noise;
        c.seed = from->noise ? from->noise->seed : 0;
        status = psti_add_certificate(p, &c);
    }
    psti_trial_free(&trial);
    psti_arena_free(&arena);
    return status;
}

/* ---- each matrix by itself ----------------------------------------------------------------------------------------
 */

pst_status psti_matrix_error(const pst_model *m, const psti_plan *plan, const psti_trial *t, const char *level,
                             uint32_t layer, int role, double *rms) {
    psti_recipe *recipes;
    pst_program *p = NULL;
    pst_certificate c;
    pst_status status = psti_recipes(m, "f32", NULL, 0, &recipes);
    if (status)
        return status;
    recipes[layer].of[role] = plan->recipes[layer].of[role];
    recipes[layer].group = plan->recipes[layer].group;
    psti_plan one = *plan;
    one.recipes = recipes;
    status = psti_build(m, &one, &(psti_stage){0}, &p);
    if (!status)
        status = psti_certify(p, t, level, &(psti_stage){0}, &c);
    if (!status)
        *rms = c.rms;
    pst_program_free(p);
    free(recipes);
    return status;
}

static pst_status matrix_errors(const pst_model *m, pst_program *p, const psti_plan *plan, const psti_trial *t,
                                const char *level, const psti_stage *stage) {
    pst_status status = PST_OK;
    for (uint32_t i = 0; i < m->count && !status; i++) {
        int lstm = m->layers[i].kind == PSTI_KIND_lstm;
        status = psti_report(stage, (double)i / m->count, "errors of matrices");
        if (!status && lstm)
            status = psti_matrix_error(m, plan, t, level, i, PSTI_ROLE_IH, &p->layers[i].error[PSTI_MATRIX_INPUT]);
        if (!status && lstm)
            status = psti_matrix_error(m, plan, t, level, i, PSTI_ROLE_HH, &p->layers[i].error[PSTI_MATRIX_RECURRENT]);
        if (!status && m->layers[i].kind == PSTI_KIND_linear)
            status = psti_matrix_error(m, plan, t, level, i, PSTI_ROLE_LINEAR, &p->layers[i].error[PSTI_MATRIX_INPUT]);
    }
    return status;
}

/* ---- the whole ----------------------------------------------------------------------------------------------------
 */

static pst_status prove_all(const pst_model *m, pst_program *p, const psti_plan *plan, const maker *from,
                            const pst_compile_options *o, const psti_stage *stage) {
    static const int hurt[] = {PSTI_OVER_SATURATED, PSTI_OVER_SPIKES, PSTI_OVER_ZERO, PSTI_OVER_ALTERNATING,
                               PSTI_OVER_TINY};
    psti_stage run = part(stage, 0.1, 0.7);
    pst_status status = add(m, p, from, PSTI_OVER_LONG_RUN, 1, LONG_RUN, o->level, &run);
    for (size_t i = 0; i < sizeof hurt / sizeof *hurt && !status; i++) {
        psti_stage each = part(stage, 0.7 + 0.04 * (double)i, 0.74 + 0.04 * (double)i);
        status = add(m, p, from, hurt[i], 1, HURT_STEPS, o->level, &each);
    }
    psti_trial trial = {0};
    psti_data some = *from->data;
    some.sequences = 1;
    some.steps = some.steps < HURT_STEPS ? some.steps : HURT_STEPS;
    psti_stage each = part(stage, 0.9, 0.93), last = part(stage, 0.93, 1);
    if (!status)
        status = psti_trial_run(m, &some, PSTI_OVER_CALIBRATION, &each, &trial);
    if (!status)
        status = matrix_errors(m, p, plan, &trial, o->level, &last);
    psti_trial_free(&trial);
    return status;
}

pst_status psti_prove(const pst_model *m, pst_program *p, const psti_plan *plan, const psti_data *data,
                      const psti_trial *noise, const pst_compile_options *o, const psti_stage *stage) {
    maker from = {.model = m, .data = data, .stride = stride_of(data), .noise = noise};
    from.largest = largest_of(&from);
    psti_stage first = part(stage, 0, 0.05), second = part(stage, 0.05, 0.1);
    pst_status status = add(m, p, &from, PSTI_OVER_STEP_CHANGE, JUMPS, HELD_STEPS + 1, o->level, &first);
    if (!status)
        status = add(m, p, &from, PSTI_OVER_AFTER_RESET, FIRST_STEPS, 1, o->level, &second);
    if (!status && o->flags & PST_COMPILE_PROVE)
        status = prove_all(m, p, plan, &from, o, stage);
    return status;
}
