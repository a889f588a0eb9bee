/* Facts of control groups: how much CPU time they grant, and how long they have stopped this process's group. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host_facts.h"
#include "host_file.h"

typedef struct {
    double quota;     /* CPUs, the least of all levels; 0: no limit */
    double throttled; /* seconds, the most of all levels */
    double times;
    int read; /* groups that said something */
} grant;

static double number_after(const char *text, const char *name) {
    char value[64];
    return host_value(text, name, value, sizeof value) ? strtod(value, NULL) : 0;
}

static void take(grant *g, double quota, double period, const char *stat) {
    if (quota > 0 && period > 0 && (g->quota == 0 || quota / period < g->quota))
        g->quota = quota / period;
    double seconds = 1e-6 * number_after(stat, "throttled_usec ") + 1e-9 * number_after(stat, "throttled_time ");
    double times = number_after(stat, "nr_throttled ");
    if (seconds > g->throttled || times > g->times) {
        g->throttled = seconds;
        g->times = times;
    }
}

static void version_2(const char *folder, grant *g) {
    char max[64], stat[1024];
    double quota = 0, period = 0;
    if (host_line(max, sizeof max, "%s/cpu.max", folder)) {
        g->read = 1;
        if (sscanf(max, "%lf %lf", &quota, &period) != 2)
            quota = 0;
    }
    host_text(stat, sizeof stat, "%s/cpu.stat", folder);
    take(g, quota, period, stat);
}

static void version_1(const char *folder, grant *g) {
    char stat[1024];
    int64_t quota = 0, period = 0;
    if (host_number(&quota, "%s/cpu.cfs_quota_us", folder) && host_number(&period, "%s/cpu.cfs_period_us", folder))
        g->read = 1;
    host_text(stat, sizeof stat, "%s/cpu.stat", folder);
    take(g, (double)quota, (double)period, stat);
}

/* The group and all above it, up to the mount: a container may see its own group as the root. */
static void every_level(const char *mount, const char *group, void (*one)(const char *, grant *), grant *g) {
    char folder[4200];
    snprintf(folder, sizeof folder, "%s%.4000s", mount, strcmp(group, "/") == 0 ? "" : group);
    for (;;) {
        one(folder, g);
        char *slash = strrchr(folder + strlen(mount), '/');
        if (!slash)
            return;
        *slash = 0;
    }
}

static int controls_cpu(const char *controllers) {
    while (*controllers) {
        size_t n = strcspn(controllers, ",");
        if (n == 3 && strncmp(controllers, "cpu", 3) == 0)
            return 1;
        controllers += n + (controllers[n] == ',');
    }
    return 0;
}

static grant read_groups(void) {
    static char text[1 << 14];
    grant g = {0};
    host_text(text, sizeof text, "/proc/self/cgroup");
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) { /* number:controllers:/group */
        char *controllers = strchr(line, ':'), *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group)
            continue;
        *group++ = 0;
        controllers++;
        if (!*controllers) {
            every_level("/sys/fs/cgroup", group, version_2, &g);
        } else if (controls_cpu(controllers)) {
            every_level("/sys/fs/cgroup/cpu", group, version_1, &g);
            every_level("/sys/fs/cgroup/cpu,cpuacct", group, version_1, &g);
        }
    }
    return g;
}

void host_facts_quota(host_facts *f) {
    const grant g = read_groups();
    const char *change = "raise or remove it: systemd: CPUQuota=; containers: no --cpus, but --cpuset-cpus";
    f->quota = g.quota;
    if (g.quota > 0) {
        host_fact *fact = host_fact_add(f, "CPU quota", g.quota < (double)f->cpu_count ? FACT_BAD : FACT_NOTE,
                                        "%.3g CPUs of %zu", g.quota, f->cpu_count);
        host_fact_change(fact, "who has used it up is stopped for the rest of the period, tens of ms", "%s", change);
    } else {
        host_fact_add(f, "CPU quota", g.read ? FACT_OK : FACT_UNKNOWN, g.read ? "none" : "none seen");
    }
    if (g.times > 0)
        host_fact_change(host_fact_add(f, "throttled", FACT_BAD, "%.0f times, %.3g s in all", g.times, g.throttled),
                         "the quota has stopped this process's group", "%s", change);
    else
        host_fact_add(f, "throttled", g.read ? FACT_OK : FACT_UNKNOWN, g.read ? "never" : "unknown");
}
