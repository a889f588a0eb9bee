/* Seeded random models over penstock.h alone, and noise: for every test that needs a model but not a particular one. */
#ifndef TESTS_SUPPORT_MODEL_H
#define TESTS_SUPPORT_MODEL_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "penstock.h"

/* ---- noise: splitmix64, the same on every machine -----------------------------------------------------------------
 */

typedef struct {
    uint64_t state;
} model_noise;

static inline uint64_t model_next(model_noise *n) {
    uint64_t z = n->state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* One of 0 .. count - 1. */
static inline uint32_t model_choose(model_noise *n, uint32_t count) {
    return (uint32_t)(model_next(n) >> 32) % count;
}

/* Uniform in [-width, width). */
static inline float model_uniform(model_noise *n, double width) {
    return (float)(width * ((double)(model_next(n) >> 11) * 0x1p-52 - 1));
}

static inline float model_normal(model_noise *n) {
    double u = ((double)(model_next(n) >> 11) + 0.5) * 0x1p-53, v = (double)(model_next(n) >> 11) * 0x1p-53;
    return (float)(sqrt(-2 * log(u)) * cos(6.283185307179586 * v));
}

/* count values from malloc: normal. The caller frees them. */
static inline float *model_normals(uint64_t seed, size_t count) {
    model_noise noise = {seed};
    float *v = malloc((count ? count : 1) * sizeof *v);
    for (size_t i = 0; v && i < count; i++)
        v[i] = model_normal(&noise);
    return v;
}

/* ---- models -------------------------------------------------------------------------------------------------------
 */

/* One layer to make. */
typedef struct {
    const char *kind;     /* lstm, linear, activation, softmax */
    uint32_t outputs;     /* of an lstm or linear */
    const char *function; /* of an activation */
    double alpha, beta;   /* of an activation; NAN where it takes none or its default is wanted */
    int state;            /* an lstm with h0 and c0 */
    int bare;             /* without biases */
} model_part;

#define MODEL_LSTM(units)                                                                                              \
    { "lstm", units, NULL, NAN, NAN, 0, 0 }
#define MODEL_LSTM_STATE(units)                                                                                        \
    { "lstm", units, NULL, NAN, NAN, 1, 0 }
#define MODEL_LINEAR(units)                                                                                            \
    { "linear", units, NULL, NAN, NAN, 0, 0 }
#define MODEL_ACTIVATION(name)                                                                                         \
    { "activation", 0, name, NAN, NAN, 0, 0 }
#define MODEL_CLIP(lowest, highest)                                                                                    \
    { "activation", 0, "clip", lowest, highest, 0, 0 }
#define MODEL_SOFTMAX                                                                                                  \
    { "softmax", 0, NULL, NAN, NAN, 0, 0 }

enum { MODEL_PARTS = 12 }; /* layers of a random model at most */

static inline void model_die(const char *call) {
    pst_error e;
    PST_INIT(e);
    pst_last_error(&e);
    fprintf(stderr, "%s: %s: %s\n", call, pst_status_name(e.status), e.message ? e.message : "no message");
    abort();
}

/* Tensor `name` of a layer with n inputs and H units: its shape; 0 if it is left out. */
static inline int model_shape(const model_part *part, const char *name, uint64_t n, uint64_t shape[2]) {
    uint64_t rows = strcmp(part->kind, "lstm") == 0 ? 4 * (uint64_t)part->outputs : part->outputs;
    int bias = strncmp(name, "bias", 4) == 0, initial = name[1] == '0';
    shape[0] = initial ? part->outputs : rows;
    shape[1] = strcmp(name, "weight_hh") == 0 ? part->outputs : n;
    if ((bias && part->bare) || (initial && !part->state))
        return 0;
    return bias || initial ? 1 : 2;
}

/* The model of these parts; weights uniform in +-gain / sqrt(inputs of the product), h0 within +-0.9, c0 within +-2.
 * Aborts with a line on stderr where Penstock refuses it. */
static inline pst_model *model_make(uint32_t inputs, const model_part *parts, size_t count, uint64_t seed,
                                    double gain) {
    static const char *const lstm_names[] = {"weight_ih", "weight_hh", "bias_ih", "bias_hh", "h0", "c0"};
    static const char *const linear_names[] = {"weight", "bias"};
    static const char *const attribute_names[] = {"alpha", "beta"};
    enum { TENSORS = 6 };
    struct {
        pst_layer layer;
        pst_tensor tensor[TENSORS];
        const pst_tensor *tensors[TENSORS];
        uint64_t shape[TENSORS][2];
        pst_attribute attribute[2];
        const pst_attribute *attributes[2];
    } *made = calloc(count, sizeof *made);
    const pst_layer **layers = calloc(count, sizeof *layers);
    model_noise noise = {seed};
    uint32_t width = inputs;
    pst_model *m = NULL;
    if (!made || !layers)
        abort();
    for (size_t i = 0; i < count; i++) {
        const model_part *part = &parts[i];
        int lstm = strcmp(part->kind, "lstm") == 0, linear = strcmp(part->kind, "linear") == 0;
        pst_layer *layer = &made[i].layer;
        PST_INIT(*layer);
        layer->kind = part->kind;
        layer->function = part->function;
        layer->tensors = made[i].tensors;
        layer->attributes = made[i].attributes;
        for (int t = 0; t < (lstm ? 6 : linear ? 2 : 0); t++) {
            pst_tensor *tensor = &made[i].tensor[layer->tensor_count];
            uint64_t *shape = made[i].shape[layer->tensor_count];
            PST_INIT(*tensor);
            tensor->name = lstm ? lstm_names[t] : linear_names[t];
            tensor->shape = shape;
            tensor->rank = model_shape(part, tensor->name, width, shape);
            if (!tensor->rank)
                continue;
            size_t values = (size_t)shape[0] * (tensor->rank == 2 ? (size_t)shape[1] : 1);
            double most = gain / sqrt(tensor->rank == 2 ? (double)shape[1] : (double)part->outputs);
            if (tensor->name[1] == '0')
                most = tensor->name[0] == 'h' ? 0.9 : 2.0;
            float *data = malloc(values * sizeof *data);
            for (size_t k = 0; data && k < values; k++)
                data[k] = model_uniform(&noise, most);
            tensor->data = data;
            made[i].tensors[layer->tensor_count++] = tensor;
        }
        for (int a = 0; a < 2 && part->function; a++) {
            double value = a ? part->beta : part->alpha;
            if (isnan(value))
                continue;
            pst_attribute *attribute = &made[i].attribute[layer->attribute_count];
            PST_INIT(*attribute);
            attribute->name = attribute_names[a];
            attribute->value = value;
            made[i].attributes[layer->attribute_count++] = attribute;
        }
        layers[i] = layer;
        width = part->outputs ? part->outputs : width;
    }
    if (pst_model_create(layers, count, NULL, &m))
        model_die("pst_model_create");
    for (size_t i = 0; i < count; i++)
        for (size_t t = 0; t < made[i].layer.tensor_count; t++)
            free((void *)(uintptr_t)made[i].tensor[t].data);
    free(layers);
    free(made);
    return m;
}

static const char *const model_functions[] = {"relu", "leaky_relu", "elu",  "tanh",      "sigmoid", "hard_sigmoid",
                                              "clip", "silu",       "gelu", "gelu_tanh", "softplus"};
enum { MODEL_FUNCTIONS = sizeof model_functions / sizeof *model_functions };

static const char *const model_formats[] = {"f32", "bf16", "w8a16", "w8a8"};
enum { MODEL_FORMATS = sizeof model_formats / sizeof *model_formats };

/* Those, and the formats of fewer bits and with rests, alone and mixed: by roles, and with another one for layer 0. */
typedef struct {
    const char *format, *layers;
} model_held;
static const model_held model_every[] = {
    {"f32", NULL},
    {"bf16", NULL},
    {"w8a16", NULL},
    {"w8a8", NULL},
    {"w4r", NULL},
    {"w2r", NULL},
    {"w8r", NULL},
    {"ih=w6r,hh=w16a16,linear=w4a16", NULL},
    {"ih=w3r,hh=w4a8,linear=w2a8", NULL},
    {"w6a16", "0=w3a8"},
    {"ih=w4a16,hh=w6a16,linear=w3a8", "0=ih=w4a8,hh=w2a8,linear=w6a16"},
    {"ih=w2a8,hh=bf16,linear=f32", "0=w4r"},
    {"bf16", "0=ih=w8r,hh=w3a8,linear=w8a8"},
};
enum { MODEL_EVERY = sizeof model_every / sizeof *model_every };
/* Whether a test that goes through many models takes number f of these with model `seed`: the first four always, of the
 * others every third. */
static inline int model_takes(int f, uint64_t seed) {
    return f < MODEL_FORMATS || ((uint64_t)f + seed) % 3 == 0;
}

static inline model_part model_activation(model_noise *noise) {
    model_part part = MODEL_ACTIVATION(model_functions[model_choose(noise, MODEL_FUNCTIONS)]);
    int settable = strcmp(part.function, "leaky_relu") == 0 || strcmp(part.function, "elu") == 0 ||
                   strcmp(part.function, "hard_sigmoid") == 0;
    if (strcmp(part.function, "clip") == 0) {
        part.alpha = (double)model_uniform(noise, 0.5) - 0.5;
        part.beta = (double)model_uniform(noise, 0.5) + 0.5;
    } else if (settable && model_choose(noise, 2)) {
        part.alpha = (double)model_uniform(noise, 0.8);
    }
    return part;
}

/* A random architecture: lstm and linear of any sizes in any order (at least one of them, `widest` units at most),
 * activations behind some, sometimes a softmax at the end. Returns the number of parts. */
static inline size_t model_draw(uint64_t seed, uint32_t widest, model_part parts[MODEL_PARTS], uint32_t *inputs) {
    model_noise noise = {seed};
    size_t count = 0, bodies = 1 + model_choose(&noise, 4);
    *inputs = 1 + model_choose(&noise, widest);
    for (size_t i = 0; i < bodies; i++) {
        uint32_t units = 1 + model_choose(&noise, widest);
        if (model_choose(&noise, 3) == 0)
            units = (units + 15) / 16 * 16;
        model_part part = MODEL_LSTM(units);
        if (i && model_choose(&noise, 3) == 0)
            part.kind = "linear";
        else
            part.state = (int)model_choose(&noise, 2);
        part.bare = model_choose(&noise, 5) == 0;
        parts[count++] = part;
        if (model_choose(&noise, 2))
            parts[count++] = model_activation(&noise);
    }
    if (model_choose(&noise, 4) == 0) {
        model_part part = MODEL_SOFTMAX;
        parts[count++] = part;
    }
    return count;
}

/* A random model, by its seed. */
static inline pst_model *model_random(uint64_t seed, uint32_t widest) {
    model_part parts[MODEL_PARTS];
    uint32_t inputs;
    size_t count = model_draw(seed, widest, parts, &inputs);
    return model_make(inputs, parts, count, seed + 1, 1.7);
}

/* A program without a certificate. */
static inline pst_program *model_program_held(const pst_model *m, const model_held *held) {
    pst_compile_options o;
    pst_program *p = NULL;
    PST_INIT(o);
    o.format = held->format;
    o.layer_formats = held->layers;
    o.flags = PST_COMPILE_UNCERTIFIED;
    if (pst_compile(m, &o, &p))
        model_die("pst_compile");
    return p;
}

static inline pst_program *model_program(const pst_model *m, const char *format) {
    return model_program_held(m, &(model_held){format, NULL});
}

static inline pst_engine *model_engine(const pst_program *p, const char *level) {
    pst_engine_options o;
    pst_engine *e = NULL;
    PST_INIT(o);
    o.level = level;
    if (pst_engine_open(p, &o, &e))
        model_die("pst_engine_open");
    return e;
}

static inline pst_stream *model_stream(pst_engine *e) {
    pst_stream *s = NULL;
    if (pst_stream_open(e, NULL, &s))
        model_die("pst_stream_open");
    return s;
}

/* Whether what W_ih leaves is added off the path, in any layer. */
static inline int model_has_rest(const pst_program *p) {
    pst_matrix_info matrix;
    PST_INIT(matrix);
    for (uint32_t layer = 0; pst_program_get_matrix(p, layer, 0, &matrix) != PST_E_ARGUMENT || layer < 64; layer++)
        for (uint32_t i = 0; pst_program_get_matrix(p, layer, i, &matrix) == PST_OK; i++)
            if (strcmp(matrix.name, "W_ih rest") == 0)
                return 1;
    return 0;
}

#endif
