/* Layers in memory with little writing, for tests of pst_model_create. */
#ifndef PSTI_TESTS_LAYERS_H
#define PSTI_TESTS_LAYERS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "penstock.h"

enum { MOST_LAYERS = 8, MOST_TENSORS = 8, MOST_ATTRIBUTES = 4 };

/* A chain being built. Everything is public: tests break what they like before make(). */
typedef struct {
    pst_layer layer[MOST_LAYERS];
    const pst_layer *layers[MOST_LAYERS];
    size_t count;
    pst_tensor tensor[MOST_LAYERS][MOST_TENSORS];
    const pst_tensor *tensors[MOST_LAYERS][MOST_TENSORS];
    uint64_t shape[MOST_LAYERS][MOST_TENSORS][3];
    float *data[MOST_LAYERS][MOST_TENSORS];
    pst_attribute attribute[MOST_LAYERS][MOST_ATTRIBUTES];
    const pst_attribute *attributes[MOST_LAYERS][MOST_ATTRIBUTES];
} chain;

/* Appends a layer; returns its index. */
static inline size_t chain_layer(chain *c, const char *kind, const char *function) {
    size_t i = c->count++;
    PST_INIT(c->layer[i]);
    c->layer[i].kind = kind;
    c->layer[i].function = function;
    c->layer[i].tensors = c->tensors[i];
    c->layer[i].attributes = c->attributes[i];
    c->layers[i] = &c->layer[i];
    return i;
}

/* Appends an F32 tensor [rows] (columns 0) or [rows, columns] to the last layer, value k at place k; returns its data.
 */
static inline float *chain_tensor(chain *c, const char *name, uint64_t rows, uint64_t columns) {
    size_t i = c->count - 1, t = c->layer[i].tensor_count++;
    pst_tensor *tensor = &c->tensor[i][t];
    uint64_t n = rows * (columns ? columns : 1);
    PST_INIT(*tensor);
    tensor->name = name;
    tensor->dtype = PST_F32;
    tensor->rank = columns ? 2 : 1;
    tensor->shape = c->shape[i][t];
    c->shape[i][t][0] = rows;
    c->shape[i][t][1] = columns;
    c->data[i][t] = calloc(n + 1, sizeof(float));
    for (uint64_t k = 0; k < n; k++) {
        c->data[i][t][k] = (float)k;
    }
    tensor->data = c->data[i][t];
    c->tensors[i][t] = tensor;
    return c->data[i][t];
}

static inline void chain_attribute(chain *c, const char *name, double value) {
    size_t i = c->count - 1, a = c->layer[i].attribute_count++;
    PST_INIT(c->attribute[i][a]);
    c->attribute[i][a].name = name;
    c->attribute[i][a].value = value;
    c->attributes[i][a] = &c->attribute[i][a];
}

static inline size_t chain_lstm(chain *c, uint64_t inputs, uint64_t units) {
    size_t i = chain_layer(c, "lstm", NULL);
    chain_tensor(c, "weight_ih", 4 * units, inputs);
    chain_tensor(c, "weight_hh", 4 * units, units);
    chain_tensor(c, "bias_ih", 4 * units, 0);
    chain_tensor(c, "bias_hh", 4 * units, 0);
    return i;
}

static inline size_t chain_linear(chain *c, uint64_t inputs, uint64_t outputs) {
    size_t i = chain_layer(c, "linear", NULL);
    chain_tensor(c, "weight", outputs, inputs);
    chain_tensor(c, "bias", outputs, 0);
    return i;
}

static inline void chain_free(chain *c) {
    for (size_t i = 0; i < MOST_LAYERS; i++) {
        for (size_t t = 0; t < MOST_TENSORS; t++) {
            free(c->data[i][t]);
        }
    }
    memset(c, 0, sizeof *c);
}

static inline pst_error last_error(void) {
    pst_error e;
    PST_INIT(e);
    pst_last_error(&e);
    return e;
}

/* Makes the model, which must fail with this status, all of these words in its message (NULL-ended) and *out as it
 * was; frees the chain. */
static inline void chain_refused(chain *c, pst_status status, const char *const *words) {
    pst_model *model = (pst_model *)c;
    pst_status found = pst_model_create(c->layers, c->count, NULL, &model);
    if (found != status) {
        print_message("%s: %s\n", pst_status_name(found), found ? last_error().message : "");
    }
    assert_int_equal(found, status);
    assert_ptr_equal(model, c);
    for (; *words; words++) {
        if (!strstr(last_error().message, *words)) {
            print_message("\"%s\" is not in: %s\n", *words, last_error().message);
        }
        assert_non_null(strstr(last_error().message, *words));
    }
    chain_free(c);
}
#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* Makes the model, which must succeed; frees the chain. */
static inline pst_model *chain_made(chain *c) {
    pst_model *model = NULL;
    pst_status status = pst_model_create(c->layers, c->count, NULL, &model);
    if (status) {
        print_message("%s\n", last_error().message);
    }
    assert_int_equal(status, PST_OK);
    chain_free(c);
    return model;
}

#endif
