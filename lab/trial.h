/* A trial: one kind of input for one model, with the float64 answers to it. A format is judged by it as its user would
 * have it: calibrated on the same kind. */
#ifndef LAB_TRIAL_H
#define LAB_TRIAL_H

#include "lab/input.h"
#include "penstock.h"

/* At most: a short file has fewer. */
enum {
    LAB_INPUTS = 4096, /* different inputs of the steps that are timed, used in turn */
    LAB_ERROR_STEPS = 1000,
    LAB_CALIBRATION_STEPS = 1000
};

typedef struct {
    const char *name;   /* of the model */
    pst_model *model;   /* its subject's; NULL for a .pstk, which is only stepped */
    float *x;           /* [steps][inputs] */
    float *calibration; /* [calibration_steps][inputs] */
    double *reference;  /* [error_steps][outputs], to the first of x */
    uint64_t steps, calibration_steps, error_steps;
    uint32_t outputs;
} lab_trial;

/* steps: how many are wanted. */
int lab_trial_open(const char *name, pst_model *model, const pst_info *info, const lab_input *input, uint64_t seed,
                   uint64_t steps, lab_trial *t);
/* Takes one that was never opened, cleared. */
void lab_trial_close(lab_trial *t);

/* Compiles the model into a format, calibrated. *seconds: how long it took. */
int lab_trial_compile(const lab_trial *t, const char *format, pst_program **out, double *seconds);
/* Runs a program of the model over the first of x, on one core, and compares. */
int lab_trial_errors(const lab_trial *t, const pst_program *program, const char *level, pst_certificate *out);
/* Both, for a program that nothing else is wanted of. */
int lab_trial_format(const lab_trial *t, const char *format, const char *level, pst_certificate *out);

#endif
