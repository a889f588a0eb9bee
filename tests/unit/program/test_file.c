/* The .pstk file: what is written comes back bit for bit; whatever else the bytes may be is refused with the reason. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <unistd.h>

#include "base/file.h"
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

static content content_of(const pst_program *p) {
    content c;
    assert_int_equal(psti_program_write(p, &c.bytes, &c.n), PST_OK);
    return c;
}

static content written(const char *format) {
    pst_program *p = make_program(format);
    p->certified = 1;
    p->certificate = some_certificate;
    p->certificate.drift = p->certificate.constant_rms = p->certificate.constant_max_abs = (double)NAN; /* version 1 */
    content c = content_of(p);
    pst_program_free(p);
    return c;
}

static uint32_t version_of(const content *c) {
    uint32_t version;
    memcpy(&version, c->bytes + PSTI_AT_VERSION, sizeof version);
    return version;
}

/* Makes length and hash right again, so that only the checks behind them can refuse. */
static void rehash(content *c) {
    uint64_t total = c->n;
    memcpy(c->bytes + PSTI_AT_TOTAL, &total, sizeof total);
    if (c->n > PSTI_AT_HASHED) {
        uint64_t hash = psti_hash(c->bytes + PSTI_AT_HASHED, c->n - PSTI_AT_HASHED);
        memcpy(c->bytes + PSTI_AT_HASH, &hash, sizeof hash);
    }
}

