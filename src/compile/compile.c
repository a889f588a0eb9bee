/* pst_compile: a model into a program of one format, with its certificate. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/rounding.h"
#include "base/status.h"
#include "compile/compile.h"

pst_status psti_report(const pst_compile_options *o, double done, const char *stage) {
    if (o->progress && o->progress(o->user, done, stage))
        return psti_fail(PST_E_CANCELLED, (psti_where){.item = stage}, "compile: cancelled during %s", stage);
    return PST_OK;
}

/* The scale of h: 2^k, k <= 0, the least that holds 4 times the largest |h| seen; 2^-40 at least. An h that never moved
 * (calibrated on silence) says nothing: then 1. */
static float h_scale(float largest) {
    float scale = 1.0f;
    while (largest > 0 && scale * 0.5f >= 4.0f * largest && scale > 0x1p-40f)
        scale *= 0.5f;
    return scale;
}

static pst_status check_options(const pst_model *m, const pst_compile_options *o, const psti_format **format) {
    const char *name = o->format ? o->format : "bf16";
    *format = psti_format_find(name);
    if (!*format) {
        char known[128] = "";
        for (size_t i = 0; i < psti_format_count; i++)
            snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s", i ? ", " : "", psti_formats[i].name);
        return psti_fail(PST_E_ARGUMENT, (psti_where){.item = name, .field = "format"},
                         "format: expected one of %s, found \"%s\"", known, name);
    }
    if (o->calibration && o->steps == 0)
        return psti_fail(PST_E_SHAPE, (psti_where){.item = "calibration", .field = "steps"},
                         "calibration: expected at least 1 step of %u features, found 0", m->inputs);
    if (o->flags & ~(uint32_t)PST_COMPILE_UNCERTIFIED)
        return psti_fail(PST_E_ARGUMENT, (psti_where){.field = "flags", .found = o->flags},
                         "pst_compile_options: flags: unknown bits in 0x%x", o->flags);
    if (!(o->tolerance >= 0) || !(o->tolerance_abs >= 0))
        return psti_fail(PST_E_ARGUMENT, (psti_where){.field = "tolerance"},
                         "tolerance: expected 0 or more, found %g and %g", o->tolerance, o->tolerance_abs);
    if ((o->flags & PST_COMPILE_UNCERTIFIED) && (o->tolerance > 0 || o->tolerance_abs > 0))
        return psti_fail(PST_E_ARGUMENT, (psti_where){.field = "tolerance"},
                         "tolerance: cannot be held without a certificate");
    return PST_OK;
}

pst_status psti_build(const pst_model *m, const psti_format *format, const float *largest_h,
                      const pst_compile_options *o, pst_program **out) {
    pst_program *p;
    pst_status status = psti_program_new(m->count, &p);
    if (status)
        return status;
    snprintf(p->format, sizeof p->format, "%s", format->name);
    p->readout = m->readout;
    for (uint32_t i = 0; i < m->count && !status; i++) {
        const psti_layer *layer = &m->layers[i];
        float scale = largest_h && layer->kind == PSTI_KIND_lstm ? h_scale(largest_h[i]) : 1.0f;
        status = o ? psti_report(o, 0.05 + 0.05 * i / m->count, "packing") : PST_OK;
        if (!status)
            status = psti_program_kinds[layer->kind]->build(&p->arena, layer, format, scale, &p->layers[i]);
    }
    if (!status)
        status = psti_program_finish(p);
    if (status)
        pst_program_free(p);
    else
        *out = p;
    return status;
}

static pst_status certify(const pst_model *m, const pst_compile_options *o, pst_program *p) {
    psti_trial trial;
    pst_status status = psti_trial_run(m, o, &trial);
    if (!status)
        status = psti_certify(p, &trial, o);
    psti_trial_free(&trial);
    return status;
}

static pst_status compile(const pst_model *m, const pst_compile_options *o, float *largest_h, pst_program **out) {
    const psti_format *format;
    pst_program *p = NULL;
    pst_status status = check_options(m, o, &format);
    if (!status && o->calibration)
        status = psti_calibrate(m, o, largest_h);
    if (!status)
        status = psti_build(m, format, o->calibration ? largest_h : NULL, o, &p);
    if (!status)
        status = psti_report(o, 0.1, "packed");
    if (!status && !(o->flags & PST_COMPILE_UNCERTIFIED))
        status = certify(m, o, p);
    if (!status)
        status = psti_report(o, 1.0, "done");
    if (status)
        pst_program_free(p);
    else
        *out = p;
    return status;
}

pst_status pst_compile(const pst_model *m, const pst_compile_options *o, pst_program **out) {
    pst_compile_options own;
    pst_status status = psti_take_options(o, &own, sizeof own, "pst_compile_options");
    if (status)
        return status;
    if (!m || !out)
        return psti_fail_null(m ? "out" : "model");
    float *largest_h = psti_allocate(m->count, sizeof *largest_h);
    if (!largest_h)
        return PST_E_MEMORY;
    unsigned rounding = psti_rounding_enter();
    status = compile(m, &own, largest_h, out);
    psti_rounding_leave(rounding);
    free(largest_h);
    return status;
}
