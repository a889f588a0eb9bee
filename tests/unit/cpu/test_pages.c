/* cpu/pages: cleared, aligned, resident, guarded; every refusal has a sentence; the fork mark. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cpu/pages.h"

#define MIB ((size_t)1 << 20)

/* AddressSanitizer replaces mlock by nothing, and its shadow memory takes page faults of its own. */
#if defined(__SANITIZE_ADDRESS__)
#define WATCHED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WATCHED 1
#endif
#endif
#ifndef WATCHED
#define WATCHED 0
#endif

static void say(const psti_pages *p) {
    print_message("%zu bytes: %zu mapped, pages of %zu, %zu locked\n", p->bytes, p->mapped, p->page_bytes, p->locked);
    for (int i = 0; i < 3; i++) {
        if (p->shortfall[i][0])
            print_message("  %s\n", p->shortfall[i]);
    }
}

static long minor_faults(void) {
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    return use.ru_minflt;
}

static void check(const psti_pages *p, size_t bytes) {
    assert_non_null(p->address);
    assert_int_equal(p->bytes, bytes);
    assert_true(p->mapped >= bytes && p->mapped % p->page_bytes == 0);
    assert_int_equal((uintptr_t)p->address % p->page_bytes, 0);
    volatile unsigned char *at = p->address;
    long before = minor_faults();
    size_t wrong = 0;
    for (size_t i = 0; i < p->mapped; i += 512) {
        wrong += at[i] != 0;
        at[i] = 1;
    }
    at[p->mapped - 1] = 1;
    if (!WATCHED && !getenv("PENSTOCK_EMULATED"))
        assert_int_equal(minor_faults(), before);
    assert_int_equal(wrong, 0);
}

static void maps_every_size(void **state) {
    (void)state;
    const size_t sizes[] = {1, 4096, 4097, MIB / 4 - 1, MIB / 4, 2 * MIB, 2 * MIB + 1, 5 * MIB + 123};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (int flags = 0; flags < 4; flags++) {
            psti_pages p;
            assert_int_equal(psti_pages_map(sizes[i], flags, "weights", &p), PST_OK);
            if (flags == 0)
                say(&p);
            check(&p, sizes[i]);
            if (flags & PSTI_PAGES_NO_HUGE) {
                assert_int_equal(p.page_bytes, sysconf(_SC_PAGESIZE));
                assert_string_equal(p.shortfall[0], "");
                assert_string_equal(p.shortfall[1], "");
            }
            if (p.page_bytes == (size_t)sysconf(_SC_PAGESIZE) && sizes[i] >= MIB / 4 && !(flags & PSTI_PAGES_NO_HUGE))
                assert_string_not_equal(p.shortfall[1], "");
            if (flags & PSTI_PAGES_NO_LOCK)
                assert_string_equal(p.shortfall[2], "");
            else
                assert_int_equal(p.locked == 0, p.shortfall[2][0] != '\0');
            if (sizes[i] < MIB / 4)
                assert_string_equal(p.shortfall[0], "");
            psti_pages_unmap(&p);
            assert_null(p.address);
        }
    }
    psti_pages cleared = {0};
    psti_pages_unmap(&cleared);
}

static void two_mappings_are_told_apart(void **state) {
    (void)state;
    psti_pages a, b;
    assert_int_equal(psti_pages_map(3 * MIB, 0, "weights", &a), PST_OK);
    assert_int_equal(psti_pages_map(3 * MIB, 0, "weights", &b), PST_OK);
    assert_int_equal(a.page_bytes, b.page_bytes);
    check(&a, 3 * MIB);
    check(&b, 3 * MIB);
    psti_pages_unmap(&a);
    psti_pages_unmap(&b);
}

static void refuses_what_cannot_be_had(void **state) {
    (void)state;
    psti_pages p;
    memset(&p, 7, sizeof p);
    psti_pages before = p;
    assert_int_equal(psti_pages_map(0, 0, "weights", &p), PST_E_ARGUMENT);
    assert_int_equal(psti_pages_map(SIZE_MAX, 0, "weights", &p), PST_E_MEMORY);
    assert_int_equal(psti_pages_map(SIZE_MAX / 2, PSTI_PAGES_NO_HUGE, "weights", &p), PST_E_MEMORY);
    assert_memory_equal(&p, &before, sizeof p);
}

/* In a child, because a lowered limit cannot be raised again without privileges. */
static void without_the_right_to_lock(void **state) {
    (void)state;
    if (WATCHED) {
        print_message("AddressSanitizer replaces mlock: not tested\n");
        skip();
    }
    pid_t child = fork();
    if (child == 0) {
        struct rlimit none = {0, 0};
        psti_pages p;
        if (setrlimit(RLIMIT_MEMLOCK, &none) != 0)
            _exit(1);
        if (getuid() == 0 && setuid(65534) != 0) /* root locks whatever the limit says */
            _exit(2);
        if (psti_pages_map(4096, 0, "weights", &p) != PST_OK || !p.address)
            _exit(3);
        if (p.locked != 0 || !strstr(p.shortfall[2], "RLIMIT_MEMLOCK is 0"))
            _exit(4);
        *(volatile char *)p.address = 1;
        psti_pages_unmap(&p);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void guards_both_sides(void **state) {
    (void)state;
    psti_pages p;
    assert_int_equal(psti_pages_map(MIB, PSTI_PAGES_NO_HUGE, "weights", &p), PST_OK);
    for (int side = 0; side < 2; side++) {
        pid_t child = fork();
        if (child == 0) {
            signal(SIGSEGV, SIG_DFL); /* cmocka's handler would report it */
            volatile unsigned char *at = p.address;
            unsigned char v = side ? at[p.mapped] : at[-1];
            _exit(v ? 1 : 2);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_false(WIFEXITED(status) && WEXITSTATUS(status) <= 2); /* a signal, or a sanitizer's exit */
    }
    psti_pages_unmap(&p);
}

static void fork_mark_is_cleared_in_the_child(void **state) {
    (void)state;
    psti_fork_mark mark;
    assert_int_equal(psti_fork_mark_open(&mark), PST_OK);
    if (!mark.alive) {
        print_message("this kernel has no MADV_WIPEONFORK\n");
        skip();
    }
    if (getenv("PENSTOCK_EMULATED")) {
        print_message("qemu-user takes MADV_WIPEONFORK and does nothing: not tested\n");
        skip();
    }
    assert_int_equal(*mark.alive, 1);
    pid_t child = fork();
    if (child == 0)
        _exit(*mark.alive ? 1 : 0);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(*mark.alive, 1);
    psti_fork_mark_close(&mark);
    assert_null((void *)(uintptr_t)mark.alive);
    psti_fork_mark_close(&mark);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(maps_every_size),
        cmocka_unit_test(two_mappings_are_told_apart),
        cmocka_unit_test(refuses_what_cannot_be_had),
        cmocka_unit_test(without_the_right_to_lock),
        cmocka_unit_test(guards_both_sides),
        cmocka_unit_test(fork_mark_is_cleared_in_the_child),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
