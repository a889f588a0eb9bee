/* Checked arithmetic, the arena, aligned memory, and texts of bounded length. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/status.h"
#include "base/text.h"

static pst_status last_status(void) {
    pst_error e;
    PST_INIT(e);
    pst_last_error(&e);
    return e.status;
}

static void arithmetic(void **unused) {
    (void)unused;
    size_t out = 7;
    assert_true(psti_multiply(6, 7, &out));
    assert_int_equal(out, 42);
    assert_true(psti_multiply(SIZE_MAX, 1, &out));
    assert_true(out == SIZE_MAX);
    out = 7;
    assert_false(psti_multiply(SIZE_MAX / 2 + 1, 2, &out));
    assert_int_equal(out, 7);
    assert_true(psti_add(SIZE_MAX - 1, 1, &out));
    out = 7;
    assert_false(psti_add(SIZE_MAX, 1, &out));
    assert_int_equal(out, 7);
}

static void check_piece(const unsigned char *piece, size_t bytes) {
    assert_non_null(piece);
    assert_int_equal((uintptr_t)piece % 64, 0);
    for (size_t i = 0; i < bytes; i++) {
        assert_int_equal(piece[i], 0);
    }
}

static void arena(void **unused) {
    (void)unused;
    psti_arena a = {0};
    size_t bytes = 0;
    for (size_t n = 0; n < 200; n++) {
        unsigned char *piece = psti_arena_take(&a, n, 3);
        check_piece(piece, n * 3);
        memset(piece, 0xff, n * 3); /* the next pieces must not share a byte of it */
        bytes += n * 3;
    }
    assert_int_equal(a.bytes, bytes);
    char *text = psti_arena_string(&a, "penstock");
    assert_string_equal(text, "penstock");
    assert_null(psti_arena_take(&a, SIZE_MAX / 2, 3));
    assert_int_equal(last_status(), PST_E_MEMORY);
    assert_null(psti_arena_take(&a, SIZE_MAX, 1));
    assert_int_equal(last_status(), PST_E_MEMORY);
    psti_arena_free(&a);
    assert_null(a.chunks);
    assert_int_equal(a.bytes, 0);
    psti_arena_free(&a); /* free when empty, and usable again */
    check_piece(psti_arena_take(&a, 10, 10), 100);
    psti_arena_free(&a);
}

static void heap(void **unused) {
    (void)unused;
    for (size_t n = 0; n < 200; n++) {
        unsigned char *memory = psti_allocate(n, 1);
        check_piece(memory, n);
        free(memory);
    }
    assert_null(psti_allocate(SIZE_MAX / 2, 3));
    assert_int_equal(last_status(), PST_E_MEMORY);
    assert_null(psti_allocate(SIZE_MAX - 10, 1));
    assert_int_equal(last_status(), PST_E_MEMORY);
}

static void text(void **unused) {
    (void)unused;
    psti_text t = {0};
    psti_text_item(&t, "%s", "a");
    psti_text_item(&t, "%d", 2);
    psti_text_add(&t, ";");
    assert_string_equal(psti_text_end(&t), "a, 2;");
    t = (psti_text){0};
    psti_text_shape(&t, 0, NULL);
    const uint64_t shape[10] = {1, 2, UINT64_MAX};
    psti_text_shape(&t, 3, shape);
    psti_text_shape(&t, 10, shape);
    assert_string_equal(psti_text_end(&t),
                        "[][1, 2, 18446744073709551615][1, 2, 18446744073709551615, 0, 0, 0, 0, 0, ...]");
    t = (psti_text){0};
    for (int i = 0; i < 1000; i++) {
        psti_text_item(&t, "tensor number %d", i);
    }
    psti_text_end(&t);
    assert_int_equal(strlen(t.text), t.used);
    assert_true(t.used < sizeof t.text);
    unsigned left;
    const char *and = strstr(t.text, " and ");
    assert_non_null(and);
    assert_int_equal(sscanf(and, " and %u more", &left), 1);
    char shown[64];
    (void)snprintf(shown, sizeof shown, "tensor number %u and", 1000 - left - 1);
    assert_non_null(strstr(t.text, shown));
    t = (psti_text){0};
    for (int i = 0; i < 1000; i++) {
        psti_text_add(&t, "0123456789");
    }
    assert_int_equal(t.used, sizeof t.text - 1);
    assert_int_equal(strlen(t.text), t.used);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arithmetic),
        cmocka_unit_test(arena),
        cmocka_unit_test(heap),
        cmocka_unit_test(text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
