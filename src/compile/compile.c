/* pst_compile: a model into a program, with its certificates. */
#include <stdlib.h>
#include <string.h>

#include "base/rounding.h"
#include "base/status.h"
#include "compile/compile.h"

pst_status psti_report(const psti_stage *s, double done, const char *text) {
    const pst_compile_options *o = s->o;
    if (o && o->progress && o->progress(o->user, s->from + done * (s->to - s->from), text))
        return psti_fail(PST_E_CANCELLED, (psti_where){.item = text}, "compile: cancelled during %s", text);
    return PST_OK;
}

#define FLAGS (PST_COMPILE_UNCERTIFIED | PST_COMPILE_NEAREST | PST_COMPILE_PROVE)

static int is_auto(const pst_compile_options *o) {
    return o->format && strcmp(o->format, "auto") == 0;
}

static pst_status check_group(uint32_t group) {
    if (group == 0 || (group >= PSTI_LEAST_GROUP && group <= PSTI_MAX_INPUTS && !(group & (group - 1))))
        return PST_OK;
    return psti_fail(PST_E_ARGUMENT, (psti_where){.field = "group", .found = group},
                     "group: expected a power of two from %d to %d, found %u", PSTI_LEAST_GROUP, PSTI_MAX_INPUTS,
                     group);
}

static pst_status check_options(const pst_compile_options *o) {
    if (o->flags & ~(uint32_t)FLAGS)
        return psti_fail(PST_E_ARGUMENT, (psti_where){.field = "flags", .found = o->flags},
                         "pst_compile_options: flags: unknown bits in 0x%x", o->flags);
    if (!(o->tolerance >= 0) || !(o->tolerance_abs >= 0))
        return psti_fail(PST_E_ARGUMENT, (psti_where){.field = "tolerance"},
                         "tolerance: expected 0 or more, found %g and %g", o->tolerance, o->tolerance_abs);
    int tolerates = o->tolerance > 0 || o->tolerance_abs > 0;
    if ((o->flags & PST_COMPILE_UNCERTIFIED) && tolerates)
        return psti_fail(PST_E_ARGUMENT, (psti_where){.field = "tolerance"},
                         "tolerance: cannot be held without a certificate");
    if ((o->flags & PST_COMPILE_UNCERTIFIED) && (o->flags & PST_COMPILE_PROVE))
        return psti_fail(PST_E_ARGUMENT, (psti_where){.field = "flags"},
                         "flags: nothing can be proved without a certificate");
    if (is_auto(o) && !tolerates)
        return psti_fail(PST_E_ARGUMENT, (psti_where){.field = "tolerance"},
                         "format: \"auto\" needs a tolerance: it looks for the fastest format that holds it");
    if (is_auto(o) && o->layer_formats)
        return psti_fail(PST_E_ARGUMENT, (psti_where){.field = "format of a layer"},
                         "format of a layer: \"auto\" chooses those of the layers, too");
    return check_group(o->group);
}

/* What compiling a model goes through. */
typedef struct {
    const pst_model *m;
    const pst_compile_options *o;
    psti_split split;
    psti_calibration calibration;
    psti_recipe *recipes;
    psti_plan plan;
    psti_trial first, held_back;
    pst_program *p;
} work;

static pst_status calibrate(work *w) {
    psti_stage stage = {w->o, 0, 0.1};
    if (!w->split.calibration.sequences)
        return PST_OK;
    pst_status status = psti_check_data(w->m, &w->split.calibration, PSTI_OVER_CALIBRATION);
    if (status || !(is_auto(w->o) || psti_has_integers(w->recipes, w->m->count)))
        return status;
    status = psti_calibrate(w->m, &w->split.calibration, w->o, &stage, &w->calibration);
    if (!status)
        w->plan.calibration = &w->calibration;
    return status;
}

