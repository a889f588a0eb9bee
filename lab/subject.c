/* A subject: see subject.h. */
#include "lab/subject.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lab/error.h"
#include "lab/models.h"
#include "lab/noise.h"

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* How many LSTM layers there are, and of how many units. */
static int describe(lab_subject *s) {
    pst_info info;
    PST_INIT(info);
    if ((s->model ? pst_model_get_info(s->model, &info) : pst_program_get_info(s->compiled, &info)) != PST_OK)
        return lab_fail_library(s->name);
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

static float *normal(uint64_t seed, int purpose, size_t n) {
    float *x = malloc(n * sizeof *x);
    lab_noise noise;
    lab_noise_seed(&noise, seed, purpose);
    if (x)
        lab_noise_normal(&noise, x, n);
    return x;
}

/* What a model by name has beside its inputs. */
static int open_model(const lab_options *o, lab_subject *s) {
    if (lab_model_create(lab_shape_find(s->name), o->seed, &s->model) || describe(s))
        return -1;
    s->calibration = normal(o->seed, LAB_NOISE_CALIBRATION, (size_t)LAB_CALIBRATION_STEPS * s->inputs);
    s->reference = malloc((size_t)LAB_ERROR_STEPS * s->outputs * sizeof *s->reference);
    return s->calibration && s->reference ? 0 : lab_fail_memory();
}

int lab_subject_open(const char *name, const lab_options *o, lab_subject *s) {
    memset(s, 0, sizeof *s);
    s->name = name;
    s->bf16_rms = NAN;
    int result;
    if (!lab_is_path(name))
        result = open_model(o, s);
    else
        result = pst_program_open(name, &s->compiled) == PST_OK ? describe(s) : lab_fail_library(NULL);
    if (!result) {
        s->x = normal(o->seed, LAB_NOISE_INPUTS, (size_t)LAB_INPUTS * s->inputs);
        result = s->x ? 0 : lab_fail_memory();
    }
    if (!result && s->model && pst_model_reference(s->model, s->x, 1, LAB_ERROR_STEPS, s->reference) != PST_OK)
        result = lab_fail_library(name);
    if (result)
        lab_subject_close(s);
    return result;
}

void lab_subject_close(lab_subject *s) {
    pst_model_free(s->model);
    pst_program_free(s->compiled);
    free(s->x);
    free(s->calibration);
    free(s->reference);
    memset(s, 0, sizeof *s);
}

int lab_subject_compile(const lab_subject *s, const char *format, pst_program **out, double *seconds) {
    pst_compile_options c;
    PST_INIT(c);
    c.format = format;
    c.flags = PST_COMPILE_UNCERTIFIED; /* the errors are found here, over other inputs than the calibration's */
    c.calibration = s->calibration;
    c.steps = LAB_CALIBRATION_STEPS;
    c.sequences = 1;
    double start = now();
    if (pst_compile(s->model, &c, out) != PST_OK)
        return lab_fail_library(s->name);
    *seconds = now() - start;
    return 0;
}

/* The answers to the first inputs; y has room for LAB_ERROR_STEPS of them. */
static int answer(const lab_subject *s, const pst_program *program, const char *level, float *y) {
    pst_engine *engine = NULL;
    pst_stream *stream = NULL;
    pst_engine_options e;
    PST_INIT(e);
    e.level = level;
    int good = pst_engine_open(program, &e, &engine) == PST_OK && pst_stream_open(engine, NULL, &stream) == PST_OK &&
               pst_run(stream, s->x, LAB_ERROR_STEPS, y) == PST_OK;
    int result = good ? 0 : lab_fail_library(s->name);
    pst_stream_close(stream);
    pst_engine_close(engine);
    return result;
}

int lab_subject_errors(const lab_subject *s, const pst_program *program, const char *level, pst_certificate *out) {
    PST_INIT(*out);
    if (s->compiled) {
        pst_status status = pst_program_certificate(program, out);
        return status == PST_OK || status == PST_E_EMPTY ? 0 : lab_fail_library(s->name);
    }
    float *y = malloc((size_t)LAB_ERROR_STEPS * s->outputs * sizeof *y);
    int result = y ? answer(s, program, level, y) : lab_fail_memory();
    if (!result && pst_compare(y, s->reference, 1, LAB_ERROR_STEPS, s->outputs, out) != PST_OK)
        result = lab_fail_library(s->name);
    free(y);
    return result;
}

int lab_subject_bf16(lab_subject *s, const lab_options *o) {
    if (!s->model || !isnan(s->bf16_rms))
        return 0;
    pst_program *program = NULL;
    pst_certificate errors;
    double seconds;
    int result = lab_subject_compile(s, "bf16", &program, &seconds);
    if (!result && (result = lab_subject_errors(s, program, o->level, &errors)) == 0)
        s->bf16_rms = errors.rms;
    pst_program_free(program);
    return result;
}
