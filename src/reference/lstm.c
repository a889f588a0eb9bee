/* LSTM in float64: torch.nn.LSTM's equations, gates in the order i, f, g, o.
 *
 *     a = W_ih x + b_ih + W_hh h + b_hh       4H sums: a_i, a_f, a_g, a_o
 *     c = sigmoid(a_f) c + sigmoid(a_i) tanh(a_g)
 *     h = sigmoid(a_o) tanh(c)                also the output */
#include "reference/reference.h"

#include <math.h>
#include <string.h>

/* The state is h [H], then c [H], then room for the recurrent sums [4H]. */
static size_t lstm_state(const psti_layer *layer) {
    return 6 * (size_t)layer->outputs;
}

static void load(const float *from, size_t n, double *to) {
    for (size_t k = 0; k < n; k++)
        to[k] = from ? (double)from[k] : 0.0;
}

static void lstm_reset(const psti_layer *layer, double *state) {
    load(layer->tensor[PSTI_LSTM_H0], layer->outputs, state);
    load(layer->tensor[PSTI_LSTM_C0], layer->outputs, state + layer->outputs);
}

static double sigmoid(double v) {
    return 1.0 / (1.0 + exp(-v));
}

static void lstm_step(const psti_layer *layer, const double *x, double *state, double *scratch, double *y) {
    size_t units = layer->outputs;
    double *h = state, *c = state + units, *recurrent = state + 2 * units, *gates = scratch;

    psti_reference_product(layer->tensor[PSTI_LSTM_W_IH], 4 * units, layer->inputs, x, layer->tensor[PSTI_LSTM_B_IH],
                           gates);
    psti_reference_product(layer->tensor[PSTI_LSTM_W_HH], 4 * units, units, h, layer->tensor[PSTI_LSTM_B_HH],
                           recurrent);
    for (size_t k = 0; k < 4 * units; k++)
        gates[k] += recurrent[k];
    for (size_t k = 0; k < units; k++) {
        double in = sigmoid(gates[k]), forget = sigmoid(gates[units + k]);
        double candidate = tanh(gates[2 * units + k]), out = sigmoid(gates[3 * units + k]);
        c[k] = forget * c[k] + in * candidate;
        h[k] = out * tanh(c[k]);
    }
    memcpy(y, h, units * sizeof *y);
}

const psti_reference_kind psti_reference_kind_lstm = {lstm_state, lstm_reset, lstm_step};
