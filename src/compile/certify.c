/* The certificate: the program on this host against the float64 reference. */
#include "base/status.h"
#include "compile/compile.h"

static pst_status run_all(pst_engine *e, const pst_program *p, const psti_trial *t, const pst_compile_options *o,
                          float *y) {
    pst_stream *s;
    pst_status status = pst_stream_open(e, NULL, &s);
    if (status)
        return status;
    for (uint64_t i = 0; i < t->sequences && !status; i++) {
        status = i ? pst_stream_reset(s) : PST_OK;
        if (!status)
            status =
                pst_run(s, t->x + (size_t)i * t->stride * p->inputs, t->steps, y + (size_t)i * t->steps * p->outputs);
        if (!status)
            status = psti_report(o, 0.85 + 0.15 * (double)(i + 1) / (double)t->sequences, "certificate");
    }
    pst_stream_close(s);
    return status;
}

static pst_status check_tolerance(const pst_certificate *c, const pst_compile_options *o) {
    if (o->tolerance_abs > 0 && !(c->max_abs <= o->tolerance_abs))
        return psti_fail(PST_E_TOLERANCE, (psti_where){.field = "max_abs"},
                         "tolerance: expected a largest absolute error of at most %g, reached %g (output %u)",
                         o->tolerance_abs, c->max_abs, c->worst_output);
    if (o->tolerance > 0 && !(c->relative_rms <= o->tolerance)) {
        if (c->relative_rms != c->relative_rms)
            return psti_fail(
                PST_E_TOLERANCE, (psti_where){.field = "relative_rms"},
                "tolerance: relative rms error is undefined, y is constant over the input; give an absolute "
                "tolerance");
        return psti_fail(PST_E_TOLERANCE, (psti_where){.field = "relative_rms"},
                         "tolerance: expected a relative rms error of at most %g, reached %g", o->tolerance,
                         c->relative_rms);
    }
    return PST_OK;
}

pst_status psti_certify(pst_program *p, const psti_trial *t, const pst_compile_options *o) {
    psti_arena arena = {0};
    pst_engine_options options;
    PST_INIT(options);
    options.level = o->level;
    pst_engine *e = NULL;
    float *y = psti_arena_take(&arena, (size_t)t->sequences * t->steps * p->outputs, sizeof *y);
    pst_certificate c;
    PST_INIT(c);
    pst_status status = y ? pst_engine_open(p, &options, &e) : PST_E_MEMORY;
    if (!status)
        status = run_all(e, p, t, o, y);
    if (!status)
        status = pst_compare(y, t->y, t->sequences, t->steps, p->outputs, &c);
    if (!status)
        status = check_tolerance(&c, o);
    if (!status) {
        c.seed = t->seed;
        c.from_caller = (uint32_t)t->from_caller;
        p->certificate = c;
        p->certified = 1;
    }
    pst_engine_close(e);
    psti_arena_free(&arena);
    return status;
}
