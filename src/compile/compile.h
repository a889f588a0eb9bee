/* Compiling: what calibration says, programs of recipes, certificates, and the search for a format. */
#ifndef PSTI_COMPILE_COMPILE_H
#define PSTI_COMPILE_COMPILE_H

#include "compile/refit.h"
#include "compile/statistics.h"
#include "model/model.h"
#include "program/program.h"

/* ---- progress -----------------------------------------------------------------------------------------------------
 */

/* The part of all progress that one piece of work makes. */
typedef struct {
    const pst_compile_options *o; /* NULL: nobody is told */
    double from, to;
} psti_stage;
/* done in [0, 1] of the piece. PST_E_CANCELLED if the caller's callback says so. */
pst_status psti_report(const psti_stage *s, double done, const char *text);

/* ---- input --------------------------------------------------------------------------------------------------------
 */

/* Sequences of inputs: what of them is used, and how far one is from the next. */
typedef struct {
    const float *x;            /* [sequences][stride][inputs] */
    uint64_t sequences, steps; /* used of each */
    uint64_t stride;
} psti_data;

/* What of the options' calibration is calibrated on, and what is held back; no sequences: none. */
typedef struct {
    psti_data calibration, held_back;
} psti_split;
pst_status psti_split_data(const pst_model *m, const pst_compile_options *o, psti_split *out);
/* PST_E_NONFINITE naming the first value that no step takes. */
pst_status psti_check_data(const pst_model *m, const psti_data *data, int over);

/* The input of a certificate, and the float64 answer to it. */
typedef struct {
    psti_arena arena;
    psti_data data;
    double *y;     /* [sequences][steps][outputs] */
    int over;      /* PSTI_OVER_... */
    uint64_t seed; /* of the noise */
} psti_trial;

/* Runs the reference over the data, which was checked and must outlive the trial. */
pst_status psti_trial_run(const pst_model *m, const psti_data *data, int over, const psti_stage *stage,
                          psti_trial *out);
/* The same over the calibration's first steps (certificate_steps of them), or over noise if there is none. */
pst_status psti_trial_first(const pst_model *m, const pst_compile_options *o, const psti_data *data, int over,
                            const psti_stage *stage, psti_trial *out);
void psti_trial_free(psti_trial *t);

/* ---- calibration --------------------------------------------------------------------------------------------------
 */

/* What calibration says of a model's vectors. */
typedef struct {
    psti_arena arena;
    psti_statistics *input; /* [layers]: of the input of each layer with a matrix */
    psti_statistics *h;     /* [layers]: of each lstm's own h */
    psti_pairs *pairs; /* [layers]: of each lstm's input and its own h of the step before; NULL: all is to nearest */
    float *largest_h;  /* [layers]: h0 included */
    float *feature;    /* [inputs]: 2^-k that even out the ranges of x's features; NULL: they are even enough */
    uint32_t layers;
} psti_calibration;
pst_status psti_calibrate(const pst_model *m, const psti_data *data, const pst_compile_options *o,
                          const psti_stage *stage, psti_calibration *out);
void psti_calibration_free(psti_calibration *c);

/* ---- programs -----------------------------------------------------------------------------------------------------
 */

/* How to make a program: the recipe of each layer, what calibration says (NULL: nothing), and whether weights are
 * rounded by it. */
typedef struct {
    const psti_recipe *recipes;         /* [layers] */
    const char *format, *layer_formats; /* as pst_info calls it; the latter may be NULL */
    const psti_calibration *calibration;
    int nearest;
} psti_plan;
pst_status psti_build(const pst_model *m, const psti_plan *plan, const psti_stage *stage, pst_program **out);
/* The recipes of the options, one a layer, from psti_allocate. */
pst_status psti_recipes(const pst_model *m, const char *format, const char *layer_formats, uint32_t group,
                        psti_recipe **out);
/* Whether anything is held as integers: floats take nothing from a calibration. */
int psti_has_integers(const psti_recipe *recipes, uint32_t layers);

/* ---- certificates -------------------------------------------------------------------------------------------------
 */

/* Runs the program on this host over a trial and compares. */
pst_status psti_certify(const pst_program *p, const psti_trial *t, const char *level, const psti_stage *stage,
                        pst_certificate *out);
/* The program's own certificate over `first`, and one more over held_back, which may be NULL. */
pst_status psti_certify_both(pst_program *p, const psti_trial *first, const psti_trial *held_back, const char *level,
                             const psti_stage *stage);
/* The errors of a y that never moves from its mean; rms is then how much y moves. */
pst_status psti_constant_errors(const psti_trial *t, uint32_t outputs, double *rms, double *max_abs);
/* PST_E_TOLERANCE if the options' tolerance is missed. */
pst_status psti_check_tolerance(const pst_certificate *c, const pst_compile_options *o);
/* Adds one to those over other inputs. */
pst_status psti_add_certificate(pst_program *p, const pst_certificate *c);
/* Certificates over steps and first steps; with PST_COMPILE_PROVE over all other inputs, too, and the matrices' errors.
 * `data`: what such inputs are made from; noise: the trial that it is of, if it is noise. */
pst_status psti_prove(const pst_model *m, pst_program *p, const psti_plan *plan, const psti_data *data,
                      const psti_trial *noise, const pst_compile_options *o, const psti_stage *stage);
/* Rms error over a trial of a program that differs from f32 in one matrix of one layer. */
pst_status psti_matrix_error(const pst_model *m, const psti_plan *plan, const psti_trial *t, const char *level,
                             uint32_t layer, int role, double *rms);

/* ---- time ---------------------------------------------------------------------------------------------------------
 */

/* The median time of single steps over the data, spaced and settled, on as many cores as the options say. */
pst_status psti_time_steps(const pst_program *p, const psti_data *data, const pst_compile_options *o, uint32_t steps,
                           double *us);

/* ---- the search ---------------------------------------------------------------------------------------------------
 */

/* "auto": the fastest format here that holds the options' tolerance over both trials, certified. */
pst_status psti_search(const pst_model *m, const psti_calibration *c, const psti_trial *first,
                       const psti_trial *held_back, const pst_compile_options *o, const psti_stage *stage,
                       psti_recipe *recipes, pst_program **out);

#endif
