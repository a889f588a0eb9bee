/* What the host is: the processor's name, how many of its threads are ours, its caches, and whether it is virtual. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* sched_getaffinity, sysconf's cache sizes */
#endif
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "host/host.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#define CACHE_FOLDER "/sys/devices/system/cpu/cpu0/cache"

/* The first line of a file in /sys or /proc; "" where it is not. */
static void read_line(const char *path, char *line, size_t n) {
    FILE *f = fopen(path, "re");
    line[0] = 0;
    if (!f)
        return;
    if (!fgets(line, (int)n, f))
        line[0] = 0;
    line[strcspn(line, "\n")] = 0;
    fclose(f);
}

/* Without blanks at the ends and with single ones inside: brand strings are padded. */
static void squeeze(char *text) {
    char *to = text;
    for (const char *from = text; *from; from++)
        if (*from != ' ' || (to > text && to[-1] != ' '))
            *to++ = *from;
    while (to > text && to[-1] == ' ')
        to--;
    *to = 0;
}

#if defined(__x86_64__)

/* Intel SDM volume 2A, CPUID: leaves 80000002h to 80000004h hold the brand string. */
static void brand(char name[64]) {
    unsigned r[12], least = 0x80000002u;
    if ((unsigned)__get_cpuid_max(0x80000000u, NULL) < least + 2)
        return;
    for (unsigned i = 0; i < 3; i++)
        __get_cpuid(least + i, &r[4 * i], &r[4 * i + 1], &r[4 * i + 2], &r[4 * i + 3]);
    memcpy(name, r, sizeof r);
    name[sizeof r] = 0;
}

/* Leaf 1, ecx bit 31: never set by a processor, always by a hypervisor. */
static uint32_t virtualised(void) {
    unsigned a, b, c = 0, d;
    return __get_cpuid(1, &a, &b, &c, &d) && c >> 31;
}

#else

/* The value of the first line "key : value" of /proc/cpuinfo. */
static void cpuinfo(const char *key, char *value, size_t n) {
    FILE *f = fopen("/proc/cpuinfo", "re");
    char line[256];
    value[0] = 0;
    if (!f)
        return;
    while (!value[0] && fgets(line, sizeof line, f)) {
        char *colon = strchr(line, ':');
        if (colon && strncmp(line, key, strlen(key)) == 0) {
            snprintf(value, n, "%.*s", (int)(n - 1), colon + 1);
            value[strcspn(value, "\n")] = 0;
            squeeze(value);
        }
    }
    fclose(f);
}

/* Few ARM kernels know a name; the numbers can be looked up. */
static void brand(char name[64]) {
    char implementer[16], part[16];
    cpuinfo("model name", name, 64);
    if (name[0])
        return;
    cpuinfo("CPU implementer", implementer, sizeof implementer);
    cpuinfo("CPU part", part, sizeof part);
    if (implementer[0] && part[0])
        snprintf(name, 64, "implementer %s part %s", implementer, part);
}

static uint32_t virtualised(void) {
    return access("/sys/hypervisor/type", F_OK) == 0 || access("/proc/device-tree/hypervisor", F_OK) == 0;
}

#endif

/* The processors that this process may run on. */
static uint32_t logical_cpus(void) {
    for (int n = 1024; n <= 1 << 20; n *= 4) {
        cpu_set_t *set = CPU_ALLOC(n);
        if (!set)
            break;
        size_t bytes = CPU_ALLOC_SIZE(n);
        int found = sched_getaffinity(0, bytes, set) == 0 ? CPU_COUNT_S(bytes, set) : 0;
        CPU_FREE(set);
        if (found > 0)
            return (uint32_t)found;
    }
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (uint32_t)online : 0;
}

uint64_t psti_host_size(const char *text) {
    char *end;
    if (*text < '0' || *text > '9')
        return 0;
    unsigned long long n = strtoull(text, &end, 10);
    unsigned shift = *end == 'K' ? 10 : *end == 'M' ? 20 : *end == 'G' ? 30 : 0;
    if ((shift ? end[1] : end[0]) || n > UINT64_MAX >> shift)
        return 0;
    return (uint64_t)n << shift;
}

/* Data and unified caches by their level; the size of the one is also that of its cores' other ones. */
static void caches(uint64_t bytes[4]) {
    for (int i = 0; i < 16; i++) {
        char path[96], level[16], type[32], size[32];
        snprintf(path, sizeof path, CACHE_FOLDER "/index%d/level", i);
        read_line(path, level, sizeof level);
        snprintf(path, sizeof path, CACHE_FOLDER "/index%d/type", i);
        read_line(path, type, sizeof type);
        snprintf(path, sizeof path, CACHE_FOLDER "/index%d/size", i);
        read_line(path, size, sizeof size);
        if (!level[0])
            break;
        if (level[0] >= '1' && level[0] <= '3' && !level[1] && strcmp(type, "Instruction") != 0)
            bytes[level[0] - '0'] = psti_host_size(size);
    }
}

static uint64_t system_says(int name) {
    long n = sysconf(name);
    return n > 0 ? (uint64_t)n : 0;
}

void psti_host_describe(pst_host *host) {
    uint64_t bytes[4] = {0};
    brand(host->cpu);
    squeeze(host->cpu);
    if (!host->cpu[0]) {
        struct utsname name;
        if (uname(&name) == 0)
            snprintf(host->cpu, sizeof host->cpu, "%.60s", name.machine);
    }
    host->logical_cpus = logical_cpus();
    host->virtualised = virtualised();
    caches(bytes);
    host->l1d_bytes = bytes[1] ? bytes[1] : system_says(_SC_LEVEL1_DCACHE_SIZE);
    host->l2_bytes = bytes[2] ? bytes[2] : system_says(_SC_LEVEL2_CACHE_SIZE);
    host->l3_bytes = bytes[3] ? bytes[3] : system_says(_SC_LEVEL3_CACHE_SIZE);
}
