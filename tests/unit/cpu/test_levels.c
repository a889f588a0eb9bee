/* cpu/levels: what is here, and choosing under a cap. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "cpu/levels.h"

static void lists_levels_weakest_first(void **state) {
    (void)state;
    uint32_t here = psti_levels_here();
    assert_true(here & 1u << PSTI_LEVEL_scalar);
    assert_int_equal(here >> PSTI_LEVELS, 0);
    const char *const *names;
    size_t count, alone;
    pst_levels(&names, &count);
    pst_levels(NULL, &alone);
    assert_int_equal(count, alone);
    assert_int_equal(count, __builtin_popcount(here));
    assert_string_equal(names[0], "scalar");
    size_t n = 0;
    for (int i = 0; i < PSTI_LEVELS; i++) {
        if (here & 1u << i)
            assert_string_equal(names[n++], psti_level_names[i]);
    }
    print_message("levels here:");
    for (size_t i = 0; i < count; i++)
        print_message(" %s", names[i]);
    print_message("\n");
}

/* Each wider level needs what the ones below it of the same line need. */
static void levels_include_their_basis(void **state) {
    (void)state;
    uint32_t here = psti_levels_here(), features = psti_cpu_features();
#define HAS(name) (!!(here & 1u << PSTI_LEVEL_##name))
    assert_true(HAS(avx2) || !(HAS(avx2_vnni) || HAS(avx512)));
    assert_true(HAS(avx512) || !HAS(avx512_vnni));
    assert_true(HAS(avx512_vnni) || !HAS(avx512_bf16));
    assert_int_equal(HAS(avx2_vnni), features != 0);
    assert_int_equal(HAS(avx512_vnni), !!(features & PSTI_CPU_AVX512_VNNI_VL));
#if !defined(__x86_64__)
    assert_int_equal(here, 1u << PSTI_LEVEL_scalar);
#endif
}

/* The kernel's own list, where there is one, must agree. */
static void agrees_with_proc_cpuinfo(void **state) {
    (void)state;
#if defined(__x86_64__)
    FILE *f = fopen("/proc/cpuinfo", "r");
    static char line[1 << 16];
    int found = 0;
    while (f && !found && fgets(line, sizeof line, f))
        found = strncmp(line, "flags", 5) == 0;
    if (f)
        fclose(f);
    if (!found || strstr(line, " avx") == NULL) {
        print_message("no flags in /proc/cpuinfo, or an emulator's: not compared\n");
        skip();
    }
    line[strcspn(line, "\n")] = ' ';
    uint32_t here = psti_levels_here();
    int avx2 = strstr(line, " avx2 ") && strstr(line, " fma ");
    int wide = strstr(line, " avx512f ") && strstr(line, " avx512bw ") && strstr(line, " avx512vl ") &&
               strstr(line, " avx512dq ");
    int vnni = wide && strstr(line, " avx512_vnni ");
    int small_vnni = strstr(line, " avx_vnni ") != NULL;
    assert_int_equal(HAS(avx2), avx2);
    assert_int_equal(HAS(avx512), wide);
    assert_int_equal(HAS(avx512_vnni), vnni);
    assert_int_equal(HAS(avx512_bf16), vnni && strstr(line, " avx512_bf16 "));
    assert_int_equal(!!(psti_cpu_features() & PSTI_CPU_AVX_VNNI), small_vnni);
    assert_int_equal(HAS(avx2_vnni), small_vnni || vnni);
#else
    skip();
#endif
}

static void chooses_under_a_cap(void **state) {
    (void)state;
    uint32_t here = psti_levels_here();
    int best = 0, level = -1;
    for (int i = 0; i < PSTI_LEVELS; i++)
        best = here & 1u << i ? i : best;
    assert_int_equal(psti_level_choose(NULL, &level), PST_OK);
    assert_int_equal(level, best);
    for (int i = 0; i < PSTI_LEVELS; i++) {
        level = -1;
        pst_status status = psti_level_choose(psti_level_names[i], &level);
        assert_int_equal(status, here & 1u << i ? PST_OK : PST_E_HOST);
        assert_int_equal(level, here & 1u << i ? i : -1);
    }
    level = -1;
    pst_error e;
    PST_INIT(e);
    assert_int_equal(psti_level_choose("avx1024", &level), PST_E_ARGUMENT);
    assert_int_equal(level, -1);
    pst_last_error(&e);
    assert_non_null(strstr(e.message, "avx1024"));
    assert_non_null(strstr(e.message, " avx512_bf16"));
    assert_int_equal(psti_level_choose("", &level), PST_E_ARGUMENT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_levels_weakest_first),
        cmocka_unit_test(levels_include_their_basis),
        cmocka_unit_test(agrees_with_proc_cpuinfo),
        cmocka_unit_test(chooses_under_a_cap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
