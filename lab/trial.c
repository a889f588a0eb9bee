/* A trial: see trial.h. */
#include "lab/trial.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lab/error.h"

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* What a model with weights has beside its inputs. */
static int open_model(const lab_input *input, uint64_t seed, uint32_t inputs, lab_trial *t) {
    t->calibration_steps = LAB_CALIBRATION_STEPS;
    if (lab_input_make(input, seed, LAB_INPUT_CALIBRATION, inputs, &t->calibration_steps, &t->calibration))
        return -1;
    t->error_steps = t->steps < LAB_ERROR_STEPS ? t->steps : LAB_ERROR_STEPS;
    t->reference = malloc((size_t)t->error_steps * t->outputs * sizeof *t->reference);
    if (!t->reference)
        return lab_fail_memory();
    return pst_model_reference(t->model, t->x, 1, t->error_steps, t->reference) == PST_OK ? 0
                                                                                          : lab_fail_library(t->name);
}

int lab_trial_open(const char *name, pst_model *model, const pst_info *info, const lab_input *input, uint64_t seed,
                   uint64_t steps, lab_trial *t) {
    *t = (lab_trial){.name = name, .model = model, .steps = steps, .outputs = info->outputs};
    int result = lab_input_make(input, seed, LAB_INPUT_STEPS, info->inputs, &t->steps, &t->x);
    if (!result && model)
        result = open_model(input, seed, info->inputs, t);
    if (result)
        lab_trial_close(t);
    return result;
}

void lab_trial_close(lab_trial *t) {
    free(t->x);
    free(t->calibration);
    free(t->reference);
    memset(t, 0, sizeof *t);
}

int lab_trial_compile(const lab_trial *t, const char *format, pst_program **out, double *seconds) {
    pst_compile_options c;
    PST_INIT(c);
    c.format = format;
    c.flags = PST_COMPILE_UNCERTIFIED; /* the errors are found here, over other inputs than the calibration's */
    c.calibration = t->calibration;
    c.steps = t->calibration_steps;
    c.sequences = 1;
    double start = now();
    if (pst_compile(t->model, &c, out) != PST_OK)
        return lab_fail_library(t->name);
    *seconds = now() - start;
    return 0;
}

/* The answers to the first inputs; y has room for error_steps of them. */
static int answer(const lab_trial *t, const pst_program *program, const char *level, float *y) {
    pst_engine *engine = NULL;
    pst_stream *stream = NULL;
    pst_engine_options e;
    PST_INIT(e);
    e.level = level;
    int good = pst_engine_open(program, &e, &engine) == PST_OK && pst_stream_open(engine, NULL, &stream) == PST_OK &&
               pst_run(stream, t->x, t->error_steps, y) == PST_OK;
    int result = good ? 0 : lab_fail_library(t->name);
    pst_stream_close(stream);
    pst_engine_close(engine);
    return result;
}

int lab_trial_errors(const lab_trial *t, const pst_program *program, const char *level, pst_certificate *out) {
    PST_INIT(*out);
    float *y = malloc((size_t)t->error_steps * t->outputs * sizeof *y);
    int result = y ? answer(t, program, level, y) : lab_fail_memory();
    if (!result && pst_compare(y, t->reference, 1, t->error_steps, t->outputs, out) != PST_OK)
        result = lab_fail_library(t->name);
    free(y);
    return result;
}

int lab_trial_format(const lab_trial *t, const char *format, const char *level, pst_certificate *out) {
    pst_program *program = NULL;
    double seconds;
    int result = lab_trial_compile(t, format, &program, &seconds);
    if (!result)
        result = lab_trial_errors(t, program, level, out);
    pst_program_free(program);
    return result;
}
