/* The largest |h| of each lstm over the whole calibration: an f32 program of the model is run over it on this host,
 * since the float64 reference would take too long. f32 gives the same bits at every level, so scales do not depend on
 * the host. */
#include <math.h>
#include <stdlib.h>

#include "base/status.h"
#include "compile/compile.h"
#include "stream/stream.h"

static float largest_of(const float *v, uint32_t n, float largest) {
    for (uint32_t i = 0; v && i < n; i++)
        largest = fmaxf(largest, fabsf(v[i]));
    return largest;
}

static pst_status one_step(pst_stream *s, const pst_model *m, const float *x, float *y, uint64_t sequence,
                           uint64_t step, float *largest_h) {
    pst_status status = pst_step(s, x, m->inputs, y, m->outputs);
    if (status == PST_E_NONFINITE) {
        pst_error detail;
        PST_INIT(detail);
        pst_last_error(&detail); /* found: the feature */
        return psti_fail(
            status, (psti_where){.item = "calibration", .found = detail.found},
            "calibration: sequence %llu, step %llu, feature %lld: expected a finite value of at most 2^60 in "
            "magnitude, found %g",
            (unsigned long long)sequence, (unsigned long long)step, (long long)detail.found, (double)x[detail.found]);
    }
    if (status)
        return status;
    for (uint32_t i = 0; i < m->count; i++) {
        const psti_placed *layer = &s->engine->caller->layers[i];
        if (m->layers[i].kind == PSTI_KIND_lstm)
            largest_h[i] = largest_of((const float *)(s->part->slot + layer->out->code[s->part->time & 1][PSTI_F32]),
                                      layer->outputs, largest_h[i]);
    }
    return PST_OK;
}

static pst_status run(pst_engine *e, const pst_model *m, const pst_compile_options *o, float *largest_h) {
    pst_stream *s = NULL;
    float *y = psti_allocate(m->outputs, sizeof *y);
    pst_status status = y ? pst_stream_open(e, NULL, &s) : PST_E_MEMORY;
    uint64_t sequences = o->sequences ? o->sequences : 1, all = sequences * o->steps;
    for (uint64_t at = 0; at < all && !status; at++) {
        if (at && at % o->steps == 0)
            status = pst_stream_reset(s);
        if (!status)
            status =
                one_step(s, m, o->calibration + (size_t)at * m->inputs, y, at / o->steps, at % o->steps, largest_h);
        if (!status && at % 64 == 0)
            status = psti_report(o, 0.05 * (double)at / (double)all, "calibration");
    }
    pst_stream_close(s);
    free(y);
    return status;
}

pst_status psti_calibrate(const pst_model *m, const pst_compile_options *o, float *largest_h) {
    pst_engine_options options;
    PST_INIT(options);
    options.level = o->level;
    pst_program *p = NULL;
    pst_engine *e = NULL;
    for (uint32_t i = 0; i < m->count; i++)
        largest_h[i] = m->layers[i].kind == PSTI_KIND_lstm
                           ? largest_of(m->layers[i].tensor[PSTI_LSTM_H0], m->layers[i].outputs, 0)
                           : 0;
    pst_status status = psti_build(m, psti_format_find("f32"), NULL, NULL, &p);
    if (!status)
        status = pst_engine_open(p, &options, &e);
    if (!status)
        status = run(e, m, o, largest_h);
    pst_engine_close(e);
    pst_program_free(p);
    return status;
}
