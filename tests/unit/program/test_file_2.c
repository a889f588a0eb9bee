/* The .pstk file, version 2: rests, fewer bits, proofs. What version 1 has, too, is in test_file.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "content.h"

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
