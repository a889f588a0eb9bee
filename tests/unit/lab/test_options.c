/* What bench is asked for: lists, spacings, names; and what is refused, with the reason. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "lab/error.h"
#include "lab/options.h"

static lab_options o;

static int defaults(void **unused) {
    (void)unused;
    return lab_options_default(&o);
}

static int gone(void **unused) {
    (void)unused;
    lab_options_free(&o);
    return 0;
}

static void the_default(void **unused) {
    (void)unused;
    assert_int_equal(o.models.count, 4);
    assert_string_equal(o.models.item[3], "med_deep");
    assert_int_equal(o.formats.count, 5);
    assert_string_equal(o.formats.item[0], "bf16");
    assert_int_equal(o.cores.count, 2);
    assert_string_equal(o.cores.item[0], "1");
    assert_string_equal(o.cores.item[1], "best");
    assert_true(o.spacing_us == 20 && o.burst == 1 && o.inferences == 50000);
    assert_int_equal(lab_check_models(&o.models), 0);
    assert_int_equal(lab_check_cores(&o.cores), 0);
}

static void lists(void **unused) {
    (void)unused;
    assert_int_equal(lab_list_parse("--models", "large,a/b.pstk,./tiny", &o.models), 0);
    assert_int_equal(o.models.count, 3);
    assert_string_equal(o.models.item[1], "a/b.pstk");
    const char *const wrong[] = {"", "tiny,", ",tiny", "tiny,,small", "tiny,small,tiny"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(lab_list_parse("--models", wrong[i], &o.models), -1);
        assert_non_null(strstr(lab_error(), "--models"));
        assert_int_equal(o.models.count, 3); /* as it was */
    }
    char many[4 * LAB_LIST_MOST + 8] = "";
    for (int i = 0; i <= LAB_LIST_MOST; i++)
        snprintf(many + strlen(many), 8, "%s%d", i ? "," : "", i);
    assert_int_equal(lab_list_parse("--cores", many, &o.cores), -1);
}

/* A format's own text may have commas. */
static void formats(void **unused) {
    (void)unused;
    static const struct {
        const char *text;
        uint32_t count;
        const char *last;
    } of[] = {{"bf16,w8a8", 2, "w8a8"},
              {"bf16;w8a8", 2, "w8a8"},
              {"w8a16;ih=w4r,hh=bf16", 2, "ih=w4r,hh=bf16"},
              {"ih=w4r,hh=bf16;w8a8,x;w8a16", 3, "w8a16"},
              {"ih=w4r,hh=bf16,linear=w8a16", 1, "ih=w4r,hh=bf16,linear=w8a16"}};
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        assert_int_equal(lab_formats_parse(of[i].text, &o.formats), 0);
        assert_int_equal(o.formats.count, of[i].count);
        assert_string_equal(o.formats.item[of[i].count - 1], of[i].last);
    }
    static const char *const wrong[] = {"", "bf16;", ";bf16", "bf16,,w8a8", "w8a16;;hh=bf16", "bf16,bf16", "a=b;a=b"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(lab_formats_parse(wrong[i], &o.formats), -1);
        assert_non_null(strstr(lab_error(), "--formats"));
        assert_int_equal(o.formats.count, 1); /* as it was */
    }
}

static void names(void **unused) {
    (void)unused;
    assert_true(lab_is_path("a.pstk") && lab_is_path("./a") && lab_is_path("d/a.bin"));
    assert_false(lab_is_path("tiny") || lab_is_path(".pstk"));
    assert_int_equal(lab_list_parse("--models", "tiny,tony", &o.models), 0);
    assert_int_equal(lab_check_models(&o.models), -1);
    assert_non_null(strstr(lab_error(), "'tony'"));
    assert_non_null(strstr(lab_error(), "stac_c"));
}

static void cores(void **unused) {
    (void)unused;
    assert_int_equal(lab_list_parse("--cores", "1,2,best,4096", &o.cores), 0);
    assert_int_equal(lab_check_cores(&o.cores), 0);
    const char *const wrong[] = {"0", "-1", "+1", "1x", " 1", "4097", "1e2", "Best", "best2", "99999999999999999999"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(lab_list_parse("--cores", wrong[i], &o.cores), 0);
        assert_int_equal(lab_check_cores(&o.cores), -1);
    }
}

static void spacings(void **unused) {
    (void)unused;
    assert_int_equal(lab_spacing_parse("1000", &o), 0);
    assert_true(o.spacing_us == 1000 && o.burst == 1);
    assert_int_equal(lab_spacing_parse("0.5", &o), 0);
    assert_true(o.spacing_us == 0.5);
    assert_int_equal(lab_spacing_parse("0", &o), 0);
    assert_true(o.spacing_us == 0);
    assert_int_equal(lab_spacing_parse("burst:8", &o), 0);
    assert_true(o.spacing_us == 20 && o.burst == 8);
    const char *const wrong[] = {"",    "-1",      "20us",     "nan",     "inf",     "0x10",     "1e3",
                                 ".",   "1000001", "burst",    "burst:",  "burst:0", "burst:-2", "burst:1025",
                                 " 20", "burst:x", "burst:2 ", "Burst:2", "burst: 2"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(lab_spacing_parse(wrong[i], &o), -1);
        assert_non_null(strstr(lab_error(), "--spacing-us"));
        assert_true(o.spacing_us == 20 && o.burst == 8); /* as they were */
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_default, defaults, gone),
        cmocka_unit_test_setup_teardown(lists, defaults, gone),
        cmocka_unit_test_setup_teardown(formats, defaults, gone),
        cmocka_unit_test_setup_teardown(names, defaults, gone),
        cmocka_unit_test_setup_teardown(cores, defaults, gone),
        cmocka_unit_test_setup_teardown(spacings, defaults, gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
