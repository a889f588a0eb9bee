/* The lstm layer: torch.nn.LSTM's equations, gates in the order i, f, g, o. */
#include "model/model.h"

static const psti_tensor_rule tensors[PSTI_LSTM_TENSORS] = {
    [PSTI_LSTM_W_IH] = {"weight_ih", 1, 2, 4, 'n'},
    [PSTI_LSTM_W_HH] = {"weight_hh", 1, 2, 4, 'H'},
    [PSTI_LSTM_B_IH] = {"bias_ih", 0, 1, 4, 0},
    [PSTI_LSTM_B_HH] = {"bias_hh", 0, 1, 4, 0},
    [PSTI_LSTM_H0] = {"h0", 0, 1, 1, 0},
    [PSTI_LSTM_C0] = {"c0", 0, 1, 1, 0},
};

/* PyTorch counts weights and biases; an initial state is no parameter. */
static pst_status finish(psti_layer *layer, const psti_making *making) {
    (void)making;
    uint64_t rows = 4 * (uint64_t)layer->outputs;
    uint64_t biases = (layer->tensor[PSTI_LSTM_B_IH] != NULL) + (uint64_t)(layer->tensor[PSTI_LSTM_B_HH] != NULL);
    layer->parameters = rows * ((uint64_t)layer->inputs + layer->outputs + biases);
    return PST_OK;
}

const psti_kind psti_kind_lstm = {
    .name = "lstm", .tensors = tensors, .tensor_count = PSTI_LSTM_TENSORS, .finish = finish};
