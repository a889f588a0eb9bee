/* A quadratic form, the covariance of a matrix's input, made ready for rounding rows so that it stays small. */
#ifndef PSTI_COMPILE_FORM_H
#define PSTI_COMPILE_FORM_H

#include <stddef.h>
#include <stdint.h>

#include "base/memory.h"
#include "penstock.h"

/* Inputs stand in the order of falling variance: what is rounded last has nothing left to make up for its error, so
 * that should be what matters least. */
typedef struct {
    uint32_t inputs;
    size_t stride;
    uint32_t *order;   /* [inputs] the input at each place */
    uint32_t *place;   /* [inputs] the place of each input */
    double unit;       /* the mean variance; all below are in it, so that nothing overflows in fp32 */
    float *variance;   /* [inputs] by place */
    float *inverse;    /* [inputs] 1 / variance, 0 where there is none to speak of */
    float *covariance; /* [inputs][stride] by place; NULL if only variances are known */
    float *feedback;   /* [inputs][stride], below the diagonal: what the errors before a place add to its target */
    psti_arena arena;
} psti_form;

#define PSTI_DAMPING 1e-3f /* of the mean variance, added to each: keeps what never moved from dividing by 0 */

/* covariance [inputs][inputs], or NULL and variance [inputs]. To be freed whatever the answer. */
pst_status psti_form_open(psti_form *out, uint32_t inputs, const double *covariance, const double *variance);
void psti_form_free(psti_form *f);

#endif
