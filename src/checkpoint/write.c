/* Writing a checkpoint with a layer graph: docs/format.md. The same model always gives the same bytes. */
#include <fenv.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/status.h"
#include "checkpoint/checkpoint.h"
#include "model/model.h"

#define PSTI_LENGTH_BYTES 8
#define PSTI_HEADER_ALIGN 8 /* where the data begins: what safetensors' own writer does */

/* 9 digits give every fp32 back. */
#define PSTI_JSON_FLAGS (JSON_COMPACT | JSON_REAL_PRECISION(9))

/* Sets a field and notes a failure, which only memory can cause: jansson takes NULL for a value as one, too. */
static void set(int *failed, json_t *object, const char *key, json_t *value) {
    *failed |= json_object_set_new(object, key, value) != 0;
}

static void append(int *failed, json_t *array, json_t *value) {
    *failed |= json_array_append_new(array, value) != 0;
}

/* "0.lstm.weight_ih" */
typedef struct {
    char text[96];
} tensor_name;

static tensor_name name_of(const pst_model *m, uint32_t i, size_t t) {
    const psti_kind *kind = psti_kinds[m->layers[i].kind];
    tensor_name name;
    (void)snprintf(name.text, sizeof name.text, "%" PRIu32 ".%s.%s", i, kind->name, kind->tensors[t].name);
    return name;
}

static json_t *layer_graph(const pst_model *m, uint32_t i, int *failed) {
    const psti_layer *layer = &m->layers[i];
    const psti_kind *kind = psti_kinds[layer->kind];
    json_t *object = json_object();
    set(failed, object, "kind", json_string(kind->name));
    if (kind->takes_function) {
        const float values[2] = {layer->alpha, layer->beta};
        set(failed, object, "function", json_string(psti_activation_names[layer->function]));
        for (int a = 0; a < 2; a++) {
            if (psti_activation_takes(layer->function, a)) {
                set(failed, object, psti_attribute_names[a], json_real((double)values[a]));
            }
        }
    }
    if (kind->tensor_count > 0) {
        json_t *tensors = json_object();
        for (size_t t = 0; t < kind->tensor_count; t++) {
            if (layer->tensor[t]) {
                set(failed, tensors, kind->tensors[t].name, json_string(name_of(m, i, t).text));
            }
        }
        set(failed, object, "tensors", tensors);
    }
    return object;
}

static json_t *graph_of(const pst_model *m, int *failed) {
    json_t *graph = json_object(), *layers = json_array();
    set(failed, graph, "version", json_integer(PSTI_GRAPH_VERSION));
    if (m->readout != PSTI_READOUT_ALL) {
        set(failed, graph, "readout", json_string(psti_readout_names[m->readout]));
    }
    for (uint32_t i = 0; i < m->count; i++) {
        append(failed, layers, layer_graph(m, i, failed));
    }
    set(failed, graph, "layers", layers);
    return graph;
}

/* The JSON text of what has been built, not ended by 0, from malloc; NULL without memory, error set. */
static char *text_of(const json_t *json, int failed, size_t *n) {
    *n = failed ? 0 : json_dumpb(json, NULL, 0, PSTI_JSON_FLAGS);
    char *text = *n ? psti_allocate(*n, 1) : NULL;
    if (*n == 0 || (text && json_dumpb(json, text, *n, PSTI_JSON_FLAGS) != *n)) {
        (void)psti_fail(PST_E_MEMORY, (psti_where){.item = "header"},
                        "out of memory: the header of a checkpoint could not be written");
        free(text);
        return NULL;
    }
    return text;
}

static size_t bytes_of(const psti_layer *layer, size_t t) {
    return (size_t)layer->shape[t][0] * (size_t)layer->shape[t][1] * sizeof(float); /* it is in memory: no overflow */
}

