/* Activation functions in float64, as PyTorch defines them; alpha and beta are the layer's, in fp32. */
#include "reference/reference.h"

#include <math.h>

typedef double function(double v, double alpha, double beta);

static double f_relu(double v, double alpha, double beta) {
    (void)alpha;
    (void)beta;
    return v > 0 ? v : 0.0;
}

static double f_leaky_relu(double v, double alpha, double beta) {
    (void)beta;
    return v > 0 ? v : alpha * v;
}

static double f_elu(double v, double alpha, double beta) {
    (void)beta;
    return v > 0 ? v : alpha * expm1(v);
}

static double f_tanh(double v, double alpha, double beta) {
    (void)alpha;
    (void)beta;
    return tanh(v);
}

static double f_sigmoid(double v, double alpha, double beta) {
    (void)alpha;
    (void)beta;
    return 1.0 / (1.0 + exp(-v));
}

static double f_clip(double v, double alpha, double beta) {
    return v < alpha ? alpha : v > beta ? beta : v;
}

static double f_hard_sigmoid(double v, double alpha, double beta) {
    return f_clip(alpha * v + beta, 0.0, 1.0);
}

static double f_silu(double v, double alpha, double beta) {
    (void)alpha;
    (void)beta;
    return v / (1.0 + exp(-v));
}

/* v (1 + erf(v / sqrt 2)) / 2, written with erfc because the sum cancels below zero. */
static double f_gelu(double v, double alpha, double beta) {
    (void)alpha;
    (void)beta;
    return 0.5 * v * erfc(-v * 0.70710678118654752440);
}

/* v (1 + tanh u) / 2 with u = sqrt(2 / pi) (v + 0.044715 v^3), written as v / (1 + exp(-2 u)), which does not cancel.
 */
static double f_gelu_tanh(double v, double alpha, double beta) {
    (void)alpha;
    (void)beta;
    double u = 0.79788456080286535588 * (v + 0.044715 * v * v * v);
    return v / (1.0 + exp(-2.0 * u));
}

/* log(1 + exp(v)) for every v. PyTorch goes over to v itself above 20, where the two differ by 2e-9 at most. */
static double f_softplus(double v, double alpha, double beta) {
    (void)alpha;
    (void)beta;
    return (v > 0 ? v : 0.0) + log1p(exp(-fabs(v)));
}

#define PSTI_ACTIVATION(name, alpha, beta) f_##name,
static function *const functions[PSTI_ACTIVATIONS] = {
#include "model/activations.def"
};
#undef PSTI_ACTIVATION

static void activation_step(const psti_layer *layer, const double *x, double *state, double *scratch, double *y) {
    (void)state;
    (void)scratch;
    function *f = functions[layer->function];
    for (size_t k = 0; k < layer->outputs; k++)
        y[k] = f(x[k], (double)layer->alpha, (double)layer->beta);
}

const psti_reference_kind psti_reference_kind_activation = {NULL, NULL, activation_step};
