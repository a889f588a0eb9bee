/* A tiny writer of safetensors files in memory, and the readers' two outcomes. */
#ifndef PSTI_TESTS_MAKE_H
#define PSTI_TESTS_MAKE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "penstock.h"

/* A file being written: the entries of the header, each ending in a comma, and the data. */
typedef struct {
    char header[65536];
    size_t used;
    unsigned char data[65536];
    size_t bytes;
} making;

/* Header length, header and data as one piece of memory that ends where the file ends. */
static inline unsigned char *make_raw(const char *header, size_t header_bytes, const void *data, size_t bytes,
                                      size_t *n) {
    *n = 8 + header_bytes + bytes;
    unsigned char *file = malloc(*n);
    for (int i = 0; i < 8; i++) {
        file[i] = (unsigned char)((uint64_t)header_bytes >> 8 * i);
    }
    memcpy(file + 8, header, header_bytes);
    if (bytes) {
        memcpy(file + 8 + header_bytes, data, bytes);
    }
    return file;
}

static inline void make_text(making *m, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    m->used += (size_t)vsnprintf(m->header + m->used, sizeof m->header - m->used, format, arguments);
    va_end(arguments);
    assert_true(m->used < sizeof m->header);
}

/* Appends an entry whose data is `bytes` bytes at `data`; shape is JSON: "[4, 2]". */
static inline void make_entry(making *m, const char *name, const char *dtype, const char *shape, const void *data,
                              size_t bytes) {
    assert_true(m->bytes + bytes <= sizeof m->data);
    memcpy(m->data + m->bytes, data, bytes);
    make_text(m, "\"%s\":{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":[%zu,%zu]},", name, dtype, shape, m->bytes,
              m->bytes + bytes);
    m->bytes += bytes;
}

/* Appends an F32 tensor of rank 1 (columns 0) or 2, value k + start at place k. */
static inline void make_tensor(making *m, const char *name, int rows, int columns, float start) {
    int n = rows * (columns ? columns : 1);
    float *values = malloc((size_t)n * sizeof *values + 1);
    char shape[64];
    (void)snprintf(shape, sizeof shape, columns ? "[%d,%d]" : "[%d]", rows, columns);
    for (int k = 0; k < n; k++) {
        values[k] = (float)k + start;
    }
    make_entry(m, name, "F32", shape, values, (size_t)n * sizeof *values);
    free(values);
}

/* Appends metadata with one key; the value is written as a JSON string. */
static inline void make_metadata(making *m, const char *key, const char *value) {
    make_text(m, "\"__metadata__\":{\"format\":\"pt\",\"%s\":\"", key);
    for (; *value; value++) {
        make_text(m, *value == '"' || *value == '\\' ? "\\%c" : "%c", *value);
    }
    make_text(m, "\"},");
}

static inline unsigned char *make_file(const making *m, size_t *n) {
    char header[65536 + 2];
    (void)snprintf(header, sizeof header, "{%.*s}", (int)(m->used ? m->used - 1 : 0), m->header);
    return make_raw(header, strlen(header), m->data, m->bytes, n);
}

/* An nn.LSTM's tensors under a path that ends in "." or is empty. */
static inline void make_lstm(making *m, const char *path, int inputs, int units, int layers, int biases) {
    static const char *const roles[] = {"weight_ih", "weight_hh", "bias_ih", "bias_hh"};
    for (int k = 0; k < layers; k++) {
        for (int role = 0; role < (biases ? 4 : 2); role++) {
            char name[256];
            (void)snprintf(name, sizeof name, "%s%s_l%d", path, roles[role], k);
            make_tensor(m, name, 4 * units,
                        role == 0   ? (k ? units : inputs)
                        : role == 1 ? units
                                    : 0,
                        (float)(1000 * k + 100 * role));
        }
    }
}

static inline void make_linear(making *m, const char *path, int inputs, int outputs, int bias) {
    char name[256];
    (void)snprintf(name, sizeof name, "%sweight", path);
    make_tensor(m, name, outputs, inputs, 5000);
    if (bias) {
        (void)snprintf(name, sizeof name, "%sbias", path);
        make_tensor(m, name, outputs, 0, 6000);
    }
}

static inline pst_error last_error(void) {
    pst_error e;
    PST_INIT(e);
    pst_last_error(&e);
    return e;
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* These bytes (freed here) must be refused with this status, all words in the message, and *out as it was. */
static inline void refuse_bytes(unsigned char *bytes, size_t n, const char *prefix, pst_status status,
                                const char *const *words) {
    pst_model *model = (pst_model *)bytes;
    pst_read_options o;
    PST_INIT(o);
    o.prefix = prefix;
    pst_status found = pst_model_read_memory(bytes, n, &o, &model);
    const char *message = found ? last_error().message : "(no error)";
    int same = found == status && model == (pst_model *)bytes;
    for (size_t i = 0; words[i]; i++) {
        same = same && strstr(message, words[i]);
    }
    if (!same) {
        print_message("found %s: %s\nexpected %s:", pst_status_name(found), message, pst_status_name(status));
        for (size_t i = 0; words[i]; i++) {
            print_message(" \"%s\"", words[i]);
        }
        print_message("\n");
    }
    assert_true(same);
    free(bytes);
}

static inline void refuse(making *m, pst_status status, const char *const *words) {
    size_t n;
    unsigned char *bytes = make_file(m, &n);
    memset(m, 0, sizeof *m);
    refuse_bytes(bytes, n, NULL, status, words);
}

/* The model in this file, which must be sound; empties m. */
static inline pst_model *accept(making *m, const char *prefix) {
    size_t n;
    unsigned char *bytes = make_file(m, &n);
    memset(m, 0, sizeof *m);
    pst_model *model = NULL;
    pst_read_options o;
    PST_INIT(o);
    o.prefix = prefix;
    pst_status status = pst_model_read_memory(bytes, n, &o, &model);
    free(bytes);
    if (status) {
        print_message("%s\n", last_error().message);
    }
    assert_int_equal(status, PST_OK);
    return model;
}

/* The kinds and widths of a model, as "lstm 3 5, linear 5 2"; static. */
static inline const char *summary(const pst_model *m) {
    static char text[1024];
    pst_info info;
    PST_INIT(info);
    assert_int_equal(pst_model_get_info(m, &info), PST_OK);
    size_t used = 0;
    for (uint32_t i = 0; i < info.layers; i++) {
        pst_layer_info layer;
        PST_INIT(layer);
        assert_int_equal(pst_model_get_layer(m, i, &layer), PST_OK);
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s %u %u", i ? ", " : "",
                                 layer.function ? layer.function : layer.kind, layer.inputs, layer.outputs);
    }
    return text;
}

#endif
