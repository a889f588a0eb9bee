/* Softmax over all features, in float64. */
#include "reference/reference.h"

#include <math.h>

/* The largest feature is subtracted first: the quotient is the same, exp cannot overflow and the sum is at least 1. */
static void softmax_step(const psti_layer *layer, const double *x, double *state, double *scratch, double *y) {
    (void)state;
    (void)scratch;
    double largest = x[0], sum = 0;
    for (size_t k = 1; k < layer->outputs; k++)
        largest = x[k] > largest ? x[k] : largest;
    for (size_t k = 0; k < layer->outputs; k++) {
        y[k] = exp(x[k] - largest);
        sum += y[k];
    }
    for (size_t k = 0; k < layer->outputs; k++)
        y[k] /= sum;
}

const psti_reference_kind psti_reference_kind_softmax = {NULL, NULL, softmax_step};
