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
#include "content.h"
#include "support/sample.h"

static content written(const char *format) {
    pst_program *p = make_program(format);
    p->certified = 1;
    p->certificate = some_certificate;
    p->certificate.drift = p->certificate.constant_rms = p->certificate.constant_max_abs = (double)NAN; /* version 1 */
    content c = content_of(p);
    pst_program_free(p);
    return c;
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
        for (size_t n = 0; n < c.n; n += sample_of(7)) {
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
        for (size_t i = 0; i < c.n; i += sample_of(7)) {
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
