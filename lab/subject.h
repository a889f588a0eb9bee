/* A subject: one model with the inputs it is given and the float64 answers to them. Its programs share it. */
#ifndef LAB_SUBJECT_H
#define LAB_SUBJECT_H

#include "lab/options.h"
#include "penstock.h"

enum {
    LAB_INPUTS = 4096, /* different inputs, used in turn */
    LAB_ERROR_STEPS = 1000,
    LAB_CALIBRATION_STEPS = 1000
};

typedef struct {
    const char *name;      /* as it was asked for */
    pst_model *model;      /* of a model by name */
    pst_program *compiled; /* of a .pstk */
    uint32_t inputs, outputs;
    uint32_t layers, hidden; /* LSTM layers and their units; hidden 0: they differ */
    uint64_t parameters;
    float *x;           /* [LAB_INPUTS][inputs], independent normal */
    float *calibration; /* [LAB_CALIBRATION_STEPS][inputs], the same of another seed; models by name */
    double *reference;  /* [LAB_ERROR_STEPS][outputs], to the first of x; models by name */
    double bf16_rms;    /* rms error of bf16; NaN where it is not known */
} lab_subject;

int lab_subject_open(const char *name, const lab_options *o, lab_subject *s);
/* The same with every array there is given back. */
void lab_subject_close(lab_subject *s);

/* Compiles a model by name into a format, calibrated. *seconds: how long it took. */
int lab_subject_compile(const lab_subject *s, const char *format, pst_program **out, double *seconds);
/* Runs the first inputs through a program on one core and compares. A .pstk has no model to compare with: its
 * certificate is taken, and *out says in `steps` 0 where it has none. */
int lab_subject_errors(const lab_subject *s, const pst_program *program, const char *level, pst_certificate *out);
/* Finds bf16_rms where no program has. */
int lab_subject_bf16(lab_subject *s, const lab_options *o);

#endif
