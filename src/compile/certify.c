/* A certificate: the program on this host against the float64 reference. */
#include <math.h>

#include "base/status.h"
#include "compile/compile.h"

static pst_status run_all(pst_engine *e, const pst_program *p, const psti_trial *t, const psti_stage *stage, float *y) {
    pst_stream *s;
    pst_status status = pst_stream_open(e, NULL, &s);
    if (status)
        return status;
    for (uint64_t i = 0; i < t->data.sequences && !status; i++) {
        status = i ? pst_stream_reset(s) : PST_OK;
        if (!status)
            status = pst_run(s, t->data.x + (size_t)i * t->data.stride * p->inputs, t->data.steps,
                             y + (size_t)i * t->data.steps * p->outputs);
        if (!status)
            status = psti_report(stage, (double)(i + 1) / (double)t->data.sequences, "certificate");
    }
    pst_stream_close(s);
    return status;
}

/* The sum of the squared errors of the steps [from, to) of all sequences. */
static double squares(const psti_trial *t, const float *y, uint32_t outputs, uint64_t from, uint64_t to) {
    double sum = 0;
    for (uint64_t s = 0; s < t->data.sequences; s++)
        for (size_t i = (size_t)(s * t->data.steps + from) * outputs; i < (size_t)(s * t->data.steps + to) * outputs;
             i++) {
            double error = (double)y[i] - t->y[i];
            sum += error * error;
        }
    return sum;
}

static double drift(const psti_trial *t, const float *y, uint32_t outputs) {
    uint64_t tenth = t->data.steps / 10 ? t->data.steps / 10 : 1;
    double first = squares(t, y, outputs, 0, tenth);
    double last = squares(t, y, outputs, t->data.steps - tenth, t->data.steps);
    return first > 0 ? sqrt(last / first) : (double)NAN;
}

pst_status psti_constant_errors(const psti_trial *t, uint32_t outputs, double *rms, double *max_abs) {
    psti_arena arena = {0};
    double *mean = psti_arena_take(&arena, outputs, sizeof *mean), sum = 0, largest = 0;
    size_t vectors = (size_t)(t->data.sequences * t->data.steps);
    if (!mean)
        return PST_E_MEMORY;
    for (size_t v = 0; v < vectors; v++)
        for (uint32_t o = 0; o < outputs; o++)
            mean[o] += t->y[v * outputs + o] / (double)vectors;
    for (size_t v = 0; v < vectors; v++)
        for (uint32_t o = 0; o < outputs; o++) {
            double moved = fabs(t->y[v * outputs + o] - mean[o]);
            sum += moved * moved;
            largest = moved > largest ? moved : largest;
        }
    *rms = sqrt(sum / ((double)vectors * outputs));
    *max_abs = largest;
    psti_arena_free(&arena);
    return PST_OK;
}

pst_status psti_check_tolerance(const pst_certificate *c, const pst_compile_options *o) {
    if (o->tolerance_abs > 0 && !(c->max_abs <= o->tolerance_abs))
        return psti_fail(PST_E_TOLERANCE, (psti_where){.item = c->over, .field = "max_abs"},
                         "tolerance: expected a largest absolute error of at most %g, reached %g over %s (output %u)",
                         o->tolerance_abs, c->max_abs, c->over, c->worst_output);
    if (o->tolerance > 0 && !(c->relative_rms <= o->tolerance)) {
        if (c->relative_rms != c->relative_rms)
            return psti_fail(
                PST_E_TOLERANCE, (psti_where){.item = c->over, .field = "relative_rms"},
                "tolerance: relative rms error is undefined, y is constant over the %s; give an absolute tolerance",
                c->over);
        return psti_fail(PST_E_TOLERANCE, (psti_where){.item = c->over, .field = "relative_rms"},
                         "tolerance: expected a relative rms error of at most %g, reached %g over %s", o->tolerance,
                         c->relative_rms, c->over);
    }
    return PST_OK;
}

pst_status psti_certify(const pst_program *p, const psti_trial *t, const char *level, const psti_stage *stage,
                        pst_certificate *out) {
    psti_arena arena = {0};
    pst_engine_options options;
    PST_INIT(options);
    options.level = level;
    pst_engine *e = NULL;
    float *y = psti_arena_take(&arena, (size_t)t->data.sequences * t->data.steps * p->outputs, sizeof *y);
    pst_certificate c;
    PST_INIT(c);
    c.seed = t->seed;
    c.from_caller = t->over != PSTI_OVER_NOISE;
    pst_status status = y ? pst_engine_open(p, &options, &e) : PST_E_MEMORY;
    if (!status)
        status = run_all(e, p, t, stage, y);
    if (!status)
        status = pst_compare(y, t->y, t->data.sequences, t->data.steps, p->outputs, &c);
    if (!status)
        status = psti_constant_errors(t, p->outputs, &c.constant_rms, &c.constant_max_abs);
    if (!status) {
        c.over = psti_over_name((uint32_t)t->over);
        c.drift = drift(t, y, p->outputs);
        *out = c;
    }
    pst_engine_close(e);
    psti_arena_free(&arena);
    return status;
}

pst_status psti_certify_both(pst_program *p, const psti_trial *first, const psti_trial *held_back, const char *level,
                             const psti_stage *stage) {
    double middle = 0.5 * (stage->from + stage->to);
    psti_stage one = {stage->o, stage->from, middle}, two = {stage->o, middle, stage->to};
    pst_certificate c;
    pst_status status = psti_certify(p, first, level, &one, &p->certificate);
    p->certified = !status;
    if (status || !held_back)
        return status;
    status = psti_certify(p, held_back, level, &two, &c);
    return status ? status : psti_add_certificate(p, &c);
}

pst_status psti_add_certificate(pst_program *p, const pst_certificate *c) {
    if (!p->more)
        p->more = psti_arena_take(&p->arena, PSTI_OVERS, sizeof *p->more);
    if (!p->more)
        return PST_E_MEMORY;
    p->more[p->more_count++] = *c;
    return PST_OK;
}
