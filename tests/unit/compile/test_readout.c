/* A model's readout goes with its program and changes no number. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "format/recipe.h"
#include "program/layout.h"
#include "support/expect.h"

static pst_program *program_of(const char *format, const char *readout) {
    static const uint64_t shape[] = {2, 3};
    static const float weight[] = {1, -0.5f, 0.25f, 0.1f, 0.2f, -0.3f};
    const pst_tensor tensor = {sizeof tensor, "weight", PST_F32, 2, shape, weight}, *tensors[] = {&tensor};
    const pst_layer layer = {.size = sizeof layer, .kind = "linear", .tensors = tensors, .tensor_count = 1};
    const pst_layer *layers[] = {&layer};
    pst_model_options o;
    pst_compile_options how;
    pst_model *m = NULL;
    pst_program *p = NULL;
    PST_INIT(o);
    PST_INIT(how);
    o.readout = readout;
    how.format = format;
    OK(pst_model_create(layers, 1, &o, &m));
    OK(pst_compile(m, &how, &p));
    pst_model_free(m);
    return p;
}

static void test_only_the_record_differs(void **unused) {
    (void)unused;
    for (size_t f = 0; psti_format_name(f); f++) {
        pst_program *all = program_of(psti_format_name(f), "all"), *last = program_of(psti_format_name(f), "last");
        pst_info of_all, of_last;
        PST_INIT(of_all);
        PST_INIT(of_last);
        OK(pst_program_get_info(all, &of_all));
        OK(pst_program_get_info(last, &of_last));
        assert_string_equal(of_all.readout, "all");
        assert_string_equal(of_last.readout, "last");
        assert_true(of_all.hash != of_last.hash);
        unsigned char *a, *b;
        size_t a_n, b_n;
        OK(psti_program_write(all, &a, &a_n));
        OK(psti_program_write(last, &b, &b_n));
        assert_int_equal(a_n, b_n);
        const size_t at = PSTI_AT_PROGRAM + PSTI_PROGRAM_READOUT;
        assert_int_equal(a[at], PSTI_READOUT_ALL);
        assert_int_equal(b[at], PSTI_READOUT_LAST);
        a[at] = b[at];
        memcpy(a + PSTI_AT_HASH, b + PSTI_AT_HASH, 8);
        assert_memory_equal(a, b, a_n); /* tiles, scales and the certificate's errors too */
        free(a);
        free(b);
        pst_program_free(all);
        pst_program_free(last);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_only_the_record_differs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
