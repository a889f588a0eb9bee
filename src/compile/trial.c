/* The trial: what the reference answers to the caller's calibration input, or to seeded noise. */
#include <math.h>

#include "base/number.h"
#include "base/status.h"
#include "compile/compile.h"
#include "reference/reference.h"

#define DEFAULT_SEED 20220930
#define MULTIPLY_ADDS 2e9 /* of the reference, if the caller names no number of steps */
#define FEWEST_STEPS 64
#define MOST_STEPS 1000

static uint64_t steps_of(const pst_model *m, const pst_compile_options *o, uint64_t sequences) {
    if (o->certificate_steps)
        return o->certificate_steps;
    double steps = MULTIPLY_ADDS / ((double)m->parameters * (double)sequences + 1);
    return steps < FEWEST_STEPS ? FEWEST_STEPS : steps > MOST_STEPS ? MOST_STEPS : (uint64_t)steps;
}

static float *noise(const pst_model *m, psti_trial *t) {
    psti_random random;
    psti_random_seed(&random, t->seed);
    float *x = psti_arena_take(&t->arena, (size_t)t->steps * m->inputs, sizeof *x);
    for (size_t i = 0; x && i < (size_t)t->steps * m->inputs; i++)
        x[i] = (float)psti_random_normal(&random);
    return x;
}

static pst_status one_sequence(const pst_model *m, const pst_compile_options *o, psti_trial *t, psti_reference *r,
                               uint64_t sequence, double *x) {
    psti_reference_reset(r);
    const float *from = t->x + (size_t)sequence * t->stride * m->inputs;
    for (uint64_t step = 0; step < t->steps; step++) {
        for (uint32_t i = 0; i < m->inputs; i++) {
            size_t at = (size_t)step * m->inputs + i;
            x[i] = (double)from[at];
            if (!(fabs(x[i]) <= 0x1p60))
                return psti_fail(
                    PST_E_NONFINITE, (psti_where){.item = "calibration", .found = (int64_t)at},
                    "calibration: sequence %llu, step %llu, feature %u: expected a finite value of at most "
                    "2^60 in magnitude, found %g",
                    (unsigned long long)sequence, (unsigned long long)step, i, x[i]);
        }
        psti_reference_step(r, x, t->y + ((size_t)sequence * t->steps + step) * m->outputs);
        if (step % 16 == 0) {
            double all = (double)t->sequences * (double)t->steps, done = (double)sequence * (double)t->steps;
            pst_status status = psti_report(o, 0.75 * (done + (double)step) / all, "reference");
            if (status)
                return status;
        }
    }
    return PST_OK;
}

static float largest_h0(const psti_layer *layer) {
    const float *h0 = layer->kind == PSTI_KIND_lstm ? layer->tensor[PSTI_LSTM_H0] : NULL;
    float largest = 0;
    for (uint32_t u = 0; h0 && u < layer->outputs; u++)
        largest = fmaxf(largest, fabsf(h0[u]));
    return largest;
}

static pst_status run(const pst_model *m, const pst_compile_options *o, psti_trial *t) {
    t->from_caller = o->calibration != NULL;
    t->sequences = o->calibration && o->sequences ? o->sequences : 1;
    t->steps = steps_of(m, o, t->sequences);
    t->seed = o->seed ? o->seed : DEFAULT_SEED;
    if (o->calibration) {
        t->seed = 0;
        t->stride = o->steps;
        t->steps = t->steps < o->steps ? t->steps : o->steps;
        t->x = o->calibration;
    } else {
        t->stride = t->steps;
        t->x = noise(m, t);
        if (!t->x)
            return PST_E_MEMORY;
    }
    size_t outputs;
    if (!psti_multiply((size_t)t->sequences, (size_t)t->steps, &outputs) ||
        !psti_multiply(outputs, m->outputs, &outputs))
        return psti_fail_memory(SIZE_MAX);
    t->y = psti_arena_take(&t->arena, outputs, sizeof *t->y);
    t->largest_h = psti_arena_take(&t->arena, m->count, sizeof *t->largest_h);
    double *x = psti_arena_take(&t->arena, m->inputs, sizeof *x);
    if (!t->y || !t->largest_h || !x)
        return PST_E_MEMORY;
    psti_reference *r;
    pst_status status = psti_reference_open(m, &r);
    for (uint64_t s = 0; s < t->sequences && !status; s++)
        status = one_sequence(m, o, t, r, s, x);
    for (uint32_t i = 0; i < m->count && !status; i++)
        if (m->layers[i].kind == PSTI_KIND_lstm)
            t->largest_h[i] = fmaxf((float)psti_reference_largest_h(r, i), largest_h0(&m->layers[i]));
    psti_reference_close(r);
    return status;
}

pst_status psti_trial_run(const pst_model *m, const pst_compile_options *o, psti_trial *out) {
    *out = (psti_trial){0};
    pst_status status = run(m, o, out);
    if (status)
        psti_trial_free(out);
    return status;
}

void psti_trial_free(psti_trial *t) {
    psti_arena_free(&t->arena);
    *t = (psti_trial){0};
}
