/* Errors of a thread, names of statuses, and the size rule of public structs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/status.h"

static pst_error last(void) {
    pst_error e;
    PST_INIT(e);
    pst_last_error(&e);
    return e;
}

static void detail_is_kept(void **unused) {
    (void)unused;
    char file[] = "a.bin";
    psti_where where = {
        .file = file, .item = "fc.weight", .field = "shape", .expected = 128, .found = -3, .os_error = 2};
    assert_int_equal(psti_fail(PST_E_SHAPE, where, "%s: %d", file, 7), PST_E_SHAPE);
    file[0] = 'X'; /* copied, not referred to */
    pst_error e = last();
    assert_int_equal(e.size, sizeof e);
    assert_int_equal(e.status, PST_E_SHAPE);
    assert_int_equal(e.os_error, 2);
    assert_string_equal(e.message, "a.bin: 7");
    assert_string_equal(e.file, "a.bin");
    assert_string_equal(e.item, "fc.weight");
    assert_string_equal(e.field, "shape");
    assert_int_equal(e.expected, 128);
    assert_int_equal(e.found, -3);
    (void)psti_fail(PST_E_BUSY, (psti_where){0}, "busy");
    e = last();
    assert_null(e.file);
    assert_null(e.item);
    assert_null(e.field);
    assert_string_equal(e.message, "busy");
}

static void message_is_one_line_and_cut_at_a_character(void **unused) {
    (void)unused;
    (void)psti_fail(PST_E_CORRUPT, (psti_where){0}, "tensor \"%s\"", "a\n\x1b[31m\tb\x7f");
    assert_string_equal(last().message, "tensor \"a??[31m?b?\"");
    static char text[10000];
    for (size_t shift = 0; shift < 3; shift++) { /* wherever the cut falls within a character */
        memset(text, 'a', shift);
        for (size_t i = shift; i + 3 < sizeof text; i += 3) {
            memcpy(text + i, "\xe2\x82\xac", 4);
        }
        (void)psti_fail(PST_E_CORRUPT, (psti_where){.file = text, .item = text}, "%s", text);
        pst_error e = last();
        const char *const cut[3] = {e.message, e.file, e.item};
        for (int i = 0; i < 3; i++) {
            assert_true(strlen(cut[i]) > 500);
            assert_int_equal((strlen(cut[i]) - shift) % 3, 0);
        }
    }
}

static void an_error_may_be_made_from_the_one_before(void **unused) {
    (void)unused;
    (void)psti_fail(PST_E_SHAPE, (psti_where){.file = "f", .item = "i", .field = "d"}, "inner");
    pst_error e = last();
    (void)psti_fail(PST_E_FILE, (psti_where){.file = e.item, .item = e.field, .field = e.file}, "outer: %s", e.message);
    e = last();
    assert_string_equal(e.message, "outer: inner");
    assert_string_equal(e.file, "i");
    assert_string_equal(e.item, "d");
    assert_string_equal(e.field, "f");
}

static void *other_thread(void *seen) {
    pst_error e;
    PST_INIT(e);
    pst_last_error(&e);
    *(int *)seen = e.status == PST_OK && e.message == NULL;
    (void)psti_fail(PST_E_HOST, (psti_where){0}, "other");
    return NULL;
}

static void errors_are_per_thread(void **unused) {
    (void)unused;
    (void)psti_fail(PST_E_FULL, (psti_where){0}, "mine");
    int clean = 0;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, other_thread, &clean), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(clean);
    assert_string_equal(last().message, "mine");
}

static void shorthands(void **unused) {
    (void)unused;
    assert_int_equal(psti_fail_memory(4096), PST_E_MEMORY);
    assert_int_equal(last().found, 4096);
    assert_non_null(strstr(last().message, "4096"));
    assert_int_equal(psti_fail_memory(SIZE_MAX), PST_E_MEMORY);
    assert_int_equal(last().found, INT64_MAX);
    assert_int_equal(psti_fail_null("out"), PST_E_ARGUMENT);
    assert_string_equal(last().message, "out must not be NULL");
    assert_string_equal(last().item, "out");
    pst_last_error(NULL);
}

