/* The trial of a certificate: what the reference answers to the caller's calibration input, or to seeded noise. */
#include <math.h>

#include "base/number.h"
#include "base/status.h"
#include "compile/compile.h"
#include "reference/reference.h"

#define DEFAULT_SEED 20220930
#define MULTIPLY_ADDS 2e9 /* of the reference, if the caller names no number of steps */
#define FEWEST_STEPS 64
#define MOST_STEPS 1000

/* Steps in all, if the caller names no number of them. */
static uint64_t steps_allowed(const pst_model *m) {
    double steps = MULTIPLY_ADDS / ((double)m->parameters + 1);
    return steps < FEWEST_STEPS ? FEWEST_STEPS : steps > MOST_STEPS ? MOST_STEPS : (uint64_t)steps;
}

static uint64_t least(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

/* How much of the calibration is run: the first steps of the first sequences. */
static void take_calibration(const pst_model *m, const pst_compile_options *o, psti_trial *t) {
    uint64_t all = o->sequences ? o->sequences : 1, allowed = steps_allowed(m);
    t->from_caller = 1;
    t->x = o->calibration;
    t->stride = o->steps;
    t->steps = least(o->certificate_steps ? o->certificate_steps : allowed, o->steps);
    t->sequences = o->certificate_steps ? all : least(all, allowed / t->steps);
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
            pst_status status = psti_report(o, 0.1 + 0.65 * (done + (double)step) / all, "reference");
            if (status)
                return status;
        }
    }
    return PST_OK;
}

static pst_status run(const pst_model *m, const pst_compile_options *o, psti_trial *t) {
    if (o->calibration) {
        take_calibration(m, o, t);
    } else {
        t->sequences = 1;
        t->steps = t->stride = o->certificate_steps ? o->certificate_steps : steps_allowed(m);
        t->seed = o->seed ? o->seed : DEFAULT_SEED;
        t->x = noise(m, t);
        if (!t->x)
            return PST_E_MEMORY;
    }
    size_t outputs;
    if (!psti_multiply((size_t)t->sequences, (size_t)t->steps, &outputs) ||
        !psti_multiply(outputs, m->outputs, &outputs))
        return psti_fail_memory(SIZE_MAX);
    t->y = psti_arena_take(&t->arena, outputs, sizeof *t->y);
    double *x = psti_arena_take(&t->arena, m->inputs, sizeof *x);
    if (!t->y || !x)
        return PST_E_MEMORY;
    psti_reference *r;
    pst_status status = psti_reference_open(m, &r);
    for (uint64_t s = 0; s < t->sequences && !status; s++)
        status = one_sequence(m, o, t, r, s, x);
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
