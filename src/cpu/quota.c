/* How much CPU time a cgroup grants: version 2's cpu.max and version 1's cfs quota, at every level up to the root. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/topology.h"

static int read_text(const char *path, char *text, size_t n) {
    FILE *f = fopen(path, "re");
    if (!f)
        return 0;
    size_t got = fread(text, 1, n - 1, f);
    fclose(f);
    text[got] = 0;
    return got > 0;
}

static void take_least(double *least, double quota, double period) {
    if (quota > 0 && period > 0 && (*least == 0 || quota / period < *least))
        *least = quota / period;
}

/* "max 100000" or "150000 100000", microseconds. */
static void one_level_v2(const char *folder, double *least) {
    char path[4200], text[128];
    double quota, period;
    snprintf(path, sizeof path, "%s/cpu.max", folder);
    if (read_text(path, text, sizeof text) && sscanf(text, "%lf %lf", &quota, &period) == 2)
        take_least(least, quota, period);
}

/* Two files, microseconds; a quota of -1 is none. */
static void one_level_v1(const char *folder, double *least) {
    char path[4200], quota[64], period[64];
    snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", folder);
    if (!read_text(path, quota, sizeof quota))
        return;
    snprintf(path, sizeof path, "%s/cpu.cfs_period_us", folder);
    if (read_text(path, period, sizeof period))
        take_least(least, strtod(quota, NULL), strtod(period, NULL));
}

/* The group's folder under one mount and all above it. A container may see its own group as the mount's root, so the
 * root itself is always looked at. */
static void all_levels(const char *mount, const char *group, void (*one)(const char *, double *), double *least) {
    char folder[4096];
    snprintf(folder, sizeof folder, "%s%s", mount, group);
    size_t shortest = strlen(mount);
    for (;;) {
        one(folder, least);
        char *slash = strrchr(folder + shortest, '/');
        if (!slash)
            return;
        *slash = 0;
    }
}

static int names_cpu(const char *controllers) {
    for (const char *at = controllers; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
        if (strncmp(at, "cpu", 3) == 0 && (at[3] == ',' || at[3] == 0))
            return 1;
    return 0;
}

double psti_cpu_quota_of(const char *groups, const char *root) {
    static const char *const v1[] = {"cpu", "cpu,cpuacct"};
    double least = 0;
    char line[4096], mount[4096];
    FILE *f = fopen(groups, "re");
    if (!f)
        return 0;
    while (fgets(line, sizeof line, f)) { /* hierarchy:controllers:/group */
        line[strcspn(line, "\n")] = 0;
        char *controllers = strchr(line, ':'), *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group)
            continue;
        *group++ = 0;
        controllers++;
        if (strcmp(group, "/") == 0)
            group++;
        if (!*controllers) {
            all_levels(root, group, one_level_v2, &least);
        } else if (names_cpu(controllers)) {
            for (int i = 0; i < 2; i++) {
                snprintf(mount, sizeof mount, "%.4000s/%s", root, v1[i]);
                all_levels(mount, group, one_level_v1, &least);
            }
        }
    }
    fclose(f);
    return least;
}

double psti_cpu_quota(void) {
    return psti_cpu_quota_of("/proc/self/cgroup", "/sys/fs/cgroup");
}
