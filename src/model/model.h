/* A model: layers with fp32 weights and an initial state, immutable after psti_model_make. */
#ifndef PSTI_MODEL_MODEL_H
#define PSTI_MODEL_MODEL_H

#include <stdint.h>

#include "base/memory.h"
#include "penstock.h"

#define PSTI_KIND(name) PSTI_KIND_##name,
enum { /* kinds.def */
#include "model/kinds.def"
       PSTI_KINDS
};
#undef PSTI_KIND

#define PSTI_ACTIVATION(name, alpha, beta) PSTI_ACTIVATION_##name,
enum { /* activations.def */
#include "model/activations.def"
       PSTI_ACTIVATIONS
};
#undef PSTI_ACTIVATION

/* Which outputs the source of a model gives. The numbers stand in .pstk files and never change. */
enum { PSTI_READOUT_ALL, PSTI_READOUT_LAST, PSTI_READOUTS };

/* Limits, checked when a model is made. */
#define PSTI_MAX_WIDTH 65536    /* inputs or units of a layer: keeps integer sums in int32 (docs/numerics.md) */
#define PSTI_MAX_LAYERS 1024    /* of all kinds */
#define PSTI_MAX_WEIGHT 0x1p40f /* magnitude of any weight */

/* Indices of psti_layer.tensor. */
enum { PSTI_LSTM_W_IH, PSTI_LSTM_W_HH, PSTI_LSTM_B_IH, PSTI_LSTM_B_HH, PSTI_LSTM_H0, PSTI_LSTM_C0, PSTI_LSTM_TENSORS };
enum { PSTI_LINEAR_WEIGHT, PSTI_LINEAR_BIAS, PSTI_LINEAR_TENSORS };
#define PSTI_MAX_TENSORS 8

typedef struct {
    int kind;                              /* PSTI_KIND_... */
    int function;                          /* PSTI_ACTIVATION_..., of an activation */
    uint32_t inputs, outputs;              /* outputs of an lstm: its units H */
    const float *tensor[PSTI_MAX_TENSORS]; /* C order, by the kind's index; NULL where absent (zeros) */
    uint64_t shape[PSTI_MAX_TENSORS][2];   /* of these; rank 1 uses only the first */
    float alpha, beta; /* of an activation, after defaults; as the engine and the reference use them */
    uint64_t parameters;
} psti_layer;

struct pst_model {
    psti_arena arena;
    uint32_t count;
    psti_layer *layers;
    uint32_t inputs, outputs;
    uint64_t parameters;
    int readout; /* PSTI_READOUT_... */
};

/* One tensor a kind takes. Dimensions are symbols: n inputs, H outputs. rank 1 uses only the first. */
typedef struct {
    const char *name;
    int required;
    int rank;
    int rows_of_outputs; /* shape[0] = this * H */
    char columns;        /* shape[1]: 'n' or 'H'; 0 for rank 1 */
} psti_tensor_rule;

/* Where the tensors of a model came from, for messages. names[layer][tensor] runs parallel to the layers as given. */
typedef struct {
    const char *file; /* NULL: bytes in memory */
    const char *const *const *names;
} psti_origin;

typedef struct psti_making psti_making; /* model/make.h */

/* What the model stage knows of a kind. */
typedef struct {
    const char *name;
    const psti_tensor_rule *tensors;
    size_t tensor_count;
    /* Finishes a layer whose tensors, inputs and outputs are in place; NULL where nothing is left to do. */
    pst_status (*finish)(psti_layer *layer, const psti_making *making);
    int keeps_width;    /* outputs = inputs, takes no tensors, needs a layer below */
    int takes_function; /* and attributes; the others take neither */
    int only_last;
} psti_kind;

#define PSTI_KIND(name) extern const psti_kind psti_kind_##name;
#include "model/kinds.def"
#undef PSTI_KIND

extern const psti_kind *const psti_kinds[PSTI_KINDS];
extern const char *const psti_activation_names[PSTI_ACTIVATIONS];
extern const char *const psti_attribute_names[2]; /* alpha, beta */
extern const char *const psti_readout_names[PSTI_READOUTS];

/* The kind (activation function, readout) of that name, or -1. */
int psti_kind_find(const char *name);
int psti_activation_find(const char *name);
int psti_readout_find(const char *name);
/* The index of the tensor of that name that layers of a kind may have, or -1. */
int psti_kind_tensor(const psti_kind *kind, const char *name);
/* Whether an activation function takes attribute `which`: 0 alpha, 1 beta. */
int psti_activation_takes(int function, int which);

/* pst_model_create, with the origin of the tensors for its messages (NULL: the caller's memory). */
pst_status psti_model_make(const pst_layer *const *layers, size_t count, int readout, const psti_origin *origin,
                           pst_model **out);

#endif
