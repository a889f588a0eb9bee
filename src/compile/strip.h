/* A strip: some rows of a matrix side by side, rounded together, so that each operation on an input is one on a vector
 * of rows, and what the rows need of the form is read once for all of them. */
#ifndef PSTI_COMPILE_STRIP_H
#define PSTI_COMPILE_STRIP_H

#include "compile/form.h"
#include "compile/lattice.h"
#include "compile/round.h"

#define PSTI_STRIP 32 /* rows */

/* Inputs are by place of the form. A row's error is its rounded weights less its weights. */
typedef struct {
    const psti_form *form;
    psti_lattice lattice;
    uint32_t groups, group;     /* group: inputs of one */
    float *w, *code, *error;    /* [inputs][PSTI_STRIP] */
    float *target;              /* [inputs][PSTI_STRIP] of a weight, given the errors before it; then the gradient */
    float *change;              /* [a batch][PSTI_STRIP] */
    float *step, *largest_step; /* [groups][PSTI_STRIP]; a step of 0: all weights of the group are to be 0 */
    float *per_step;            /* [groups][PSTI_STRIP] 1 / step, or 0 */
    psti_arena arena;
} psti_strip;

pst_status psti_strip_open(psti_strip *out, const psti_form *form, const psti_grid *grid, uint32_t groups,
                           uint32_t group);
void psti_strip_free(psti_strip *s);

/* Takes rows [rows][inputs]; those missing from a whole strip are zeros. */
void psti_strip_load(psti_strip *s, const psti_grid *grid, const float *w, uint32_t rows);
/* Sets `step` to what gives the least error of the group's weights, each taken to its nearest code. */
void psti_strip_search(psti_strip *s);
/* Takes `step` as it stands from now on. */
void psti_strip_settle(psti_strip *s);
/* Takes codes [rows][inputs] as they are. */
void psti_strip_take(psti_strip *s, const int8_t *code, uint32_t rows);
/* Rounds one input after the other, those to come making up for the error. */
void psti_strip_round(psti_strip *s);
/* e^T covariance e of each row, in the form's unit; leaves the gradient for psti_strip_descend. */
void psti_strip_measure(psti_strip *s, double *error);
/* Once over all inputs, each code set to the best one, given the others. 0 if that changed none. */
int psti_strip_descend(psti_strip *s);

#endif