static json_t *entry_of(const psti_layer *layer, size_t t, size_t begin, int *failed) {
    int rank = psti_kinds[layer->kind]->tensors[t].rank;
    json_t *entry = json_object(), *shape = json_array(), *offsets = json_array();
    for (int d = 0; d < rank; d++) {
        append(failed, shape, json_integer((json_int_t)layer->shape[t][d]));
    }
    append(failed, offsets, json_integer((json_int_t)begin));
    append(failed, offsets, json_integer((json_int_t)(begin + bytes_of(layer, t))));
    set(failed, entry, "dtype", json_string("F32"));
    set(failed, entry, "shape", shape);
    set(failed, entry, "data_offsets", offsets);
    return entry;
}

/* The file's header, and how many bytes of data it describes; NULL without memory, error set. */
static char *header_of(const pst_model *m, size_t *n, size_t *data_bytes) {
    int failed = 0;
    size_t graph_n, end = 0;
    json_t *graph = graph_of(m, &failed);
    char *graph_text = text_of(graph, failed, &graph_n);
    json_decref(graph);
    if (!graph_text) {
        return NULL;
    }
    json_t *header = json_object(), *metadata = json_object();
    set(&failed, metadata, "penstock.graph", json_stringn(graph_text, graph_n));
    set(&failed, header, "__metadata__", metadata);
    free(graph_text);
    for (uint32_t i = 0; i < m->count; i++) {
        const psti_layer *layer = &m->layers[i];
        for (size_t t = 0; t < psti_kinds[layer->kind]->tensor_count; t++) {
            if (layer->tensor[t]) {
                set(&failed, header, name_of(m, i, t).text, entry_of(layer, t, end, &failed));
                end += bytes_of(layer, t);
            }
        }
    }
    char *text = text_of(header, failed, n);
    json_decref(header);
    *data_bytes = end;
    return text;
}

pst_status psti_checkpoint_write(const pst_model *m, unsigned char **bytes, size_t *n) {
    size_t header_n, data_bytes;
    char *header = header_of(m, &header_n, &data_bytes);
    if (!header) {
        return PST_E_MEMORY;
    }
    size_t at = PSTI_LENGTH_BYTES + (header_n + PSTI_HEADER_ALIGN - 1) / PSTI_HEADER_ALIGN * PSTI_HEADER_ALIGN;
    size_t total = at + data_bytes; /* what is in memory all at once leaves room for that */
    unsigned char *out = psti_allocate(total, 1);
    if (!out) {
        free(header);
        return PST_E_MEMORY;
    }
    for (int i = 0; i < PSTI_LENGTH_BYTES; i++) {
        out[i] = (unsigned char)((uint64_t)(at - PSTI_LENGTH_BYTES) >> 8 * i);
    }
    memcpy(out + PSTI_LENGTH_BYTES, header, header_n);
    memset(out + PSTI_LENGTH_BYTES + header_n, ' ', at - PSTI_LENGTH_BYTES - header_n);
    free(header);
    for (uint32_t i = 0; i < m->count; i++) {
        const psti_layer *layer = &m->layers[i];
        for (size_t t = 0; t < psti_kinds[layer->kind]->tensor_count; t++) {
            if (layer->tensor[t]) { /* the host is little-endian: safetensors.c */
                memcpy(out + at, layer->tensor[t], bytes_of(layer, t));
                at += bytes_of(layer, t);
            }
        }
    }
    *bytes = out;
    *n = total;
    return PST_OK;
}

pst_status pst_model_save(const pst_model *m, const char *path) {
    if (!m || !path) {
        return psti_fail_null(m ? "path" : "m");
    }
    unsigned char *bytes;
    size_t n;
    /* The decimal numbers: printf rounds by the mode of the x87 unit, which base/rounding.h leaves alone. */
    fenv_t modes;
    (void)fegetenv(&modes);
    (void)fesetround(FE_TONEAREST);
    pst_status status = psti_checkpoint_write(m, &bytes, &n);
    (void)fesetenv(&modes);
    if (status) {
        return status;
    }
    status = psti_file_write(path, bytes, n);
    free(bytes);
    return status;
}
