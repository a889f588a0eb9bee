/* Others' figures: those that are built in, and texts that are not as they should be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "lab/anchors.h"
#include "lab/error.h"

static void the_cards(void **unused) {
    (void)unused;
    lab_anchors a;
    char text[32];
    assert_int_equal(lab_anchors_open(lab_anchor_texts, &a), 0);
    assert_true(a.columns >= 2);
    /* the seed's card first, then the newest */
    assert_true(lab_anchors_figure(&a, 0, "tiny", "mean_us") == 4.3);
    assert_true(lab_anchors_figure(&a, 0, "med_deep", "p99_us") == 8.9);
    assert_true(lab_anchors_figure(&a, 1, "med_deep", "mean_us") == 3.3);
    assert_true(isnan(lab_anchors_figure(&a, 0, "large", "mean_us")));
    assert_true(isnan(lab_anchors_figure(&a, 0, "no such model", "mean_us")));
    lab_anchors_text(&a, 1, "med_deep", text, sizeof text);
    assert_string_equal(text, "3.3/3.4");
    lab_anchors_text(&a, 0, "large", text, sizeof text);
    assert_string_equal(text, "-");
    for (size_t k = 0; k < a.columns; k++)
        assert_true(a.column[k].source[0] && a.column[k].conditions[0] && a.column[k].system[0]);
    lab_anchors_close(&a);
}

static void a_median_says_so(void **unused) {
    (void)unused;
    const char *const texts[] = {"{\"source\":\"s\",\"systems\":[{\"system\":\"x\",\"heading\":\"h\",\"figures\":"
                                 "{\"tiny\":{\"p50_us\":2.5},\"med\":{\"p50_us\":3,\"p99_us\":4}}}]}",
                                 NULL};
    lab_anchors a;
    char text[32];
    assert_int_equal(lab_anchors_open(texts, &a), 0);
    lab_anchors_text(&a, 0, "tiny", text, sizeof text);
    assert_string_equal(text, "p50 2.5");
    lab_anchors_text(&a, 0, "med", text, sizeof text);
    assert_string_equal(text, "p50 3/4");
    lab_anchors_close(&a);
}

static void refused(void **unused) {
    (void)unused;
    const char *const wrong[] = {
        "",
        "[]",
        "{}",
        "{\"source\":\"s\",\"systems\":{}}",
        "{\"source\":\"s\",\"systems\":[1]}",
        "{\"source\":\"s\",\"systems\":[{\"system\":\"x\"}]}",
        "{\"source\":\"s\",\"systems\":[{\"system\":\"x\",\"figures\":[]}]}",
        "{\"systems\":[{\"system\":\"x\",\"figures\":{}}]}",
        "{\"source\":\"s\",\"source\":\"t\",\"systems\":[]}",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const char *const texts[] = {wrong[i], NULL};
        lab_anchors a;
        assert_int_equal(lab_anchors_open(texts, &a), -1);
        assert_non_null(strstr(lab_error(), "anchors"));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_cards),
        cmocka_unit_test(a_median_says_so),
        cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
