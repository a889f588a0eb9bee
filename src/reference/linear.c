/* Linear in float64: y = W x + b. */
#include "reference/reference.h"

static void linear_step(const psti_layer *layer, const double *x, double *state, double *scratch, double *y) {
    (void)state;
    (void)scratch;
    psti_reference_product(layer->tensor[PSTI_LINEAR_WEIGHT], layer->outputs, layer->inputs, x,
                           layer->tensor[PSTI_LINEAR_BIAS], y);
}

const psti_reference_kind psti_reference_kind_linear = {NULL, NULL, linear_step};
