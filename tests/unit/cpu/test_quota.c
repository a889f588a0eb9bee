/* cpu/quota: played hosts, both versions of cgroups, and every level of nested groups. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cpu/topology.h"

static char root[64];

/* Writes a file under the played root, with the folders that lead to it. */
static void play(const char *name, const char *text) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s", root, name);
    for (char *at = strchr(path + strlen(root) + 1, '/'); at; at = strchr(at + 1, '/')) {
        *at = 0;
        assert_true(mkdir(path, 0700) == 0 || errno == EEXIST);
        *at = '/';
    }
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static double quota(void) {
    char groups[80];
    snprintf(groups, sizeof groups, "%s/groups", root);
    return psti_cpu_quota_of(groups, root);
}

static void expect(double cpus) {
    double found = quota();
    if (!(found > cpus - 1e-9 && found < cpus + 1e-9)) {
        print_error("expected %g CPUs, found %g\n", cpus, found);
        fail();
    }
}

static int open_root(void **unused) {
    (void)unused;
    snprintf(root, sizeof root, "/tmp/penstock-quota-XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int close_root(void **unused) {
    (void)unused;
    char command[96];
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    return system(command);
}

static void nothing_to_read(void **unused) {
    (void)unused;
    expect(0); /* no groups file */
    play("groups", "");
    expect(0);
    play("groups", "0::/a\n");
    expect(0); /* no cpu.max */
    play("groups", "nonsense\nmore:nonsense\n\n:\n");
    expect(0);
}

static void version_2(void **unused) {
    (void)unused;
    play("groups", "0::/a/b\n");
    play("a/b/cpu.max", "150000 100000\n");
    expect(1.5);
    play("a/b/cpu.max", "max 100000\n");
    expect(0);
    play("a/b/cpu.max", "25000 50000\n");
    expect(0.5);
    play("a/b/cpu.max", "");
    expect(0);
    play("a/b/cpu.max", "25000\n");
    expect(0);
    play("a/b/cpu.max", "25000 0\n");
    expect(0);
    play("a/b/cpu.max", "-1 100000\n");
    expect(0);
}

static void the_least_of_all_levels(void **unused) {
    (void)unused;
    play("groups", "0::/a/b/c\n");
    play("a/b/c/cpu.max", "400000 100000\n");
    expect(4);
    play("a/b/cpu.max", "max 100000\n");
    expect(4);
    play("a/cpu.max", "200000 100000\n");
    expect(2);
    play("cpu.max", "300000 100000\n"); /* a container's own group, seen as the root */
    expect(2);
    play("a/cpu.max", "max 100000\n");
    expect(3);
    play("groups", "0::/\n");
    expect(3);
    play("groups", "0::/of/another/namespace\n");
    expect(3);
    play("groups", "0::/ab\n"); /* not a neighbour whose name begins alike */
    play("a/cpu.max", "100000 100000\n");
    expect(3);
}

static void version_1(void **unused) {
    (void)unused;
    play("groups", "5:memory:/m\n4:cpuset:/s\n3:cpu,cpuacct:/j\n1:name=systemd:/\n");
    play("cpuset/s/cpu.cfs_quota_us", "1000\n"); /* not the controller */
    play("cpuset/s/cpu.cfs_period_us", "100000\n");
    expect(0);
    play("cpu,cpuacct/j/cpu.cfs_quota_us", "-1\n");
    play("cpu,cpuacct/j/cpu.cfs_period_us", "100000\n");
    expect(0);
    play("cpu,cpuacct/j/cpu.cfs_quota_us", "50000\n");
    expect(0.5);
    play("cpu,cpuacct/j/cpu.cfs_period_us", "");
    expect(0);
    play("groups", "2:cpu:/k/l\n");
    play("cpu/k/cpu.cfs_quota_us", "300000\n");
    play("cpu/k/cpu.cfs_period_us", "100000\n");
    expect(3);
    play("cpu/k/l/cpu.cfs_quota_us", "120000\n");
    expect(3); /* without a period it says nothing */
    play("cpu/k/l/cpu.cfs_period_us", "100000\n");
    expect(1.2);
}

static void both_versions(void **unused) {
    (void)unused;
    play("groups", "7:cpuacct,cpu:/x\n0::/y\n");
    play("cpu/x/cpu.cfs_quota_us", "200000\n");
    play("cpu/x/cpu.cfs_period_us", "100000\n");
    expect(2);
    play("y/cpu.max", "70000 100000\n");
    expect(0.7);
}

/* A line longer than the buffer is cut, not overrun. */
static void long_names(void **unused) {
    (void)unused;
    char *text = malloc(20000);
    assert_non_null(text);
    memset(text, 'a', 20000);
    memcpy(text, "0::/", 4);
    text[9999] = '\n';
    strcpy(text + 10000, "0::/b\n");
    play("groups", text);
    free(text);
    play("b/cpu.max", "90000 100000\n");
    expect(0.9);
}

static void this_host(void **unused) {
    (void)unused;
    double cpus = psti_cpu_quota();
    print_message("quota here: %g CPUs\n", cpus);
    assert_true(cpus >= 0 && cpus < 1e6);
}

int main(void) {
#define PLAYED(test) cmocka_unit_test_setup_teardown(test, open_root, close_root)
    const struct CMUnitTest tests[] = {
        PLAYED(nothing_to_read), PLAYED(version_2),  PLAYED(the_least_of_all_levels), PLAYED(version_1),
        PLAYED(both_versions),   PLAYED(long_names), cmocka_unit_test(this_host),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
