/* A subject: one model, and a trial of it for each kind of input. Its programs share it. */
#ifndef LAB_SUBJECT_H
#define LAB_SUBJECT_H

#include "lab/options.h"
#include "lab/trial.h"
#include "penstock.h"

typedef struct {
    const char *name;      /* as it was asked for */
    pst_model *model;      /* of a model by name */
    pst_program *compiled; /* of a .pstk */
    uint32_t inputs, outputs;
    uint32_t layers, hidden; /* LSTM layers and their units; hidden 0: they differ */
    uint64_t parameters;
    lab_trial trial[LAB_KINDS]; /* a .pstk has no other than that of --input, which is only stepped */
    const lab_trial *own;       /* that of --input; of it are what is timed and the table of errors */
    double bf16_rms;            /* rms error of bf16 in it; NaN where it is not known */
} lab_subject;

/* Without its trials. */
int lab_subject_open(const char *name, const lab_options *o, lab_subject *s);
/* The trial of a kind, where there is one to be had. */
int lab_subject_try(lab_subject *s, int kind, const lab_options *o);
void lab_subject_close(lab_subject *s);

/* Finds bf16_rms where no program has. */
int lab_subject_bf16(lab_subject *s, const lab_options *o);

#endif
