/* Recipes: what every name, role and layer means, and what is refused with which words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "format/recipe.h"
#include "support/expect.h"

/* The whole formats: W_ih, W_hh, a Linear's weight. */
static const struct {
    const char *name;
    psti_held of[PSTI_ROLES];
} formats[] = {
    {"f32", {{PSTI_F32, -1}, {PSTI_F32, -1}, {PSTI_F32, -1}}},
    {"bf16", {{PSTI_BF16, -1}, {PSTI_BF16, -1}, {PSTI_BF16, -1}}},
    {"w8a16", {{PSTI_W8A16, -1}, {PSTI_W8A16, -1}, {PSTI_W8A16, -1}}},
    {"w8a8", {{PSTI_W8A8, -1}, {PSTI_W8A8, -1}, {PSTI_W8A16, -1}}},
    {"w6a16", {{PSTI_W6A16, -1}, {PSTI_W8A16, -1}, {PSTI_W8A16, -1}}},
    {"w4a16", {{PSTI_W4A16, -1}, {PSTI_W8A16, -1}, {PSTI_W8A16, -1}}},
    {"w4a8", {{PSTI_W4A8, -1}, {PSTI_W8A16, -1}, {PSTI_W8A16, -1}}},
    {"w3a8", {{PSTI_W3A8, -1}, {PSTI_W8A16, -1}, {PSTI_W8A16, -1}}},
    {"w2a8", {{PSTI_W2A8, -1}, {PSTI_W8A16, -1}, {PSTI_W8A16, -1}}},
    {"w8r", {{PSTI_W8A16, PSTI_W8A16}, {PSTI_W8A16, PSTI_W8A16}, {PSTI_W8A16, -1}}},
    {"w6r", {{PSTI_W6A16, PSTI_W8A16}, {PSTI_W8A16, PSTI_W8A16}, {PSTI_W8A16, -1}}},
    {"w4r", {{PSTI_W4A8, PSTI_W8A8}, {PSTI_W8A16, -1}, {PSTI_W8A16, -1}}},
    {"w3r", {{PSTI_W3A8, PSTI_W8A8}, {PSTI_W8A16, -1}, {PSTI_W8A16, -1}}},
    {"w2r", {{PSTI_W2A8, PSTI_W8A8}, {PSTI_W8A16, -1}, {PSTI_W8A16, -1}}},
};
enum { FORMATS = sizeof formats / sizeof *formats };

static void is(const psti_recipe *found, const char *text, psti_held ih, psti_held hh, psti_held linear) {
    const psti_held expect[PSTI_ROLES] = {ih, hh, linear};
    for (int role = 0; role < PSTI_ROLES; role++)
        if (found->of[role].encoding != expect[role].encoding || found->of[role].rest != expect[role].rest)
            fail_msg("\"%s\", role %d: encoding %d and rest %d, expected %d and %d", text, role,
                     found->of[role].encoding, found->of[role].rest, expect[role].encoding, expect[role].rest);
    assert_int_equal(found->group, PSTI_LEAST_GROUP);
}

static void test_formats(void **unused) {
    (void)unused;
    for (size_t f = 0; f < FORMATS; f++) {
        psti_recipe r;
        assert_string_equal(psti_format_name(f), formats[f].name);
        OK(psti_recipe_parse(formats[f].name, "format", &r));
        is(&r, formats[f].name, formats[f].of[0], formats[f].of[1], formats[f].of[2]);
    }
    assert_null(psti_format_name(FORMATS));
}