static void names_and_version(void **unused) {
    (void)unused;
    assert_string_equal(pst_status_name(PST_OK), "PST_OK");
    assert_string_equal(pst_status_name(PST_E_ARGUMENT), "PST_E_ARGUMENT");
    assert_string_equal(pst_status_name(PST_E_SHAPE), "PST_E_SHAPE");
    assert_string_equal(pst_status_name(PST_E_NONFINITE), "PST_E_NONFINITE");
    assert_string_equal(pst_status_name(PST_E_EMPTY), "PST_E_EMPTY");
    assert_string_equal(pst_status_name(PST_E_LATE), "PST_E_LATE");
    assert_string_equal(pst_status_name(PST_E_LATE + 1), "unknown status");
    assert_string_equal(pst_status_name(-1), "unknown status");
    for (int status = PST_OK; status <= PST_E_LATE; status++) {
        assert_memory_equal(pst_status_name(status), "PST_", 4);
    }
    char expect[64];
    (void)snprintf(expect, sizeof expect, "%d.%d.%d", PST_VERSION_MAJOR, PST_VERSION_MINOR, PST_VERSION_PATCH);
    assert_string_equal(pst_version(), expect);
}

typedef struct {
    size_t size;
    int a, b;
    const char *c;
} options;

typedef struct {
    options known;
    int later[3];
} newer_options;

static void options_of_any_size(void **unused) {
    (void)unused;
    options own;
    memset(&own, 0xff, sizeof own);
    assert_int_equal(psti_take_options(NULL, &own, sizeof own, "options"), PST_OK);
    assert_true(own.size == sizeof own && own.a == 0 && own.b == 0 && own.c == NULL);

    options full = {.size = sizeof full, .a = 1, .b = 2, .c = "x"};
    assert_int_equal(psti_take_options(&full, &own, sizeof own, "options"), PST_OK);
    assert_true(own.a == 1 && own.b == 2 && own.c == full.c);

    full.size = offsetof(options, b); /* older: b and c unknown to the caller, whatever lies there */
    assert_int_equal(psti_take_options(&full, &own, sizeof own, "options"), PST_OK);
    assert_true(own.size == sizeof own && own.a == 1 && own.b == 0 && own.c == NULL);

    newer_options newer = {.known = {.size = sizeof newer, .a = 5}};
    assert_int_equal(psti_take_options(&newer, &own, sizeof own, "options"), PST_OK);
    assert_int_equal(own.a, 5);
    newer.later[2] = 1;
    assert_int_equal(psti_take_options(&newer, &own, sizeof own, "options"), PST_E_UNSUPPORTED);
    assert_string_equal(last().item, "options");

    full.size = 0; /* never initialised */
    assert_int_equal(psti_take_options(&full, &own, sizeof own, "options"), PST_E_ARGUMENT);
    full.size = sizeof(size_t) - 1;
    assert_int_equal(psti_take_options(&full, &own, sizeof own, "options"), PST_E_ARGUMENT);
    full.size = SIZE_MAX;
    assert_int_equal(psti_take_options(&full, &own, sizeof own, "options"), PST_E_ARGUMENT);
    assert_non_null(strstr(last().message, "PST_INIT"));
}

static void information_of_any_size(void **unused) {
    (void)unused;
    const options own = {.size = sizeof own, .a = 1, .b = 2, .c = "x"};
    options full = {.size = sizeof full, .a = 9};
    assert_int_equal(psti_check_info(&full, sizeof(size_t), "options"), PST_OK);
    psti_give_info(&full, &own, sizeof own);
    assert_true(full.size == sizeof full && full.a == 1 && full.b == 2 && full.c == own.c);

    options older = {.size = offsetof(options, b), .b = 77};
    psti_give_info(&older, &own, sizeof own);
    assert_true(older.size == offsetof(options, b) && older.a == 1 && older.b == 77 && older.c == NULL);

    newer_options newer = {.known = {.size = sizeof newer}, .later = {1, 2, 3}};
    psti_give_info(&newer, &own, sizeof own);
    assert_true(newer.known.size == sizeof newer && newer.known.b == 2 && newer.later[0] == 0 && newer.later[2] == 0);

    assert_int_equal(psti_check_info(NULL, sizeof(size_t), "options"), PST_E_ARGUMENT);
    full.size = 0;
    assert_int_equal(psti_check_info(&full, 0, "options"), PST_E_ARGUMENT);
    full.size = 12;
    assert_int_equal(psti_check_info(&full, 16, "options"), PST_E_ARGUMENT);
    full.size = SIZE_MAX;
    assert_int_equal(psti_check_info(&full, 16, "options"), PST_E_ARGUMENT);
    full.a = 1234;
    psti_give_info(&full, &own, sizeof own); /* unchecked garbage is left alone */
    assert_int_equal(full.a, 1234);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(detail_is_kept),
        cmocka_unit_test(message_is_one_line_and_cut_at_a_character),
        cmocka_unit_test(an_error_may_be_made_from_the_one_before),
        cmocka_unit_test(errors_are_per_thread),
        cmocka_unit_test(shorthands),
        cmocka_unit_test(names_and_version),
        cmocka_unit_test(options_of_any_size),
        cmocka_unit_test(information_of_any_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
