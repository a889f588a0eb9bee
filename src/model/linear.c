/* The linear layer: y = W x + b. */
#include "model/model.h"

static const psti_tensor_rule tensors[PSTI_LINEAR_TENSORS] = {
    [PSTI_LINEAR_WEIGHT] = {"weight", 1, 2, 1, 'n'},
    [PSTI_LINEAR_BIAS] = {"bias", 0, 1, 1, 0},
};

static pst_status finish(psti_layer *layer, const psti_making *making) {
    (void)making;
    layer->parameters =
        layer->outputs * ((uint64_t)layer->inputs + (uint64_t)(layer->tensor[PSTI_LINEAR_BIAS] != NULL));
    return PST_OK;
}

const psti_kind psti_kind_linear = {
    .name = "linear", .tensors = tensors, .tensor_count = PSTI_LINEAR_TENSORS, .finish = finish};