/* Those not named are as in the format of ih's name; without ih, or where no format is called so, bf16. */
static void test_roles(void **unused) {
    (void)unused;
    static const struct {
        const char *text;
        psti_held ih, hh, linear;
    } cases[] = {
        {"ih=w4r", {PSTI_W4A8, PSTI_W8A8}, {PSTI_W8A16, -1}, {PSTI_W8A16, -1}},
        {"ih=w8r", {PSTI_W8A16, PSTI_W8A16}, {PSTI_W8A16, PSTI_W8A16}, {PSTI_W8A16, -1}},
        {"hh=w16a16", {PSTI_BF16, -1}, {PSTI_W8A16, PSTI_W8A16}, {PSTI_BF16, -1}},
        {"linear=w2a8", {PSTI_BF16, -1}, {PSTI_BF16, -1}, {PSTI_W2A8, -1}},
        {"ih=f32,linear=w3a8", {PSTI_F32, -1}, {PSTI_F32, -1}, {PSTI_W3A8, -1}},
        {"linear=w8a16,hh=bf16,ih=w4a8", {PSTI_W4A8, -1}, {PSTI_BF16, -1}, {PSTI_W8A16, -1}},
        {"hh=f32,ih=w6a16", {PSTI_W6A16, -1}, {PSTI_F32, -1}, {PSTI_W8A16, -1}},
        {"ih=w8a8,hh=w2a8,linear=w4a16", {PSTI_W8A8, -1}, {PSTI_W2A8, -1}, {PSTI_W4A16, -1}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        psti_recipe r;
        OK(psti_recipe_parse(cases[i].text, "format", &r));
        is(&r, cases[i].text, cases[i].ih, cases[i].hh, cases[i].linear);
    }
    /* every encoding in every role; rests in ih, 16 bits in hh */
    static const char *const roles[PSTI_ROLES] = {"ih", "hh", "linear"};
    for (int role = 0; role < PSTI_ROLES; role++)
        for (int encoding = 0; encoding < PSTI_ENCODINGS; encoding++) {
            psti_recipe r;
            char text[64];
            snprintf(text, sizeof text, "%s=%s", roles[role], psti_encodings[encoding].name);
            OK(psti_recipe_parse(text, "format", &r));
            assert_int_equal(r.of[role].encoding, encoding);
            assert_int_equal(r.of[role].rest, -1);
            assert_string_equal(psti_held_name(role, r.of[role]), psti_encodings[encoding].name);
        }
    for (size_t f = 0; f < FORMATS; f++)
        assert_string_equal(psti_held_name(PSTI_ROLE_IH, formats[f].of[PSTI_ROLE_IH]), formats[f].name);
    assert_string_equal(psti_held_name(PSTI_ROLE_HH, (psti_held){PSTI_W8A16, PSTI_W8A16}), "w16a16");
}

#define KNOWN "f32, bf16, w8a16, w8a8, w6a16, w4a16, w4a8, w3a8, w2a8, w8r, w6r, w4r, w3r, w2r"
#define ENCODINGS "f32, bf16, w8a16, w8a8, w4a16, w4a8, w6a16, w3a8, w2a8"

static void test_refused(void **unused) {
    (void)unused;
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"", "format: expected one of " KNOWN ", or roles as ih=w4a8,hh=bf16,linear=w8a16, found \"\""},
        {"W8A8", "found \"W8A8\""},
        {"w8a8 ", "found \"w8a8 \""},
        {"w16a16", "format: expected one of " KNOWN},
        {"w4a8,bf16", "found \"w4a8,bf16\""},
        {"=", "format: expected roles as ih=w4a8,hh=bf16,linear=w8a16, found \"=\""},
        {"=w4a8", "format: expected roles"},
        {"xh=w4a8", "format: expected roles as ih=w4a8,hh=bf16,linear=w8a16, found \"xh=w4a8\""},
        {"ih=w4a8,", "format: expected roles as ih=w4a8,hh=bf16,linear=w8a16, found \"\""},
        {"ih=w4a8,bf16", "found \"bf16\""},
        {"ih=w4a8,ih=w4a8", "format: ih is given twice"},
        {"linear=f32,hh=f32,linear=f32", "format: linear is given twice"},
        {"ih=w5a8", "format: ih: expected one of " ENCODINGS ", w8r, w6r, w4r, w3r, w2r, found \"w5a8\""},
        {"ih=w16a16", "format: ih: expected one of"},
        {"hh=w4r", "format: hh: expected one of " ENCODINGS ", w16a16, found \"w4r\""},
        {"linear=w8r", "format: linear: expected one of " ENCODINGS ", found \"w8r\""},
        {"linear=w16a16", "format: linear: expected one of " ENCODINGS ", found"},
        {"ih=", "format: ih: expected one of"},
        {"ih=w4a8=w4a8", "format: ih: expected one of"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        psti_recipe r;
        FAILS(PST_E_ARGUMENT, psti_recipe_parse(cases[i].text, "format", &r));
        SAYS(cases[i].says);
        assert_string_equal(expect_error().field, "format");
    }
    char longest[400]; /* is refused as it is, whatever its length */
    memset(longest, 'x', sizeof longest);
    for (size_t n = 100; n < sizeof longest; n++) {
        psti_recipe r;
        longest[n] = 0;
        FAILS(PST_E_ARGUMENT, psti_recipe_parse(longest, "format", &r));
        SAYS("expected one of " KNOWN);
        longest[n] = 'x';
    }
}

