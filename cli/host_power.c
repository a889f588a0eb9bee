/* Facts of power: how fast the CPUs may run, how deep they sleep, and which are threads of one core. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host_facts.h"
#include "host_file.h"

/* Up to about this a wake-up is lost in a hop. */
enum { SHALLOW_US = 2 };

static void governor(host_facts *f) {
    char name[32], other[32] = "";
    size_t known = 0, fast = 0;
    for (size_t i = 0; i < f->cpu_count; i++) {
        if (!host_line(name, sizeof name, "/sys/devices/system/cpu/cpu%u/cpufreq/scaling_governor", f->cpus[i]))
            continue;
        known++;
        if (strcmp(name, "performance") == 0)
            fast++;
        else
            memcpy(other, name, sizeof other);
    }
    if (!known)
        host_fact_add(f, "governor", FACT_UNKNOWN, "unknown: firmware or a hypervisor sets the clock rate");
    else if (fast == known)
        host_fact_add(f, "governor", FACT_OK, "performance");
    else
        host_fact_change(host_fact_add(f, "governor", FACT_BAD, "%s on %zu of %zu CPUs", other, known - fast, known),
                         "after a pause a core starts slowly and takes up to some ms to reach its clock rate",
                         "sudo cpupower frequency-set -g performance");
}

/* The deepest state that is not disabled, on any of the CPUs. */
static void sleep_states(host_facts *f) {
    char name[32], deepest[32] = "";
    int64_t worst = -1;
    for (size_t i = 0; i < f->cpu_count; i++)
        for (int s = 0; s < 16; s++) {
            int64_t latency, off = 0;
            if (!host_number(&latency, "/sys/devices/system/cpu/cpu%u/cpuidle/state%d/latency", f->cpus[i], s))
                break;
            host_number(&off, "/sys/devices/system/cpu/cpu%u/cpuidle/state%d/disable", f->cpus[i], s);
            if (off || latency <= worst)
                continue;
            worst = latency;
            host_line(name, sizeof name, "/sys/devices/system/cpu/cpu%u/cpuidle/state%d/name", f->cpus[i], s);
            memcpy(deepest, name, sizeof deepest);
        }
    if (worst < 0) {
        host_fact_add(f, "C-states", FACT_UNKNOWN, "unknown: no driver for them, or a hypervisor's matter");
        return;
    }
    host_fact *fact = host_fact_add(f, "C-states",
                                    worst <= SHALLOW_US ? FACT_OK
                                    : worst <= 20       ? FACT_NOTE
                                                        : FACT_BAD,
                                    "down to %s, %lld us to wake", deepest, (long long)worst);
    if (worst > SHALLOW_US)
        host_fact_change(fact, "a core that sleeps between steps wakes late, with cold caches; one that spins does not",
                         "sudo cpupower idle-set -D %d", SHALLOW_US);
}

static void smt(host_facts *f) {
    char control[32], list[64];
    size_t shared = 0, known = 0;
    host_line(control, sizeof control, "/sys/devices/system/cpu/smt/control");
    for (size_t i = 0; i < f->cpu_count; i++)
        if (host_line(list, sizeof list, "/sys/devices/system/cpu/cpu%u/topology/thread_siblings_list", f->cpus[i])) {
            known++;
            shared += strpbrk(list, ",-") != NULL;
        }
    if (!known)
        host_fact_add(f, "SMT", FACT_UNKNOWN, "unknown");
    else if (!shared)
        host_fact_add(f, "SMT", FACT_OK, "none told%s%s", control[0] ? ": " : "", control);
    else
        host_fact_change(host_fact_add(f, "SMT", FACT_NOTE, "%zu of %zu CPUs share a core", shared, known),
                         "what runs on the other thread of a core takes up to half of its speed and caches",
                         "echo off | sudo tee /sys/devices/system/cpu/smt/control; or use one thread of each core");
}

void host_facts_power(host_facts *f) {
    governor(f);
    sleep_states(f);
    smt(f);
}
