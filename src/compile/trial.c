/* The trial of a certificate: what the reference answers to some input, or to seeded noise. */
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

/* How much of the data is run: the first steps of the first sequences. */
static psti_data first_of(const pst_model *m, const pst_compile_options *o, const psti_data *data) {
    uint64_t allowed = steps_allowed(m);
    psti_data out = *data;
    out.steps = least(o->certificate_steps ? o->certificate_steps : allowed, data->steps);
    if (!o->certificate_steps)
        out.sequences = least(data->sequences, allowed / out.steps);
    return out;
}

static float *noise(const pst_model *m, psti_trial *t, uint64_t steps) {
    psti_random random;
    psti_random_seed(&random, t->seed);
    float *x = psti_arena_take(&t->arena, (size_t)steps * m->inputs, sizeof *x);
    for (size_t i = 0; x && i < (size_t)steps * m->inputs; i++)
        x[i] = (float)psti_random_normal(&random);
    return x;
}

static pst_status one_sequence(const pst_model *m, const psti_stage *stage, psti_trial *t, psti_reference *r,
                               uint64_t sequence, double *x) {
    psti_reference_reset(r);
    const float *from = t->data.x + (size_t)sequence * t->data.stride * m->inputs;
    for (uint64_t step = 0; step < t->data.steps; step++) {
        for (uint32_t i = 0; i < m->inputs; i++)
            x[i] = (double)from[(size_t)step * m->inputs + i];
        psti_reference_step(r, x, t->y + ((size_t)sequence * t->data.steps + step) * m->outputs);
        if (step % 16 == 0) {
            double all = (double)t->data.sequences * (double)t->data.steps;
            double done = (double)sequence * (double)t->data.steps + (double)step;
            pst_status status = psti_report(stage, done / all, "reference");
            if (status)
                return status;
        }
    }
    return PST_OK;
}

static pst_status run(const pst_model *m, const psti_stage *stage, psti_trial *t) {
    size_t outputs;
    if (!psti_multiply((size_t)t->data.sequences, (size_t)t->data.steps, &outputs) ||
        !psti_multiply(outputs, m->outputs, &outputs))
        return psti_fail_memory(SIZE_MAX);
    t->y = psti_arena_take(&t->arena, outputs, sizeof *t->y);
    double *x = psti_arena_take(&t->arena, m->inputs, sizeof *x);
    if (!t->y || !x)
        return PST_E_MEMORY;
    psti_reference *r;
    pst_status status = psti_reference_open(m, &r);
    if (status)
        return status;
    for (uint64_t s = 0; s < t->data.sequences && !status; s++)
        status = one_sequence(m, stage, t, r, s, x);
    psti_reference_close(r);
    return status;
}

pst_status psti_trial_run(const pst_model *m, const psti_data *data, int over, const psti_stage *stage,
                          psti_trial *out) {
    *out = (psti_trial){.data = *data, .over = over};
    pst_status status = run(m, stage, out);
    if (status)
        psti_trial_free(out);
    return status;
}

pst_status psti_trial_first(const pst_model *m, const pst_compile_options *o, const psti_data *data, int over,
                            const psti_stage *stage, psti_trial *out) {
    *out = (psti_trial){.over = over};
    if (over == PSTI_OVER_NOISE) {
        uint64_t steps = o->certificate_steps ? o->certificate_steps : steps_allowed(m);
        out->seed = o->seed ? o->seed : DEFAULT_SEED;
        out->data = (psti_data){noise(m, out, steps), 1, steps, steps};
        if (!out->data.x) {
            psti_trial_free(out);
            return PST_E_MEMORY;
        }
    } else {
        out->data = first_of(m, o, data);
    }
    pst_status status = run(m, stage, out);
    if (status)
        psti_trial_free(out);
    return status;
}

void psti_trial_free(psti_trial *t) {
    psti_arena_free(&t->arena);
    *t = (psti_trial){0};
}