static pst_status run_trials(work *w) {
    int calibrated = w->split.calibration.sequences != 0;
    psti_stage first = {w->o, 0.3, 0.55}, second = {w->o, 0.55, 0.65};
    pst_status status = psti_trial_first(w->m, w->o, &w->split.calibration,
                                         calibrated ? PSTI_OVER_CALIBRATION : PSTI_OVER_NOISE, &first, &w->first);
    if (!status && w->split.held_back.sequences)
        status = psti_trial_first(w->m, w->o, &w->split.held_back, PSTI_OVER_HELD_BACK, &second, &w->held_back);
    return status;
}

/* The format of the options, certified; the tolerance is looked at once both certificates are there. */
static pst_status certify(work *w) {
    psti_stage stage = {w->o, 0.65, 0.7};
    const psti_trial *held_back = w->held_back.y ? &w->held_back : NULL;
    pst_status status = psti_certify_both(w->p, &w->first, held_back, w->o->level, &stage);
    if (!status)
        status = psti_check_tolerance(&w->p->certificate, w->o);
    if (!status && held_back)
        status = psti_check_tolerance(&w->p->more[0], w->o);
    return status;
}

/* Certificates over more, where they tell something: rests, or the caller's wish. */
static pst_status prove(work *w) {
    int rests = 0;
    for (uint32_t i = 0; i < w->p->count; i++)
        rests |= psti_program_has(&w->p->layers[i], PSTI_MATRIX_INPUT_REST);
    if (!rests && !(w->o->flags & PST_COMPILE_PROVE))
        return PST_OK;
    psti_stage stage = {w->o, 0.7, 1};
    const psti_data *data = w->split.held_back.sequences     ? &w->split.held_back
                            : w->split.calibration.sequences ? &w->split.calibration
                                                             : &w->first.data;
    const psti_trial *noise = w->split.calibration.sequences ? NULL : &w->first;
    return psti_prove(w->m, w->p, &w->plan, data, noise, w->o, &stage);
}

static pst_status make(work *w) {
    const char *format = is_auto(w->o) ? "f32" : w->o->format ? w->o->format : "bf16";
    pst_status status = psti_recipes(w->m, format, w->o->layer_formats, w->o->group, &w->recipes);
    if (!status)
        status = psti_check_data(w->m, &w->split.held_back, PSTI_OVER_HELD_BACK);
    if (!status)
        status = calibrate(w);
    w->plan.recipes = w->recipes;
    w->plan.format = format;
    w->plan.layer_formats = w->o->layer_formats;
    w->plan.nearest = (w->o->flags & PST_COMPILE_NEAREST) != 0;
    int certified = !(w->o->flags & PST_COMPILE_UNCERTIFIED);
    psti_stage stage = {w->o, 0.1, 0.3}, search = {w->o, 0.65, 0.7};
    if (!status && !is_auto(w->o))
        status = psti_build(w->m, &w->plan, &stage, &w->p);
    if (!status && certified)
        status = run_trials(w);
    if (!status && is_auto(w->o))
        status = psti_search(w->m, w->plan.calibration, &w->first, w->held_back.y ? &w->held_back : NULL, w->o, &search,
                             w->recipes, &w->p);
    else if (!status && certified)
        status = certify(w);
    if (!status && certified)
        status = prove(w);
    if (!status) {
        psti_stage end = {w->o, 0, 1};
        status = psti_report(&end, 1, "done");
    }
    return status;
}

static pst_status compile(const pst_model *m, const pst_compile_options *o, pst_program **out) {
    work w = {.m = m, .o = o};
    pst_status status = check_options(o);
    if (!status)
        status = psti_split_data(m, o, &w.split);
    if (!status)
        status = make(&w);
    psti_calibration_free(&w.calibration);
    psti_trial_free(&w.first);
    psti_trial_free(&w.held_back);
    free(w.recipes);
    if (status)
        pst_program_free(w.p);
    else
        *out = w.p;
    return status;
}

pst_status pst_compile(const pst_model *m, const pst_compile_options *o, pst_program **out) {
    pst_compile_options own;
    pst_status status = psti_take_options(o, &own, sizeof own, "pst_compile_options");
    if (status)
        return status;
    if (!m || !out)
        return psti_fail_null(m ? "out" : "model");
    unsigned rounding = psti_rounding_enter();
    status = compile(m, &own, out);
    psti_rounding_leave(rounding);
    return status;
}
