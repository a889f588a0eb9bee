/* The models that bench knows by name: a stack of LSTMs, then a Linear, with the weights that PyTorch starts from. */
#ifndef LAB_MODELS_H
#define LAB_MODELS_H

#include "penstock.h"

typedef struct {
    const char *name;
    uint32_t layers, hidden, input, output;
} lab_shape;

/* All of them, ended by one without a name. */
extern const lab_shape lab_shapes[];
/* NULL if there is none of that name. */
const lab_shape *lab_shape_find(const char *name);
/* Weights and biases are uniform within 1/sqrt(hidden) in an LSTM and within 1/sqrt(inputs) in a Linear, which is what
 * torch.nn.LSTM and torch.nn.Linear draw by default. */
int lab_model_create(const lab_shape *shape, uint64_t seed, pst_model **out);

#endif
