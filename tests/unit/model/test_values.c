/* Values of tensors: every element type becomes fp32, what is not a sound weight is refused with its place. */
#include "layers.h"

#include <math.h>
#include <stdio.h>

#include "base/number.h"
#include "model/model.h"

/* A Linear [2, 3] whose weights are these bytes. */
static void linear_of(chain *c, int dtype, const void *data) {
    chain_layer(c, "linear", NULL);
    chain_tensor(c, "weight", 2, 3);
    c->tensor[0][0].dtype = dtype;
    c->tensor[0][0].data = data;
}

static void check(int dtype, const void *data, size_t bytes, const float *expect) {
    /* At every alignment, and at the end of its memory. */
    for (size_t shift = 0; shift < 8; shift++) {
        unsigned char *place = malloc(bytes + shift);
        memcpy(place + shift, data, bytes);
        chain c = {0};
        linear_of(&c, dtype, place + shift);
        pst_model *m = chain_made(&c);
        for (size_t i = 0; i < 6; i++) {
            assert_int_equal(psti_bits(m->layers[0].tensor[PSTI_LINEAR_WEIGHT][i]), psti_bits(expect[i]));
        }
        pst_model_free(m);
        free(place);
    }
}

static void every_element_type(void **unused) {
    (void)unused;
    const float f32[6] = {0, -0.0f, 1.5f, -0x1p40f, 0x1p-149f, 0x1.fffffep-3f};
    check(PST_F32, f32, sizeof f32, f32);
    /* 1 + 2^-24 and 1 + 3 * 2^-24 are ties; the next double above a tie is none; 2^-150 is a tie between 0 and 2^-149.
     */
    const double f64[6] = {1 + 0x1p-24, 1 + 0x3p-24, 1 + 0x1p-24 + 0x1p-52, -0x1p40, 0x1p-150, 0.1};
    const float as_f32[6] = {1, 1 + 0x1p-22f, 1 + 0x1p-23f, -0x1p40f, 0, 0.1f};
    check(PST_F64, f64, sizeof f64, as_f32);
    const uint16_t f16[6] = {0x0000, 0x8000, 0x3c01, 0xfbff, 0x0001, 0x83ff};
    const float from_f16[6] = {0, -0.0f, 1 + 0x1p-10f, -65504, 0x1p-24f, -0x1.ff8p-15f};
    check(PST_F16, f16, sizeof f16, from_f16);
    const uint16_t bf16[6] = {0x0000, 0x8000, 0x3f81, 0xd380, 0x0001, 0xbf80};
    const float from_bf16[6] = {0, -0.0f, 1 + 0x1p-7f, -0x1p40f, 0x1p-133f, -1};
    check(PST_BF16, bf16, sizeof bf16, from_bf16);
}

static void refuse(int dtype, const void *data, const char *value) {
    chain c = {0};
    linear_of(&c, dtype, data);
    chain_refused(&c, PST_E_NONFINITE, WORDS("layer 0 (linear), weight: element [1, 1] is ", value, "2^40"));
    assert_int_equal(last_error().found, 4);
    assert_string_equal(last_error().item, "layer 0 (linear), weight");
}

static void bad_values_and_their_place(void **unused) {
    (void)unused;
    float f32[6] = {0};
    double f64[6] = {0};
    uint16_t half[6] = {0};
    const float bad32[] = {NAN, -NAN, INFINITY, -INFINITY, nextafterf(0x1p40f, INFINITY), -0x1p41f, 3.4e38f};
    const char *const text32[] = {"NaN", "NaN", "infinity", "-infinity", "1.0995", "-2.199", "3.39999"};
    for (size_t i = 0; i < sizeof bad32 / sizeof *bad32; i++) {
        f32[4] = bad32[i];
        refuse(PST_F32, f32, text32[i]);
    }
    const double bad64[] = {NAN, INFINITY, -INFINITY, nextafter(0x1p40, INFINITY), -1e300};
    const char *const text64[] = {"NaN", "infinity", "-infinity", "1.0995", "-1e+300"};
    for (size_t i = 0; i < sizeof bad64 / sizeof *bad64; i++) {
        f64[4] = bad64[i];
        refuse(PST_F64, f64, text64[i]);
    }
    const uint16_t bad16[] = {0x7c00, 0xfc00, 0x7c01, 0xffff};
    const char *const text16[] = {"infinity", "-infinity", "NaN", "NaN"};
    for (size_t i = 0; i < 4; i++) {
        half[4] = bad16[i];
        refuse(PST_F16, half, text16[i]);
    }
    const uint16_t badb[] = {0x7f80, 0xff80, 0x7fc0, 0x5381};
    const char *const textb[] = {"infinity", "-infinity", "NaN", "1.1"};
    for (size_t i = 0; i < 4; i++) {
        half[4] = badb[i];
        refuse(PST_BF16, half, textb[i]);
    }
}

static void every_tensor_is_looked_at(void **unused) {
    (void)unused;
    static const char *const names[] = {"weight_ih", "weight_hh", "bias_ih", "bias_hh", "h0", "c0"};
    for (size_t t = 0; t < 6; t++) {
        chain c = {0};
        chain_lstm(&c, 2, 3);
        chain_tensor(&c, "h0", 3, 0);
        chain_tensor(&c, "c0", 3, 0);
        c.data[0][t][2] = NAN;
        char where[64];
        (void)snprintf(where, sizeof where, "layer 0 (lstm), %s: element [%s is NaN", names[t],
                       t == 0   ? "1, 0]"
                       : t == 1 ? "0, 2]"
                                : "2]");
        chain_refused(&c, PST_E_NONFINITE, WORDS(where));
        assert_int_equal(last_error().found, 2);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_element_type),
        cmocka_unit_test(bad_values_and_their_place),
        cmocka_unit_test(every_tensor_is_looked_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
