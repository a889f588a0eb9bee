/* Refitting W_hh: what W_ih loses to its codes is made up for by W_hh, as far as h(t-1) tells of x(t). */
#ifndef PSTI_COMPILE_REFIT_H
#define PSTI_COMPILE_REFIT_H

#include <stdint.h>

#include "base/memory.h"
#include "penstock.h"

#define PSTI_MOST_REFIT 2048 /* inputs, and units */

/* What a calibration says of a layer's input x(t) and its own h(t-1): sums over pairs of them, and of x(t-1) with the
 * same h, the first and the second half of all pairs apart. */
typedef struct {
    uint32_t inputs, units;
    struct psti_pair_sums *sums; /* NULL: not kept */
} psti_pairs;

/* For `expected` pairs. Above PSTI_MOST_REFIT inputs or units nothing is kept, and adding does nothing. *out needs no
 * initialisation and is to be freed whatever the answer. */
pst_status psti_pairs_open(uint32_t inputs, uint32_t units, uint64_t expected, psti_pairs *out);
/* x [inputs] of a step; h [units] of the step before, or h0; x of the step before, or NULL where there is none: finite.
 */
void psti_pairs_add(psti_pairs *p, const float *x, const float *h, const float *earlier);
/* Once all are added, before the fit. */
void psti_pairs_finish(psti_pairs *p);
void psti_pairs_free(psti_pairs *p);

/* Adds to w_hh [rows][units] the D that makes up best for left x, left [rows][inputs] being what is missing from W_ih,
 * and takes from correction [rows] what D adds to the mean of each row's product. rho [inputs]: x's lag-1 coefficients.
 * How far D follows the calibration, and whether by way of x(t-1), is found by fitting each half and judging by the
 * other; nothing is changed where no D helps there. *ridge: the one chosen, in mean variances of h, for half the pairs;
 * INFINITY: none. May be NULL. */
pst_status psti_refit(const psti_pairs *p, const double *rho, const float *left, uint32_t rows, float *w_hh,
                      double *correction, double *ridge);

#endif
