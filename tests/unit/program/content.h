/* For the tests of .pstk files: what a program is written as, and what altered bytes are answered with. */
#ifndef TEST_CONTENT_H
#define TEST_CONTENT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/hash.h"
#include "make.h"
#include "program/layout.h"

static const pst_certificate some_certificate = {.size = sizeof(pst_certificate),
                                                 .steps = 1000,
                                                 .sequences = 2,
                                                 .seed = 99,
                                                 .worst_step = 17,
                                                 .worst_sequence = 1,
                                                 .worst_output = 2,
                                                 .max_abs = 1e-3,
                                                 .rms = 1e-4,
                                                 .relative_rms = 1e-2,
                                                 .over = "noise",
                                                 .drift = 1.5,
                                                 .constant_rms = 0.25,
                                                 .constant_max_abs = 0.75};

typedef struct {
    unsigned char *bytes;
    size_t n;
} content;

static inline content content_of(const pst_program *p) {
    content c;
    assert_int_equal(psti_program_write(p, &c.bytes, &c.n), PST_OK);
    return c;
}

static inline uint32_t version_of(const content *c) {
    uint32_t version;
    memcpy(&version, c->bytes + PSTI_AT_VERSION, sizeof version);
    return version;
}

/* Makes length and hash right again, so that only the checks behind them can refuse. */
static inline void rehash(content *c) {
    uint64_t total = c->n;
    memcpy(c->bytes + PSTI_AT_TOTAL, &total, sizeof total);
    if (c->n > PSTI_AT_HASHED) {
        uint64_t hash = psti_hash(c->bytes + PSTI_AT_HASHED, c->n - PSTI_AT_HASHED);
        memcpy(c->bytes + PSTI_AT_HASH, &hash, sizeof hash);
    }
}

static inline pst_status try_open(const content *c) {
    pst_program *p = NULL;
    /* From memory of its own of just this size, so that the sanitizer sees a read beyond it. */
    unsigned char *exact = malloc(c->n ? c->n : 1);
    memcpy(exact, c->bytes, c->n);
    pst_status status = pst_program_open_memory(exact, c->n, &p);
    free(exact);
    assert_true((status == PST_OK) == (p != NULL));
    pst_program_free(p);
    return status;
}

static inline void assert_same(const pst_program *a, const pst_program *b) {
    assert_int_equal(a->count, b->count);
    assert_int_equal(a->inputs, b->inputs);
    assert_int_equal(a->outputs, b->outputs);
    assert_int_equal(a->parameters, b->parameters);
    assert_string_equal(a->format, b->format);
    assert_int_equal(a->readout, b->readout);
    assert_true(a->hash == b->hash);
    assert_int_equal(a->certified, b->certified);
    for (uint32_t i = 0; i < a->count; i++) {
        const psti_program_layer *x = &a->layers[i], *y = &b->layers[i];
        assert_int_equal(x->kind, y->kind);
        assert_int_equal(x->function, y->function);
        assert_int_equal(x->inputs, y->inputs);
        assert_int_equal(x->outputs, y->outputs);
        assert_int_equal(psti_bits(x->alpha), psti_bits(y->alpha));
        assert_int_equal(psti_bits(x->beta), psti_bits(y->beta));
        assert_int_equal(psti_bits(x->h_scale), psti_bits(y->h_scale));
        assert_int_equal(x->parameters, y->parameters);
        assert_int_equal(psti_bits(x->h_scale_8), psti_bits(y->h_scale_8));
        assert_int_equal(psti_bits(x->rho), psti_bits(y->rho));
        assert_int_equal(x->mends, y->mends);
        assert_memory_equal(x->error, y->error, sizeof x->error);
        psti_section s[PSTI_SECTIONS];
        psti_layer_sections(x, s);
        for (size_t k = 0; k < PSTI_SECTIONS; k++) {
            const void *of_x = psti_section_get(x, &s[k]), *of_y = psti_section_get(y, &s[k]);
            assert_int_equal(of_x != NULL, of_y != NULL);
            assert_int_equal((uintptr_t)of_y % 64, 0);
            if (of_x)
                assert_memory_equal(of_x, of_y, s[k].bytes);
        }
        for (uint32_t k = 0; k < PSTI_MATRICES; k++) {
            assert_int_equal(psti_program_has(x, k), psti_program_has(y, k));
            assert_int_equal(x->matrix[k].encoding, y->matrix[k].encoding);
            assert_memory_equal(&x->matrix[k].shape, &y->matrix[k].shape, sizeof x->matrix[k].shape);
        }
    }
}

/* One field altered under a right hash. A place in a layer's record follows from the version. */
typedef struct {
    size_t at;
    int bytes;
    uint64_t value;
    pst_status status;
    const char *message; /* a part of it */
} alteration;

#define OF_LAYER ((size_t)1 << 31)
#define L(i, field) (OF_LAYER + ((size_t)(i) << 16) + (field))
#define M(i, m, field) L(i, ((m) < 2 ? PSTI_LAYER_MATRIX : PSTI_LAYER_MATRIX_2) + (m) % 2 * PSTI_MATRIX_BYTES + (field))
#define C(field) (PSTI_AT_CERTIFICATE + (field))

static inline size_t place_of(const content *c, size_t at) {
    if (at < OF_LAYER)
        return at;
    return PSTI_AT_LAYERS + ((at - OF_LAYER) >> 16) * psti_layer_bytes(version_of(c)) + (at & 0xffff);
}

static inline void altered(content (*make)(const char *), const char *format, const alteration *a, size_t from) {
    content c = make(format);
    size_t at = from ? from + a->at : place_of(&c, a->at);
    memcpy(c.bytes + at, &a->value, (size_t)a->bytes);
    rehash(&c);
    pst_status status = try_open(&c);
    if (status != a->status || !strstr(make_message(), a->message))
        fail_msg("%s, byte %zu, %#llx: %s, \"%s\"; expected %s, \"%s\"", format, at, (unsigned long long)a->value,
                 pst_status_name(status), status ? make_message() : "", pst_status_name(a->status), a->message);
    /* With the wrong hash as well, the same file is refused as altered. */
    if (at >= PSTI_AT_HASHED) {
        c.bytes[PSTI_AT_HASH] ^= 1;
        assert_int_equal(try_open(&c), PST_E_CORRUPT);
        assert_non_null(strstr(make_message(), "altered"));
    }
    free(c.bytes);
}

static inline uint64_t get(const content *c, size_t at) {
    uint64_t v;
    memcpy(&v, c->bytes + place_of(c, at), sizeof v);
    return v;
}

static inline void refused_value(content *c, size_t at, uint32_t value, size_t bytes, pst_status expect,
                                 const char *message) {
    unsigned char before[4];
    memcpy(before, c->bytes + at, bytes);
    memcpy(c->bytes + at, &value, bytes);
    rehash(c);
    pst_status status = try_open(c);
    if (status != expect || !strstr(make_message(), message))
        fail_msg("byte %zu, %#x: %s, \"%s\"; expected \"%s\"", at, value, pst_status_name(status), make_message(),
                 message);
    memcpy(c->bytes + at, before, bytes);
    rehash(c);
    assert_int_equal(try_open(c), PST_OK);
}

#endif
