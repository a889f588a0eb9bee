/* Models by name: see models.h. */
#include "lab/models.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lab/error.h"
#include "lab/noise.h"

/* tiny to med_deep are the seed's benchmark, large the newest one's; stac_a to stac_c have the shapes of STAC-ML's LSTM
 * models, of which only the shapes are public, and are stepped here, not run over its windows: no figure is a STAC
 * result. */
const lab_shape lab_shapes[] = {
    {"tiny", 2, 128, 128, 32},     {"small", 3, 256, 256, 32},  {"med", 3, 480, 480, 32},
    {"med_deep", 6, 320, 320, 32}, {"large", 3, 960, 960, 32},  {"stac_a", 2, 100, 100, 1},
    {"stac_b", 3, 200, 250, 1},    {"stac_c", 4, 1000, 500, 1}, {0},
};

const lab_shape *lab_shape_find(const char *name) {
    for (const lab_shape *s = lab_shapes; s->name; s++)
        if (strcmp(s->name, name) == 0)
            return s;
    return NULL;
}

enum { LSTM_TENSORS = 4, LINEAR_TENSORS = 2 };

/* A layer with what it points to. */
typedef struct {
    pst_layer layer;
    pst_tensor tensor[LSTM_TENSORS];
    const pst_tensor *pointer[LSTM_TENSORS];
    uint64_t shape[LSTM_TENSORS][2];
    float *values;
} built;

static int build(built *b, const char *kind, uint32_t inputs, uint32_t outputs, lab_noise *noise) {
    static const char *const names[2][LSTM_TENSORS] = {{"weight_ih", "weight_hh", "bias_ih", "bias_hh"},
                                                       {"weight", "bias"}};
    const int linear = strcmp(kind, "linear") == 0;
    const uint64_t rows = linear ? outputs : (uint64_t)4 * outputs;
    const uint64_t shapes[2][LSTM_TENSORS][2] = {{{rows, inputs}, {rows, outputs}, {rows, 0}, {rows, 0}},
                                                 {{rows, inputs}, {rows, 0}}};
    const size_t count = linear ? LINEAR_TENSORS : LSTM_TENSORS;
    const size_t total = linear ? rows * (inputs + 1) : rows * ((size_t)inputs + outputs + 2);
    PST_INIT(b->layer);
    b->layer.kind = kind;
    b->layer.tensors = b->pointer;
    b->layer.tensor_count = count;
    b->values = malloc(total * sizeof *b->values);
    if (!b->values)
        return lab_fail_memory();
    lab_noise_uniform(noise, 1 / sqrt(linear ? inputs : outputs), b->values, total);
    float *values = b->values;
    for (size_t i = 0; i < count; i++) {
        const uint64_t *shape = shapes[linear][i];
        memcpy(b->shape[i], shape, sizeof b->shape[i]);
        PST_INIT(b->tensor[i]);
        b->tensor[i].name = names[linear][i];
        b->tensor[i].dtype = PST_F32;
        b->tensor[i].rank = shape[1] ? 2 : 1;
        b->tensor[i].shape = b->shape[i];
        b->tensor[i].data = values;
        b->pointer[i] = &b->tensor[i];
        values += shape[0] * (shape[1] ? shape[1] : 1);
    }
    return 0;
}

int lab_model_create(const lab_shape *shape, uint64_t seed, pst_model **out) {
    const size_t count = (size_t)shape->layers + 1;
    built *layers = calloc(count, sizeof *layers);
    const pst_layer **pointers = calloc(count, sizeof *pointers);
    lab_noise noise;
    int result = layers && pointers ? 0 : lab_fail_memory();
    lab_noise_seed(&noise, seed, LAB_NOISE_WEIGHTS);
    for (size_t i = 0; i < count && !result; i++) {
        int last = i + 1 == count;
        result = build(&layers[i], last ? "linear" : "lstm", i ? shape->hidden : shape->input,
                       last ? shape->output : shape->hidden, &noise);
        pointers[i] = &layers[i].layer;
    }
    if (!result && pst_model_create(pointers, count, NULL, out) != PST_OK)
        result = lab_fail_library(shape->name);
    for (size_t i = 0; layers && i < count; i++)
        free(layers[i].values);
    free(layers);
    free(pointers);
    return result;
}