static void test_layers(void **unused) {
    (void)unused;
    const char *by = "0=w8a16;2=ih=w4r,hh=bf16;3=linear=w2a8";
    static const struct {
        psti_held ih, hh, linear;
    } expect[] = {
        {{PSTI_W8A16, -1}, {PSTI_W8A16, -1}, {PSTI_W8A16, -1}},
        {{PSTI_F32, -1}, {PSTI_F32, -1}, {PSTI_F32, -1}},
        {{PSTI_W4A8, PSTI_W8A8}, {PSTI_BF16, -1}, {PSTI_W8A16, -1}},
        {{PSTI_BF16, -1}, {PSTI_BF16, -1}, {PSTI_W2A8, -1}}, /* not of the program's format, f32: of its own */
    };
    psti_recipe r;
    for (uint32_t i = 0; i < 4; i++) {
        OK(psti_recipe_of_layer("f32", by, i, 4, &r));
        is(&r, by, expect[i].ih, expect[i].hh, expect[i].linear);
    }
    OK(psti_recipe_of_layer("f32", "3=bf16;0=w8a8", 0, 4, &r)); /* in any order */
    is(&r, "3=bf16;0=w8a8", (psti_held){PSTI_W8A8, -1}, (psti_held){PSTI_W8A8, -1}, (psti_held){PSTI_W8A16, -1});
    OK(psti_recipe_of_layer("bf16", NULL, 3, 4, &r));
    is(&r, "bf16", (psti_held){PSTI_BF16, -1}, (psti_held){PSTI_BF16, -1}, (psti_held){PSTI_BF16, -1});
    OK(psti_recipe_of_layer("bf16", "1023=f32", 1023, 1024, &r));
    assert_int_equal(r.of[0].encoding, PSTI_F32);
}

/* All of it is checked, whichever layer is asked for. */
static void test_layers_refused(void **unused) {
    (void)unused;
    static const struct {
        const char *by, *says;
    } cases[] = {
        {"", "format of a layer: expected LAYER=FORMAT, as 0=w8a16, found \"\""},
        {"w8a16", "expected LAYER=FORMAT, as 0=w8a16, found \"w8a16\""},
        {"1", "found \"1\""},
        {"1:w8a16", "found \"1:w8a16\""},
        {" 1=w8a16", "found \" 1=w8a16\""},
        {"-1=w8a16", "found \"-1=w8a16\""},
        {"+1=w8a16", "found \"+1=w8a16\""},
        {"1=w8a16;", "expected LAYER=FORMAT, as 0=w8a16, found \"\""},
        {"1=w8a16;;2=bf16", "found \"\""},
        {"4=w8a16", "format of a layer: the model has layers 0 to 3, found 4"},
        {"99999999999999999999=w8a16", "the model has layers 0 to 3, found"},
        {"1=w8a16;2=bf16;1=w8a16", "format of a layer: layer 1 is given twice"},
        {"01=w8a16;1=bf16", "format of a layer: layer 1 is given twice"},
        {"1=", "format of a layer: expected one of " KNOWN},
        {"1=w9",
         "format of a layer: expected one of " KNOWN ", or roles as ih=w4a8,hh=bf16,linear=w8a16, found \"w9\""},
        {"1=hh=w4r", "format of a layer: hh: expected one of"},
        {"1=ih=f32,ih=f32", "format of a layer: ih is given twice"},
    };
    psti_recipe r;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (uint32_t layer = 0; layer < 4; layer++) {
            FAILS(PST_E_ARGUMENT, psti_recipe_of_layer("f32", cases[i].by, layer, 4, &r));
            SAYS(cases[i].says);
        }
    FAILS(PST_E_ARGUMENT, psti_recipe_of_layer("w9", "1=f32", 1, 4, &r));
    SAYS("format: expected one of");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_formats), cmocka_unit_test(test_roles),          cmocka_unit_test(test_refused),
        cmocka_unit_test(test_layers),  cmocka_unit_test(test_layers_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
