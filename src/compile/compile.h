/* Compiling: the input that scales and certificate come from, and the certificate. */
#ifndef PSTI_COMPILE_COMPILE_H
#define PSTI_COMPILE_COMPILE_H

#include "model/model.h"
#include "program/program.h"

/* The input of a certificate, and the float64 answer to it. */
typedef struct {
    psti_arena arena;
    uint64_t sequences, steps; /* run */
    const float *x;            /* [sequences][stride][inputs] */
    uint64_t stride;           /* steps from one sequence to the next */
    double *y;                 /* [sequences][steps][outputs] */
    int from_caller;
    uint64_t seed; /* of the noise */
} psti_trial;

/* Reports progress; PST_E_CANCELLED if the caller's callback says so. */
pst_status psti_report(const pst_compile_options *o, double done, const char *stage);

/* A program of the model in a format, not certified. largest_h: [layers], the scale of each lstm's h comes from it;
 * NULL: scales of 1. o: for progress, or NULL. */
pst_status psti_build(const pst_model *m, const psti_format *format, const float *largest_h,
                      const pst_compile_options *o, pst_program **out);
/* largest_h [layers]: the largest |h| of each lstm over the whole of o's calibration, its h0 included. */
pst_status psti_calibrate(const pst_model *m, const pst_compile_options *o, float *largest_h);
/* Takes the calibration, or makes noise, and runs the reference over it. */
pst_status psti_trial_run(const pst_model *m, const pst_compile_options *o, psti_trial *out);
void psti_trial_free(psti_trial *t);
/* Runs the program on this host over the trial's input, compares, and writes the certificate into the program. */
pst_status psti_certify(pst_program *p, const psti_trial *t, const pst_compile_options *o);

#endif
