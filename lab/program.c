/* A program: see program.h. */
#include "lab/program.h"

#include <math.h>
#include <string.h>

#include "lab/error.h"

/* A certificate over noise is an error on independent inputs; one over its maker's own is on none of the kinds here. */
static int take_certificate(const lab_subject *subject, lab_program *p) {
    PST_INIT(p->errors);
    pst_status status = pst_program_certificate(subject->compiled, &p->errors);
    if (status != PST_OK && status != PST_E_EMPTY)
        return lab_fail_library(subject->name);
    if (p->errors.steps && !p->errors.from_caller)
        p->relative_rms[LAB_KIND_IID] = p->errors.relative_rms;
    return 0;
}

static int compile(const lab_subject *subject, const char *format, const lab_options *o, lab_program *p) {
    if (lab_trial_compile(subject->own, format, &p->own, &p->compile_s) ||
        lab_trial_errors(subject->own, p->own, o->level, &p->errors))
        return -1;
    p->relative_rms[subject->own - subject->trial] = p->errors.relative_rms;
    return 0;
}

int lab_program_open(const lab_subject *subject, const char *format, const lab_options *o, lab_program *p) {
    memset(p, 0, sizeof *p);
    p->subject = subject;
    for (int kind = 0; kind < LAB_KINDS; kind++)
        p->relative_rms[kind] = NAN;
    PST_INIT(p->info);
    int result = subject->model ? compile(subject, format, o, p) : take_certificate(subject, p);
    if (!result && pst_program_get_info(lab_program_of(p), &p->info) != PST_OK)
        result = lab_fail_library(subject->name);
    if (result) {
        lab_program_close(p);
        return result;
    }
    p->format = format ? format : p->info.format;
    return 0;
}

int lab_program_try(lab_program *p, int kind, const lab_options *o) {
    const lab_trial *t = &p->subject->trial[kind];
    pst_certificate errors;
    if (!t->model || t == p->subject->own)
        return 0;
    if (lab_trial_format(t, p->format, o->level, &errors))
        return -1;
    p->relative_rms[kind] = errors.relative_rms;
    return 0;
}

void lab_program_close(lab_program *p) {
    pst_program_free(p->own);
    memset(p, 0, sizeof *p);
}

const char *lab_program_name(const lab_program *p) {
    const char *slash = strrchr(p->subject->name, '/');
    return slash ? slash + 1 : p->subject->name;
}
