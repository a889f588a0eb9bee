/* A subject: see subject.h. */
#include "lab/subject.h"

#include <math.h>
#include <string.h>

#include "lab/error.h"
#include "lab/models.h"

static int get_info(const lab_subject *s, pst_info *info) {
    PST_INIT(*info);
    pst_status status = s->model ? pst_model_get_info(s->model, info) : pst_program_get_info(s->compiled, info);
    return status == PST_OK ? 0 : lab_fail_library(s->name);
}

/* How many LSTM layers there are, and of how many units. */
static int describe(lab_subject *s) {
    pst_info info;
    if (get_info(s, &info))
        return -1;
    s->inputs = info.inputs;
    s->outputs = info.outputs;
    s->parameters = info.parameters;
    for (uint32_t i = 0; i < info.layers; i++) {
        pst_layer_info layer;
        PST_INIT(layer);
        if ((s->model ? pst_model_get_layer(s->model, i, &layer) : pst_program_get_layer(s->compiled, i, &layer)) !=
            PST_OK)
            return lab_fail_library(s->name);
        if (strcmp(layer.kind, "lstm") != 0)
            continue;
        s->hidden = s->layers++ && s->hidden != layer.outputs ? 0 : layer.outputs;
    }
    return 0;
}

int lab_subject_open(const char *name, const lab_options *o, lab_subject *s) {
    *s = (lab_subject){.name = name, .bf16_rms = NAN, .own = &s->trial[lab_input_kind(&o->input)]};
    int result;
    if (!lab_is_path(name))
        result = lab_model_create(lab_shape_find(name), o->seed, &s->model);
    else
        result = pst_program_open(name, &s->compiled) == PST_OK ? 0 : lab_fail_library(NULL);
    if (!result)
        result = describe(s);
    if (!result)
        result = lab_input_fits(&o->input, name, s->inputs);
    if (result)
        lab_subject_close(s);
    return result;
}

int lab_subject_try(lab_subject *s, int kind, const lab_options *o) {
    const lab_input *input = lab_input_of_kind(&o->input, kind);
    lab_trial *t = &s->trial[kind];
    pst_info info;
    if (!input || (s->compiled && t != s->own))
        return 0;
    if (get_info(s, &info))
        return -1;
    return lab_trial_open(s->name, s->model, &info, input, o->seed, t == s->own ? LAB_INPUTS : LAB_ERROR_STEPS, t);
}

void lab_subject_close(lab_subject *s) {
    for (int kind = 0; kind < LAB_KINDS; kind++)
        lab_trial_close(&s->trial[kind]);
    pst_model_free(s->model);
    pst_program_free(s->compiled);
    memset(s, 0, sizeof *s);
}

int lab_subject_bf16(lab_subject *s, const lab_options *o) {
    pst_certificate errors;
    if (!s->model || !isnan(s->bf16_rms))
        return 0;
    if (lab_trial_format(s->own, "bf16", o->level, &errors))
        return -1;
    s->bf16_rms = errors.rms;
    return 0;
}
