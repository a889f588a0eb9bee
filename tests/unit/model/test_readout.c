/* Which outputs the source of a model gives: taken, told, and nothing else. */
#include "layers.h"

#include <stdio.h>

#include "model/model.h"

static pst_status create(const pst_model_options *o, pst_model **out) {
    chain c = {0};
    chain_linear(&c, 2, 3);
    pst_status status = pst_model_create(c.layers, c.count, o, out);
    chain_free(&c);
    return status;
}

static void it_is_told(void **unused) {
    (void)unused;
    static const struct { const char *given, *told; } cases[] = {{NULL, "all"}, {"all", "all"}, {"last", "last"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char name[8] = "";
        pst_model_options o;
        PST_INIT(o);
        if (cases[i].given) {
            strcpy(name, cases[i].given);
            o.readout = name;
        }
        pst_model *m = NULL;
        assert_int_equal(create(&o, &m), PST_OK);
        memset(name, 'x', sizeof name - 1); /* nothing the caller passes is kept */
        pst_info info;
        PST_INIT(info);
        assert_int_equal(pst_model_get_info(m, &info), PST_OK);
        assert_string_equal(info.readout, cases[i].told);
        pst_model_free(m);
    }
}

static void others_are_refused(void **unused) {
    (void)unused;
    static const char *const bad[] = {"", "first", "Last", "last ", "ALL"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        pst_model_options o;
        PST_INIT(o);
        o.readout = bad[i];
        pst_model *m = (pst_model *)&o;
        assert_int_equal(create(&o, &m), PST_E_UNSUPPORTED);
        assert_ptr_equal(m, &o);
        char found[32];
        (void)snprintf(found, sizeof found, "found \"%s\"", bad[i]);
        assert_non_null(strstr(last_error().message, found));
        assert_non_null(strstr(last_error().message, "\"all\" or \"last\" expected"));
        assert_string_equal(last_error().field, "readout");
        assert_string_equal(last_error().item, bad[i]);
    }
}

static void names_and_numbers(void **unused) {
    (void)unused;
    /* The numbers stand in .pstk files. */
    assert_int_equal(psti_readout_find("all"), 0);
    assert_int_equal(psti_readout_find("last"), 1);
    assert_int_equal(psti_readout_find("none"), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_told),
        cmocka_unit_test(others_are_refused),
        cmocka_unit_test(names_and_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
