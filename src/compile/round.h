/* Rounding a matrix to integer codes: to the nearest, or so that its product over a calibration changes least. */
#ifndef PSTI_COMPILE_ROUND_H
#define PSTI_COMPILE_ROUND_H

#include "format/format.h"

/* A matrix in codes of a grid (format.h). */
typedef struct {
    uint32_t rows, inputs, groups; /* groups: at least 1 */
    int8_t *code;                  /* [rows][inputs] */
    uint8_t *multiplier;           /* [rows][groups] */
    float *scale;                  /* [rows], at least 2^-40 */
    /* Mean square of the products' errors over the calibration, summed over rows; both 0 without one. The nearest
     * codes' has the error of the mean in it, which a bias correction takes away. */
    double error_nearest, error;
    psti_arena arena;
} psti_rounded;

/* Each row as psti_nearest_row has it. Weights are finite, at most 2^40. Here and below, *out needs no initialisation
 * and is to be freed whatever the answer, and the rounding mode is to be to nearest. */
pst_status psti_round_nearest(const psti_grid *grid, const float *w, uint32_t rows, uint32_t inputs, psti_rounded *out);

/* Codes with a small e^T covariance e, e a row's error: never a larger one than the nearest codes'. covariance:
 * [inputs][inputs], or NULL: then from variance [inputs], as if inputs were independent. mean: [inputs].
 * bias_correction: [rows], what a row's bias must have added for its mean product to stay. */
pst_status psti_round_calibrated(const psti_grid *grid, const float *w, uint32_t rows, uint32_t inputs,
                                 const double *covariance, const double *variance, const double *mean,
                                 psti_rounded *out, double *bias_correction);
void psti_rounded_free(psti_rounded *r);

#endif