static pst_status try_open(const content *c) {
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

static void assert_same(const pst_program *a, const pst_program *b) {
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

static void comes_back_bit_for_bit(void **state) {
    (void)state;
    for (size_t f = 0; psti_format_name(f); f++) {
        for (int certified = 0; certified < 3; certified++) {
            pst_program *p = make_program(psti_format_name(f)), *q = NULL;
            p->certified = certified != 0;
            p->readout = certified == 1 ? PSTI_READOUT_LAST : PSTI_READOUT_ALL;
            assert_int_equal(psti_program_finish(p), PST_OK); /* the hash again */
            p->certificate = some_certificate;
            if (certified == 2)
                p->certificate.relative_rms = -(double)NAN; /* y was constant */
            content c = content_of(p);
            assert_int_equal(pst_program_open_memory(c.bytes, c.n, &q), PST_OK);
            assert_same(p, q);
            content again = content_of(q);
            assert_int_equal(again.n, c.n);
            assert_memory_equal(again.bytes, c.bytes, c.n);
            pst_certificate back;
            PST_INIT(back);
            assert_int_equal(pst_program_certificate(q, &back), certified ? PST_OK : PST_E_EMPTY);
            if (certified == 1) { /* version 1 has neither drift nor the errors of a constant */
                pst_certificate expect = some_certificate;
                assert_string_equal(back.over, expect.over);
                back.over = expect.over;
                if (version_of(&c) == 1) {
                    assert_true(isnan(back.drift) && isnan(back.constant_rms) && isnan(back.constant_max_abs));
                    back.drift = expect.drift;
                    back.constant_rms = expect.constant_rms;
                    back.constant_max_abs = expect.constant_max_abs;
                }
                assert_memory_equal(&back, &expect, sizeof back);
            }
            if (certified == 2)
                assert_true(isnan(back.relative_rms) && back.rms == some_certificate.rms);
            free(again.bytes);
            free(c.bytes);
            pst_program_free(p);
            pst_program_free(q);
        }
    }
}

static void identity_leaves_the_certificate_out(void **state) {
    (void)state;
    content plain, certified = written("bf16");
    pst_program *p = make_program("bf16"), *q, *r, *other = make_program("w8a16");
    plain = content_of(p);
    assert_int_equal(pst_program_open_memory(plain.bytes, plain.n, &q), PST_OK);
    assert_int_equal(pst_program_open_memory(certified.bytes, certified.n, &r), PST_OK);
    assert_true(q->hash == p->hash && r->hash == p->hash);
    assert_true(other->hash != p->hash);
    pst_program_free(p);
    pst_program_free(q);
    pst_program_free(r);
    pst_program_free(other);
    free(plain.bytes);
    free(certified.bytes);
}

static void files_are_saved_and_opened(void **state) {
    (void)state;
    char path[] = "/tmp/penstock-test-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    pst_program *p = make_program("w8a8"), *q = NULL;
    assert_int_equal(pst_program_save(p, path), PST_OK);
    assert_int_equal(pst_program_open(path, &q), PST_OK);
    assert_same(p, q);
    pst_program_free(q);
    assert_int_equal(truncate(path, 400), 0);
    q = NULL;
    assert_int_equal(pst_program_open(path, &q), PST_E_CORRUPT);
    assert_null(q);
    assert_non_null(strstr(make_message(), path));
    assert_non_null(strstr(make_message(), "truncated"));
    pst_error e;
    PST_INIT(e);
    pst_last_error(&e);
    assert_string_equal(e.file, path);
    assert_int_equal(e.found, 400);
    unlink(path);
    assert_int_equal(pst_program_open(path, &q), PST_E_FILE);
    assert_int_equal(pst_program_save(p, "/nowhere/at/all.pstk"), PST_E_FILE);
    assert_int_equal(pst_program_save(NULL, path), PST_E_ARGUMENT);
    assert_int_equal(pst_program_save(p, NULL), PST_E_ARGUMENT);
    assert_int_equal(pst_program_open(NULL, &q), PST_E_ARGUMENT);
    assert_int_equal(pst_program_open(path, NULL), PST_E_ARGUMENT);
    assert_int_equal(pst_program_open_memory(NULL, 1, &q), PST_E_ARGUMENT);
    assert_int_equal(pst_program_open_memory("", 0, &q), PST_E_CORRUPT);
    pst_program_free(p);
}

/* At every length: first as it is, then with length and hash made right. */
static void truncated_at_every_length(void **state) {
    (void)state;
    for (size_t f = 0; psti_format_name(f); f++) {
        content c = written(psti_format_name(f));
        for (size_t n = 0; n < c.n; n++) {
            content cut = {malloc(n + 1), n};
            memcpy(cut.bytes, c.bytes, n);
            assert_int_equal(try_open(&cut), PST_E_CORRUPT);
            if (n > 0)
                assert_non_null(strstr(make_message(), "truncated"));
            if (n >= PSTI_AT_LAYERS) {
                rehash(&cut);
                assert_int_equal(try_open(&cut), PST_E_CORRUPT);
                assert_null(strstr(make_message(), "truncated"));
            }
            free(cut.bytes);
        }
        content longer = {malloc(c.n + 64), c.n + 1};
        memcpy(longer.bytes, c.bytes, c.n);
        memset(longer.bytes + c.n, 0, 64);
        assert_int_equal(try_open(&longer), PST_E_CORRUPT);
        assert_non_null(strstr(make_message(), "bytes follow its end"));
        rehash(&longer);
        assert_int_equal(try_open(&longer), PST_E_CORRUPT);
        longer.n = c.n + 64;
        rehash(&longer);
        assert_int_equal(try_open(&longer), PST_E_CORRUPT);
        assert_non_null(strstr(make_message(), "end of the last section"));
        free(longer.bytes);
        free(c.bytes);
    }
}

/* A changed byte is always refused; with the hash made right it must at least do no harm. */
static void altered_at_every_byte(void **state) {
    (void)state;
    static const unsigned char change[] = {0x01, 0x80, 0xff};
    for (size_t f = 0; psti_format_name(f); f++) {
        content c = written(psti_format_name(f));
        size_t opened = 0;
        for (size_t i = 0; i < c.n; i++) {
            content bad = {malloc(c.n), c.n};
            memcpy(bad.bytes, c.bytes, c.n);
            bad.bytes[i] ^= change[i % 3];
            pst_status status = try_open(&bad);
            assert_true(status == PST_E_CORRUPT || status == PST_E_UNSUPPORTED);
            if (i >= PSTI_AT_HASH) {
                assert_int_equal(status, PST_E_CORRUPT);
                assert_non_null(strstr(make_message(), "altered: the hash"));
            }
            rehash(&bad);
            opened += try_open(&bad) == PST_OK;
            free(bad.bytes);
        }
        print_message("%s: of %zu bytes, %zu could be changed under a new hash\n", psti_format_name(f), c.n, opened);
        assert_true(opened > 0 && opened < c.n);
        free(c.bytes);
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

static size_t place_of(const content *c, size_t at) {
    if (at < OF_LAYER)
        return at;
    return PSTI_AT_LAYERS + ((at - OF_LAYER) >> 16) * psti_layer_bytes(version_of(c)) + (at & 0xffff);
}

/* Layers: 0 lstm 5 -> 23, 1 clip, 2 linear 18, 3 lstm 4, 4 elu, 5 linear 3, 6 softmax. */
static const alteration alterations[] = {
    {0, 1, 0x88, PST_E_CORRUPT, "not a .pstk file"},
    {4, 1, '\n', PST_E_CORRUPT, "took it for text"},
    {PSTI_AT_VERSION, 4, 0, PST_E_UNSUPPORTED, "unknown version 0, this library reads 1 to 2"},
    {PSTI_AT_VERSION, 4, 3, PST_E_UNSUPPORTED, "unknown version 3, this library reads 1 to 2"},
    {PSTI_AT_ORDER, 4, 0x04030201, PST_E_UNSUPPORTED, "another byte order"},
    {PSTI_AT_ORDER, 4, 0, PST_E_CORRUPT, "byte-order mark"},
    {PSTI_AT_SECTIONS, 8, 0, PST_E_CORRUPT, "start of the sections"},
    {PSTI_AT_SECTIONS, 8, UINT64_MAX, PST_E_CORRUPT, "start of the sections"},
    {PSTI_AT_CERTIFICATE - 1, 1, 1, PST_E_CORRUPT, "header, reserved"},
    {C(PSTI_CERTIFICATE_PRESENT), 4, 2, PST_E_CORRUPT, "certificate, present"},
    {C(PSTI_CERTIFICATE_PRESENT), 4, 0, PST_E_CORRUPT, "certificate, reserved"},
    {C(PSTI_CERTIFICATE_FROM_CALLER), 4, 2, PST_E_CORRUPT, "from_caller"},
    {C(PSTI_CERTIFICATE_WORST_OUTPUT), 4, 3, PST_E_CORRUPT, "worst output"},
    {C(PSTI_CERTIFICATE_WORST_OUTPUT) + 4, 1, 1, PST_E_CORRUPT, "certificate, reserved"},
    {C(PSTI_CERTIFICATE_MAX_ABS), 8, 0xbff0000000000000, PST_E_CORRUPT, "max_abs"},
    {C(PSTI_CERTIFICATE_RMS), 8, 0x7ff0000000000000, PST_E_CORRUPT, "rms"},
    {C(PSTI_CERTIFICATE_RELATIVE_RMS), 8, 0x7ff0000000000001, PST_E_CORRUPT, "relative_rms"},
    {PSTI_AT_PROGRAM, 8, 0, PST_E_CORRUPT, "program, format"},
    {PSTI_AT_PROGRAM, 1, 0x1b, PST_E_CORRUPT, "program, format"},
    {PSTI_AT_PROGRAM + 63, 1, 'x', PST_E_CORRUPT, "program, format"},
    {PSTI_AT_PROGRAM + PSTI_PROGRAM_END, 1, 1, PST_E_CORRUPT, "program, reserved"},
    {PSTI_AT_PROGRAM + PSTI_PROGRAM_READOUT, 4, 2, PST_E_UNSUPPORTED, "program, readout: 2, 0 to 1 expected"},
    {PSTI_AT_PROGRAM + PSTI_PROGRAM_READOUT, 4, 0x100, PST_E_UNSUPPORTED, "program, readout: 256"},
    {PSTI_AT_PROGRAM + PSTI_PROGRAM_READOUT, 4, UINT32_MAX, PST_E_UNSUPPORTED, "program, readout"},
    {PSTI_AT_PROGRAM + PSTI_PROGRAM_LAYERS, 4, 0, PST_E_CORRUPT, "program, layers: 0"},
    {PSTI_AT_PROGRAM + PSTI_PROGRAM_LAYERS, 4, 6, PST_E_CORRUPT, "start of the sections"},
    {PSTI_AT_PROGRAM + PSTI_PROGRAM_LAYERS, 4, 1024, PST_E_CORRUPT, "1024 layers need"},
    {PSTI_AT_PROGRAM + PSTI_PROGRAM_LAYERS, 4, 1025, PST_E_CORRUPT, "1 to 1024"},
    {PSTI_AT_PROGRAM + PSTI_PROGRAM_LAYERS, 4, UINT32_MAX, PST_E_CORRUPT, "1 to 1024"},
    {L(0, PSTI_LAYER_KIND), 4, 0x75727578, PST_E_UNSUPPORTED, "layer 0: unknown kind \"xuru\""},
    {L(0, PSTI_LAYER_KIND), 8, 0, PST_E_UNSUPPORTED, "unknown kind \"\""},
    {L(0, PSTI_LAYER_KIND) + 31, 1, 'x', PST_E_CORRUPT, "layer 0, kind: not a name"},
    {L(0, PSTI_LAYER_FUNCTION), 1, 'x', PST_E_CORRUPT, "layer 0 (lstm), function"},
    {L(1, PSTI_LAYER_FUNCTION), 1, 'x', PST_E_UNSUPPORTED, "layer 1 (activation): unknown function \"xlip\""},
    {L(1, PSTI_LAYER_FUNCTION) + 31, 1, 1, PST_E_CORRUPT, "function: not a name"},
    {L(0, PSTI_LAYER_INPUTS), 4, 0, PST_E_CORRUPT, "layer 0 (lstm), inputs: 0, 1 to 65536"},
    {L(0, PSTI_LAYER_INPUTS), 4, 65537, PST_E_CORRUPT, "layer 0 (lstm), inputs: 65537"},
    {L(0, PSTI_LAYER_INPUTS), 4, 6, PST_E_CORRUPT, "inputs of matrix 0: 6 expected, 5 found"},
    {L(0, PSTI_LAYER_OUTPUTS), 4, 0, PST_E_CORRUPT, "layer 0 (lstm), outputs: 0"},
    {L(0, PSTI_LAYER_OUTPUTS), 4, UINT32_MAX, PST_E_CORRUPT, "outputs: 4294967295"},
    {L(1, PSTI_LAYER_INPUTS), 4, 24, PST_E_CORRUPT, "layer 1 (activation), inputs: 23 expected"},
    {L(1, PSTI_LAYER_OUTPUTS), 4, 24, PST_E_CORRUPT, "layer 1 (activation), outputs: 23 expected"},
    {L(6, PSTI_LAYER_OUTPUTS), 4, 4, PST_E_CORRUPT, "layer 6 (softmax), outputs: 3 expected"},
    {L(0, PSTI_LAYER_ALPHA), 4, 0x3f800000, PST_E_CORRUPT, "layer 0 (lstm), alpha"},
    {L(2, PSTI_LAYER_BETA), 4, 0x80000000, PST_E_CORRUPT, "layer 2 (linear), beta"},
    {L(1, PSTI_LAYER_ALPHA), 4, 0x7fc00000, PST_E_CORRUPT, "alpha: not finite"},
    {L(1, PSTI_LAYER_ALPHA), 4, 0x3f800000, PST_E_CORRUPT, "clip's alpha is above its beta"},
    {L(1, PSTI_LAYER_BETA), 4, 0x7f800000, PST_E_CORRUPT, "beta: not finite"},
    {L(4, PSTI_LAYER_ALPHA), 4, 0x7f000000, PST_E_CORRUPT, "alpha: not finite or beyond 2^40"},
    {L(0, PSTI_LAYER_H_SCALE), 4, 0, PST_E_CORRUPT, "layer 0 (lstm), h_scale"},
    {L(0, PSTI_LAYER_H_SCALE), 4, 0x2b000000, PST_E_CORRUPT, "layer 0 (lstm), h_scale"}, /* 2^-41 */
    {L(0, PSTI_LAYER_H_SCALE), 4, 0x40000000, PST_E_CORRUPT, "layer 0 (lstm), h_scale"},
    {L(0, PSTI_LAYER_H_SCALE), 4, 0x3f400000, PST_E_CORRUPT, "layer 0 (lstm), h_scale"},
    {L(0, PSTI_LAYER_H_SCALE), 4, 0xbf800000, PST_E_CORRUPT, "layer 0 (lstm), h_scale"},
    {L(0, PSTI_LAYER_H_SCALE), 4, 0x7f800000, PST_E_CORRUPT, "layer 0 (lstm), h_scale"},
    {L(2, PSTI_LAYER_H_SCALE), 4, 0x3f000000, PST_E_CORRUPT, "layer 2 (linear), h_scale"},
    {L(0, PSTI_LAYER_MATRICES), 4, 1, PST_E_CORRUPT, "layer 0 (lstm), matrices: 2 expected, 1 found"},
    {L(1, PSTI_LAYER_MATRICES), 4, 1, PST_E_CORRUPT, "layer 1 (activation), matrices"},
    {L(0, PSTI_LAYER_MATRICES), 4, UINT32_MAX, PST_E_CORRUPT, "matrices"},
    {L(0, PSTI_LAYER_PARAMETERS), 8, 1, PST_E_CORRUPT, "parameters"},
    {L(0, PSTI_LAYER_PARAMETERS), 8, UINT64_MAX, PST_E_CORRUPT, "parameters"},
    {L(6, PSTI_LAYER_PARAMETERS), 8, 1, PST_E_CORRUPT, "parameters"},
    {L(0, PSTI_LAYER_BIAS), 8, 0, PST_E_CORRUPT, "layer 0 (lstm), bias"},
    {L(0, PSTI_LAYER_BIAS), 8, UINT64_MAX - 63, PST_E_CORRUPT, "layer 0 (lstm), bias"},
    {L(0, PSTI_LAYER_BIAS) + 8, 8, 0, PST_E_CORRUPT, "layer 0 (lstm), bias"},
    {L(0, PSTI_LAYER_BIAS) + 8, 8, UINT64_MAX, PST_E_CORRUPT, "layer 0 (lstm), bias"},
    {L(1, PSTI_LAYER_BIAS) + 8, 8, 64, PST_E_CORRUPT, "layer 1 (activation), bias"},
    {L(1, PSTI_LAYER_BIAS), 8, 64, PST_E_CORRUPT, "layer 1 (activation), bias"},
    {L(0, PSTI_LAYER_H0), 8, 64, PST_E_CORRUPT, "layer 0 (lstm), h0"},
    {L(0, PSTI_LAYER_H0) + 8, 8, 0, PST_E_CORRUPT, "layer 0 (lstm), h0: 0 expected"},
    {L(0, PSTI_LAYER_H0) + 8, 8, 96, PST_E_CORRUPT, "layer 0 (lstm), h0: 92 expected, 96 found"},
    {L(0, PSTI_LAYER_C0) + 8, 8, UINT64_MAX - 3, PST_E_CORRUPT, "layer 0 (lstm), c0"},
    {L(3, PSTI_LAYER_C0) + 8, 8, 16, PST_E_CORRUPT, "layer 3 (lstm), c0"},
    {M(0, 0, PSTI_MATRIX_ENCODING), 4, PSTI_ENCODINGS, PST_E_UNSUPPORTED, "matrix 0: unknown encoding 9"},
    {M(0, 1, PSTI_MATRIX_ENCODING), 4, 0x80000000, PST_E_UNSUPPORTED, "matrix 1: unknown encoding"},
    {M(0, 0, PSTI_MATRIX_UNITS), 4, 24, PST_E_CORRUPT, "units of matrix 0: 23 expected, 24 found"},
    {M(0, 1, PSTI_MATRIX_INPUTS), 4, 5, PST_E_CORRUPT, "inputs of matrix 1: 23 expected, 5 found"},
    {M(0, 0, PSTI_MATRIX_GATES), 4, 1, PST_E_CORRUPT, "gates of matrix 0: 4 expected, 1 found"},
    {M(2, 0, PSTI_MATRIX_GATES), 4, 4, PST_E_CORRUPT, "gates of matrix 0: 1 expected, 4 found"},
    {M(2, 1, PSTI_MATRIX_ENCODING), 4, 1, PST_E_CORRUPT, "layer 2 (linear), matrix 1"},
    {M(1, 0, PSTI_MATRIX_TILES), 8, 320, PST_E_CORRUPT, "layer 1 (activation), matrix 0"},
    {M(0, 0, PSTI_MATRIX_TILES), 8, 64, PST_E_CORRUPT, "tiles of matrix 0"},
    {M(0, 0, PSTI_MATRIX_TILES) + 8, 8, 64, PST_E_CORRUPT, "tiles of matrix 0"},
    {M(0, 1, PSTI_MATRIX_TILES), 8, UINT64_MAX, PST_E_CORRUPT, "tiles of matrix 1"},
    {M(5, 0, PSTI_MATRIX_SCALE) + 8, 8, UINT64_MAX, PST_E_CORRUPT, "scales of matrix 0"},
};

/* What version 2 has taken into use. */
static const alteration alterations_1[] = {
    {PSTI_AT_HASHED, 1, 1, PST_E_CORRUPT, "header, reserved"},
    {C(PSTI_CERTIFICATE_END), 1, 1, PST_E_CORRUPT, "certificate, reserved"},
    {L(0, PSTI_LAYER_END), 1, 1, PST_E_CORRUPT, "layer 0 (lstm), reserved"},
    {M(0, 0, PSTI_MATRIX_ENCODING), 4, PSTI_W4A16, PST_E_UNSUPPORTED, "matrix 0: unknown encoding 4"},
    {M(0, 1, PSTI_MATRIX_ENCODING), 4, PSTI_W2A8, PST_E_UNSUPPORTED, "matrix 1: unknown encoding 8"},
};

static void altered(content (*make)(const char *), const char *format, const alteration *a, size_t from) {
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

static void hostile_fields(void **state) {
    (void)state;
    for (size_t f = 0; psti_format_name(f); f++) {
        const char *format = psti_format_name(f);
        content c = written(format);
        for (size_t i = 0; i < sizeof alterations / sizeof *alterations; i++)
            altered(written, format, &alterations[i], 0);
        for (size_t i = 0; version_of(&c) == 1 && i < sizeof alterations_1 / sizeof *alterations_1; i++)
            altered(written, format, &alterations_1[i], 0);
        free(c.bytes);
    }
}

static uint64_t get(const content *c, size_t at) {
    uint64_t v;
    memcpy(&v, c->bytes + place_of(c, at), sizeof v);
    return v;
}

static void refused_value(content *c, size_t at, uint32_t value, size_t bytes, pst_status expect, const char *message) {
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

static void hostile_values(void **state) {
    (void)state;
    for (size_t f = 0; psti_format_name(f); f++) {
        content c = written(psti_format_name(f));
        size_t bias = get(&c, L(0, PSTI_LAYER_BIAS)), h0 = get(&c, L(0, PSTI_LAYER_H0)),
               c0 = get(&c, L(0, PSTI_LAYER_C0)), tiles = get(&c, M(0, 1, PSTI_MATRIX_TILES)),
               scale = get(&c, M(0, 1, PSTI_MATRIX_SCALE)), bias_bytes = get(&c, L(0, PSTI_LAYER_BIAS) + 8);
        refused_value(&c, bias, 0x7fc00000, 4, PST_E_CORRUPT, "layer 0 (lstm), bias");
        refused_value(&c, bias, 0xff800000, 4, PST_E_CORRUPT, "layer 0 (lstm), bias");
        refused_value(&c, bias, 0x54800001, 4, PST_E_CORRUPT, "layer 0 (lstm), bias"); /* just above 2^42 */
        refused_value(&c, bias, 0x00000001, 4, PST_E_CORRUPT, "layer 0 (lstm), bias");
        refused_value(&c, bias, 0x80000000, 4, PST_E_CORRUPT, "layer 0 (lstm), bias");
        refused_value(&c, bias + bias_bytes - 4, 1, 4, PST_E_CORRUPT, "layer 0 (lstm), bias: padding");
        refused_value(&c, h0 + 4 * 23, 1, 1, PST_E_CORRUPT, "c0: the padding before it is not 0");
        refused_value(&c, h0 + 8, 0x7f800000, 4, PST_E_CORRUPT, "layer 0 (lstm), h0");
        refused_value(&c, c0 + 8, 0x53800001, 4, PST_E_CORRUPT, "layer 0 (lstm), c0");
        int encoding = make_recipe(psti_format_name(f)).of[PSTI_ROLE_HH].encoding;
        if (psti_encoding_scaled(encoding)) {
            refused_value(&c, h0 + 8, 0x3f800001, 4, PST_E_NONFINITE, "layer 0 (lstm), unit 2: h0 is 1.0000001");
            refused_value(&c, scale, 0, 4, PST_E_CORRUPT, "matrix 1: a row scale");
            refused_value(&c, scale, 0x7fc00000, 4, PST_E_CORRUPT, "matrix 1: a row scale");
            refused_value(&c, scale, 0x53800001, 4, PST_E_CORRUPT, "matrix 1: a row scale");
            refused_value(&c, tiles, 0x80, 1, PST_E_CORRUPT, "matrix 1: an 8-bit weight is -128");
        } else if (encoding == PSTI_BF16) {
            refused_value(&c, tiles, 0x7fc0, 2, PST_E_CORRUPT, "matrix 1: a weight is not finite");
            refused_value(&c, tiles, 0x0001, 2, PST_E_CORRUPT, "matrix 1: a weight is below");
        } else {
            refused_value(&c, tiles, 0x7f800000, 4, PST_E_CORRUPT, "matrix 1: a weight is not finite");
        }
        free(c.bytes);
    }
}

/* Whole layers in a wrong place, under a right hash. */
static void hostile_order(void **state) {
    (void)state;
    content c = written("bf16");
    unsigned char *softmax = c.bytes + place_of(&c, L(6, 0)), *activation = c.bytes + place_of(&c, L(1, 0));
    memcpy(activation + PSTI_LAYER_KIND, softmax + PSTI_LAYER_KIND, 2 * PSTI_FILE_NAME);
    memset(activation + PSTI_LAYER_ALPHA, 0, 8);
    rehash(&c);
    assert_int_equal(try_open(&c), PST_E_CORRUPT);
    assert_non_null(strstr(make_message(), "layer 1 (softmax), kind: has a layer above it"));
    free(c.bytes);

    /* A softmax alone: a file without any section. */
    content alone = {calloc(1, PSTI_AT_LAYERS + PSTI_LAYER_BYTES), PSTI_AT_LAYERS + PSTI_LAYER_BYTES};
    c = written("bf16");
    memcpy(alone.bytes, c.bytes, PSTI_AT_LAYERS);
    memcpy(alone.bytes + PSTI_AT_LAYERS, c.bytes + place_of(&c, L(6, 0)), PSTI_LAYER_BYTES);
    uint32_t one = 1;
    uint64_t sections = alone.n;
    memcpy(alone.bytes + PSTI_AT_PROGRAM + PSTI_PROGRAM_LAYERS, &one, 4);
    memcpy(alone.bytes + PSTI_AT_SECTIONS, &sections, 8);
    rehash(&alone);
    assert_int_equal(try_open(&alone), PST_E_CORRUPT);
    assert_non_null(strstr(make_message(), "layer 0 (softmax), kind: is the first layer"));
    free(alone.bytes);
    free(c.bytes);
}

/* ---- version 2 ----------------------------------------------------------------------------------------------------
 */

static const pst_certificate more_certificates[2] = {{.size = sizeof(pst_certificate),
                                                      .steps = 10000,
                                                      .sequences = 1,
                                                      .from_caller = 1,
                                                      .max_abs = 2e-3,
                                                      .rms = 1e-4,
                                                      .relative_rms = 3e-3,
                                                      .over = "long run",
                                                      .drift = 1.25,
                                                      .constant_rms = 0.5,
                                                      .constant_max_abs = 2},
                                                     {.size = sizeof(pst_certificate),
                                                      .steps = 64,
                                                      .sequences = 3,
                                                      .worst_output = 2,
                                                      .max_abs = 5,
                                                      .rms = 0.5,
                                                      .over = "spikes",
                                                      .drift = 0,
                                                      .constant_rms = 0,
                                                      .constant_max_abs = 0}};

/* All that version 2 has, in the first layer: 0 lstm 5 -> 23 of w4a8 with a rest, W_hh in 16 bits. */
static pst_program *program_2(void) {
    pst_program *p = make_program("ih=w4r,hh=w16a16,linear=w2a8");
    static float feature[MAKE_INPUTS] = {1, 0.5f, 0.25f, 0x1p-40f, 1};
    psti_program_layer *l = &p->layers[0];
    l->h_scale_8 = 0.9f; /* W_hh reads h in 16 bits: h0 may be larger */
    l->rho = -0.625f;
    l->mends = 1;
    l->feature = feature;
    p->certified = 1;
    p->certificate = some_certificate;
    p->more = (pst_certificate *)(uintptr_t)more_certificates;
    p->more_count = 2;
    for (uint32_t i = 0; i < p->count; i++)
        for (uint32_t m = 0; m < PSTI_MATRICES; m++)
            if (psti_program_has(&p->layers[i], m))
                p->layers[i].error[m] = 1e-3 * (double)(i + 1);
    assert_int_equal(psti_program_finish(p), PST_OK);
    return p;
}

static content written_2(const char *unused) {
    (void)unused;
    pst_program *p = program_2();
    content c = content_of(p);
    pst_program_free(p);
    assert_int_equal(version_of(&c), 2);
    return c;
}

static void version_2_comes_back(void **state) {
    (void)state;
    pst_program *p = program_2(), *q = NULL;
    content c = content_of(p);
    assert_int_equal(pst_program_open_memory(c.bytes, c.n, &q), PST_OK);
    assert_same(p, q);
    assert_non_null(q->layers[0].feature);
    content again = content_of(q);
    assert_int_equal(again.n, c.n);
    assert_memory_equal(again.bytes, c.bytes, c.n);
    assert_int_equal(q->more_count, 2);
    for (uint32_t i = 0; i < 3; i++) {
        pst_certificate back, expect = i ? more_certificates[i - 1] : some_certificate;
        PST_INIT(back);
        assert_int_equal(pst_program_get_certificate(q, i, &back), PST_OK);
        assert_string_equal(back.over, expect.over);
        back.over = expect.over;
        assert_memory_equal(&back, &expect, sizeof back);
    }
    pst_frontier frontier;
    PST_INIT(frontier);
    assert_int_equal(pst_program_get_frontier(q, 0, &frontier), PST_E_EMPTY); /* in no file */
    free(again.bytes);
    free(c.bytes);
    pst_program_free(p);
    pst_program_free(q);
}

/* A program is what its steps depend on: whatever is proved of it, written in whichever version that needs. */
static void identity_leaves_the_proof_out(void **state) {
    (void)state;
    for (int which = 0; which < 2; which++) {
        pst_program *p = which ? program_2() : make_program("w8a8"), *q;
        uint64_t hash = p->hash;
        for (int proof = 0; proof < 8; proof++) {
            p->certified = proof & 1;
            p->certificate = some_certificate;
            p->more = (pst_certificate *)(uintptr_t)more_certificates;
            p->more_count = proof & 2 ? 2 : 0;
            for (uint32_t m = 0; m < PSTI_MATRICES; m++)
                for (uint32_t i = 0; i < p->count; i++)
                    p->layers[i].error[m] = proof & 4 ? (double)(i + m) : -1;
            assert_int_equal(psti_program_finish(p), PST_OK);
            assert_true(p->hash == hash);
            content c = content_of(p);
            assert_int_equal(version_of(&c), which || proof ? 2 : 1);
            assert_int_equal(pst_program_open_memory(c.bytes, c.n, &q), PST_OK);
            assert_true(q->hash == hash);
            assert_same(p, q);
            content again = content_of(q);
            assert_int_equal(again.n, c.n);
            assert_memory_equal(again.bytes, c.bytes, c.n);
            free(again.bytes);
            free(c.bytes);
            pst_program_free(q);
        }
        pst_program_free(p);
    }
}

/* But on each of these it depends. */
static void identity_has_every_setting(void **state) {
    (void)state;
    uint64_t seen[8] = {0};
    for (int change = 0; change < 8; change++) {
        pst_program *p = program_2();
        psti_program_layer *l = &p->layers[0];
        static float other[MAKE_INPUTS] = {1, 0.5f, 0.25f, 0x1p-40f, 0.5f};
        if (change == 1)
            l->h_scale_8 = 0.875f;
        if (change == 2)
            l->rho = 0.625f;
        if (change == 3)
            l->rho = 0;
        if (change == 4)
            l->mends = 0;
        if (change == 5)
            l->feature = other;
        if (change == 6)
            l->feature = NULL;
        if (change == 7)
            l->matrix[0].shape.group = 64; /* of 5 inputs: the same bytes */
        assert_int_equal(psti_program_finish(p), PST_OK);
        for (int i = 0; i < change; i++)
            assert_true(seen[i] != p->hash);
        seen[change] = p->hash;
        pst_program_free(p);
    }
}

/* From the end of the file: the proof of program_2. */
static size_t proof_of(const content *c) {
    return c->n - get(c, PSTI_AT_PROOF);
}

#define NAN_BITS 0x7ff8000000000000u
#define OTHER_NAN 0x7ff8000000000001u

/* Layers of program_2 as above. */
static const alteration alterations_2[] = {
    {PSTI_AT_PROOF, 8, 0, PST_E_CORRUPT, "end of the last section"},
    {PSTI_AT_PROOF, 8, 7, PST_E_CORRUPT, "header, bytes of the proof"},
    {PSTI_AT_PROOF, 8, UINT64_MAX, PST_E_CORRUPT, "header, bytes of the proof"},
    {PSTI_AT_PROOF + 8, 1, 1, PST_E_CORRUPT, "header, reserved"},
    {PSTI_AT_CERTIFICATE - 1, 1, 1, PST_E_CORRUPT, "header, reserved"},
    {C(PSTI_CERTIFICATE_OVER), 4, PSTI_OVERS, PST_E_CORRUPT, "certificate, over"},
    {C(PSTI_CERTIFICATE_OVER), 4, UINT32_MAX, PST_E_CORRUPT, "certificate, over"},
    {C(PSTI_CERTIFICATE_OVER) + 4, 1, 1, PST_E_CORRUPT, "certificate, reserved"},
    {C(PSTI_CERTIFICATE_DRIFT), 8, 0xbff0000000000000, PST_E_CORRUPT, "certificate, drift"},
    {C(PSTI_CERTIFICATE_DRIFT), 8, OTHER_NAN, PST_E_CORRUPT, "certificate, drift"},
    {C(PSTI_CERTIFICATE_CONSTANT_RMS), 8, 0x7ff0000000000000, PST_E_CORRUPT, "constant"},
    {C(PSTI_CERTIFICATE_CONSTANT_MAX_ABS), 8, 0xbff0000000000000, PST_E_CORRUPT, "constant"},
    {C(PSTI_CERTIFICATE_END_2), 1, 1, PST_E_CORRUPT, "certificate, reserved"},
    {C(PSTI_CERTIFICATE_BYTES) - 1, 1, 1, PST_E_CORRUPT, "certificate, reserved"},
    {L(0, PSTI_LAYER_H_SCALE_8), 4, 0, PST_E_CORRUPT, "layer 0 (lstm), h_scale_8"},
    {L(0, PSTI_LAYER_H_SCALE_8), 4, 0x2b7fffff, PST_E_CORRUPT, "layer 0 (lstm), h_scale_8"}, /* below 2^-40 */
    {L(0, PSTI_LAYER_H_SCALE_8), 4, 0x3f800001, PST_E_CORRUPT, "layer 0 (lstm), h_scale_8"},
    {L(0, PSTI_LAYER_H_SCALE_8), 4, 0xbf000000, PST_E_CORRUPT, "layer 0 (lstm), h_scale_8"},
    {L(0, PSTI_LAYER_H_SCALE_8), 4, 0x7fc00000, PST_E_CORRUPT, "layer 0 (lstm), h_scale_8"},
    {L(2, PSTI_LAYER_H_SCALE_8), 4, 0x3f000000, PST_E_CORRUPT, "layer 2 (linear), h_scale_8"},
    {L(0, PSTI_LAYER_RHO), 4, 0x3f800001, PST_E_CORRUPT, "layer 0 (lstm), rho"},
    {L(0, PSTI_LAYER_RHO), 4, 0xbf800001, PST_E_CORRUPT, "layer 0 (lstm), rho"},
    {L(0, PSTI_LAYER_RHO), 4, 0x80000000, PST_E_CORRUPT, "layer 0 (lstm), rho"},
    {L(0, PSTI_LAYER_RHO), 4, 0x3a7fffff, PST_E_CORRUPT, "layer 0 (lstm), rho"}, /* below 2^-10 */
    {L(0, PSTI_LAYER_RHO), 4, 0x7fc00000, PST_E_CORRUPT, "layer 0 (lstm), rho"},
    {L(2, PSTI_LAYER_RHO), 4, 0x3f000000, PST_E_CORRUPT, "layer 2 (linear), rho: given"},
    {L(0, PSTI_LAYER_MENDS), 4, 2, PST_E_CORRUPT, "layer 0 (lstm), mends"},
    {L(2, PSTI_LAYER_MENDS), 4, 1, PST_E_CORRUPT, "layer 2 (linear), mends: given"},
    {L(0, PSTI_LAYER_MENDS) + 4, 1, 1, PST_E_CORRUPT, "layer 0 (lstm), reserved"},
    {L(0, PSTI_LAYER_GROUP), 4, 0, PST_E_CORRUPT, "layer 0 (lstm), group"},
    {L(0, PSTI_LAYER_GROUP), 4, 16, PST_E_CORRUPT, "layer 0 (lstm), group"},
    {L(0, PSTI_LAYER_GROUP) + 4, 4, 96, PST_E_CORRUPT, "layer 0 (lstm), group"},
    {L(0, PSTI_LAYER_GROUP) + 8, 4, 131072, PST_E_CORRUPT, "layer 0 (lstm), group"},
    {L(0, PSTI_LAYER_GROUP) + 12, 4, 0x80000020, PST_E_CORRUPT, "layer 0 (lstm), group"},
    {L(1, PSTI_LAYER_GROUP), 4, 32, PST_E_CORRUPT, "layer 1 (activation), group"},
    {L(2, PSTI_LAYER_GROUP) + 4, 4, 32, PST_E_CORRUPT, "layer 2 (linear), group"},
    {L(0, PSTI_LAYER_FEATURE), 8, 64, PST_E_CORRUPT, "layer 0 (lstm), feature scales"},
    {L(0, PSTI_LAYER_FEATURE) + 8, 8, 24, PST_E_CORRUPT, "layer 0 (lstm), feature scales: 20 expected, 24 found"},
    {L(1, PSTI_LAYER_FEATURE) + 8, 8, 92, PST_E_CORRUPT, "layer 1 (activation), feature scales"},
    {L(0, PSTI_LAYER_END_2), 1, 1, PST_E_CORRUPT, "layer 0 (lstm), reserved"},
    {L(0, PSTI_LAYER_BYTES_2) - 1, 1, 1, PST_E_CORRUPT, "layer 0 (lstm), reserved"},
    {M(0, 2, PSTI_MATRIX_ENCODING), 4, PSTI_ENCODINGS, PST_E_UNSUPPORTED, "matrix 2: unknown encoding 9"},
    {M(0, 3, PSTI_MATRIX_ENCODING), 4, PSTI_W8A16, PST_E_CORRUPT, "layer 0 (lstm), W_ih rest"},
    {M(0, 2, PSTI_MATRIX_ENCODING), 4, PSTI_W8A8, PST_E_CORRUPT, "layer 0 (lstm), W_hh rest"},
    {M(0, 3, PSTI_MATRIX_UNITS), 4, 24, PST_E_CORRUPT, "units of matrix 3: 23 expected, 24 found"},
    {M(0, 2, PSTI_MATRIX_INPUTS), 4, 5, PST_E_CORRUPT, "inputs of matrix 2: 23 expected, 5 found"},
    {M(0, 3, PSTI_MATRIX_INPUTS), 4, 23, PST_E_CORRUPT, "inputs of matrix 3: 5 expected, 23 found"},
    {M(0, 2, PSTI_MATRIX_GATES), 4, 1, PST_E_CORRUPT, "gates of matrix 2: 4 expected, 1 found"},
    {M(0, 2, PSTI_MATRIX_TILES), 8, 64, PST_E_CORRUPT, "tiles of matrix 2"},
    {M(0, 3, PSTI_MATRIX_TILES) + 8, 8, 64, PST_E_CORRUPT, "tiles of matrix 3"},
    {M(0, 3, PSTI_MATRIX_SCALE) + 8, 8, 0, PST_E_CORRUPT, "scales of matrix 3"},
    {M(2, 2, PSTI_MATRIX_ENCODING), 4, PSTI_W8A8, PST_E_CORRUPT, "layer 2 (linear), matrix 2: given"},
    {M(1, 3, PSTI_MATRIX_UNITS), 4, 1, PST_E_CORRUPT, "layer 1 (activation), matrix 3: given"},
};

/* From the beginning of the proof. */
static const alteration alterations_proof[] = {
    {PSTI_PROOF_CERTIFICATES, 4, 1, PST_E_CORRUPT, "proof, bytes"},
    {PSTI_PROOF_CERTIFICATES, 4, UINT32_MAX, PST_E_CORRUPT, "proof, bytes"},
    {PSTI_PROOF_ERRORS, 4, 0, PST_E_CORRUPT, "proof, bytes"},
    {PSTI_PROOF_ERRORS, 4, 2, PST_E_CORRUPT, "proof, errors"},
    {PSTI_PROOF_BYTES + PSTI_CERTIFICATE_PRESENT, 4, 0, PST_E_CORRUPT, "certificate 1, present"},
    {PSTI_PROOF_BYTES + PSTI_CERTIFICATE_BYTES + PSTI_CERTIFICATE_PRESENT, 4, 2, PST_E_CORRUPT,
     "certificate 2, present"},
    {PSTI_PROOF_BYTES + PSTI_CERTIFICATE_OVER, 4, 99, PST_E_CORRUPT, "certificate 1, over"},
    {PSTI_PROOF_BYTES + PSTI_CERTIFICATE_RMS, 8, NAN_BITS, PST_E_CORRUPT, "certificate 1, rms"},
    {PSTI_PROOF_BYTES + PSTI_CERTIFICATE_END_2, 1, 1, PST_E_CORRUPT, "certificate 1, reserved"},
    {PSTI_PROOF_BYTES + PSTI_CERTIFICATE_WORST_OUTPUT, 4, 3, PST_E_CORRUPT, "worst output of a certificate"},
    {PSTI_PROOF_BYTES + 2 * PSTI_CERTIFICATE_BYTES, 8, NAN_BITS, PST_E_CORRUPT, "proof, errors"},
    {PSTI_PROOF_BYTES + 2 * PSTI_CERTIFICATE_BYTES, 8, 0xc000000000000000, PST_E_CORRUPT, "proof, errors"},
    {PSTI_PROOF_BYTES + 2 * PSTI_CERTIFICATE_BYTES + 8, 8, 0x7ff0000000000000, PST_E_CORRUPT, "proof, errors"},
};

static void hostile_fields_2(void **state) {
    (void)state;
    content c = written_2(NULL);
    for (size_t i = 0; i < sizeof alterations_2 / sizeof *alterations_2; i++)
        altered(written_2, "version 2", &alterations_2[i], 0);
    for (size_t i = 0; i < sizeof alterations_proof / sizeof *alterations_proof; i++)
        altered(written_2, "proof", &alterations_proof[i], proof_of(&c));
    free(c.bytes);
}

static void hostile_values_2(void **state) {
    (void)state;
    content c = written_2(NULL);
    size_t feature = get(&c, L(0, PSTI_LAYER_FEATURE)), tiles = get(&c, M(0, 0, PSTI_MATRIX_TILES));
    size_t linear = get(&c, M(2, 0, PSTI_MATRIX_TILES)), rest = get(&c, M(0, 3, PSTI_MATRIX_TILES));
    size_t scale = get(&c, M(0, 2, PSTI_MATRIX_SCALE));
    refused_value(&c, feature, 0x40000000, 4, PST_E_CORRUPT, "layer 0 (lstm), feature scales: not a power of two");
    refused_value(&c, feature + 4, 0x3f400000, 4, PST_E_CORRUPT, "feature scales: not a power of two");
    refused_value(&c, feature + 8, 0, 4, PST_E_CORRUPT, "feature scales: not a power of two");
    refused_value(&c, feature + 12, 0x2b000000, 4, PST_E_CORRUPT, "feature scales: not a power of two"); /* 2^-41 */
    /* W_ih: a wide block of one group: multipliers of 4 vectors, then the words of 5 inputs */
    refused_value(&c, tiles, 128, 1, PST_E_CORRUPT, "matrix 0: a multiplier is out of range");
    refused_value(&c, tiles + 64, 0xf0, 1, PST_E_CORRUPT, "matrix 0: a weight is beyond its encoding's largest");
    refused_value(&c, tiles + 64 + 1, 0x10, 1, PST_E_CORRUPT, "matrix 0: a padding weight is not 0");
    refused_value(&c, rest, 0x80, 1, PST_E_CORRUPT, "matrix 3: an 8-bit weight is -128");
    refused_value(&c, scale, 0, 4, PST_E_CORRUPT, "matrix 2: a row scale");
    /* the Linear's 18 units: its second block has 14 lanes of padding */
    refused_value(&c, linear + 15, 200, 1, PST_E_CORRUPT, "layer 2 (linear), matrix 0: a multiplier is out of range");
    free(c.bytes);
}

/* What a program of version 1 or without a proof is written as: any other form of the same is refused. */
static void one_form_only(void **state) {
    (void)state;
    /* the proof of nothing */
    pst_program *p = program_2();
    p->more_count = 0;
    for (uint32_t i = 0; i < p->count; i++)
        for (uint32_t m = 0; m < PSTI_MATRICES; m++)
            p->layers[i].error[m] = -1;
    content c = content_of(p);
    assert_int_equal(try_open(&c), PST_OK);
    content longer = {calloc(1, c.n + 8), c.n + 8};
    memcpy(longer.bytes, c.bytes, c.n);
    longer.bytes[PSTI_AT_PROOF] = 8;
    rehash(&longer);
    assert_int_equal(try_open(&longer), PST_E_CORRUPT);
    assert_non_null(strstr(make_message(), "proof"));
    free(longer.bytes);
    free(c.bytes);
    /* errors of which none is known */
    p->layers[0].error[0] = 1;
    c = content_of(p);
    assert_int_equal(try_open(&c), PST_OK);
    const double unknown = -1;
    memcpy(c.bytes + proof_of(&c) + PSTI_PROOF_BYTES, &unknown, sizeof unknown);
    rehash(&c);
    assert_int_equal(try_open(&c), PST_E_CORRUPT);
    assert_non_null(strstr(make_message(), "proof, errors"));
    free(c.bytes);
    pst_program_free(p);
    /* version 2 for a program that version 1 holds: with a proof it must be, without it must not */
    p = make_program("f32");
    p->layers[0].error[0] = 1;
    c = content_of(p);
    assert_int_equal(version_of(&c), 2);
    assert_int_equal(try_open(&c), PST_OK);
    c.n = proof_of(&c);
    memset(c.bytes + PSTI_AT_PROOF, 0, 8);
    rehash(&c);
    assert_int_equal(try_open(&c), PST_E_CORRUPT);
    assert_non_null(strstr(make_message(), "version"));
    free(c.bytes);
    pst_program_free(p);
}

static void truncated_2(void **state) {
    (void)state;
    content c = written_2(NULL);
    for (size_t n = 0; n < c.n; n++) {
        content cut = {malloc(n + 1), n};
        memcpy(cut.bytes, c.bytes, n);
        assert_int_equal(try_open(&cut), PST_E_CORRUPT);
        if (n >= PSTI_AT_LAYERS) {
            rehash(&cut);
            assert_int_equal(try_open(&cut), PST_E_CORRUPT);
        }
        free(cut.bytes);
    }
    free(c.bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_back_bit_for_bit),
        cmocka_unit_test(identity_leaves_the_certificate_out),
        cmocka_unit_test(files_are_saved_and_opened),
        cmocka_unit_test(truncated_at_every_length),
        cmocka_unit_test(altered_at_every_byte),
        cmocka_unit_test(hostile_fields),
        cmocka_unit_test(hostile_values),
        cmocka_unit_test(hostile_order),
        cmocka_unit_test(version_2_comes_back),
        cmocka_unit_test(identity_leaves_the_proof_out),
        cmocka_unit_test(identity_has_every_setting),
        cmocka_unit_test(hostile_fields_2),
        cmocka_unit_test(hostile_values_2),
        cmocka_unit_test(one_form_only),
        cmocka_unit_test(truncated_2),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
