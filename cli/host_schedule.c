/* Facts of scheduling: what else may run on the CPUs, and what interrupts them. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host_facts.h"
#include "host_file.h"

/* How many of this process's CPUs a list has. */
static size_t covered(const host_facts *f, const char *list) {
    size_t n = 0;
    for (size_t i = 0; i < f->cpu_count; i++)
        n += host_in_ranges(list, f->cpus[i]);
    return n;
}

/* All but one: something must do the rest of the work. */
static void suggestion(const host_facts *f, char *list, size_t n) {
    host_ranges(f->cpus + (f->cpu_count > 1), f->cpu_count - (f->cpu_count > 1), list, n);
}

static void isolation(host_facts *f) {
    char list[128], ours[128];
    suggestion(f, ours, sizeof ours);
    const char *effect = "the scheduler may put any other process on the core of a step";
    bool known = host_line(list, sizeof list, "/sys/devices/system/cpu/isolated");
    size_t of_ours = known ? covered(f, list) : 0;
    if (of_ours && of_ours == f->cpu_count) {
        host_fact_add(f, "isolated CPUs", FACT_OK, "%s", list);
    } else {
        host_fact *fact = host_fact_add(f, "isolated CPUs", known ? FACT_NOTE : FACT_UNKNOWN, "%s%s",
                                        !known    ? "unknown"
                                        : list[0] ? list
                                                  : "none",
                                        of_ours            ? ", not all that this process may use"
                                        : known && list[0] ? ", none that this process may use"
                                                           : "");
        if (known && list[0])
            host_fact_change(fact, effect, "run the program on them: taskset -c %s PROGRAM", list);
        else if (known && f->cpu_count > 1)
            host_fact_change(
                fact, effect,
                "kernel parameters: isolcpus=managed_irq,domain,%s nohz_full=%s rcu_nocbs=%s; then taskset "
                "-c %s PROGRAM",
                ours, ours, ours, ours);
    }
    known = host_line(list, sizeof list, "/sys/devices/system/cpu/nohz_full");
    of_ours = known ? covered(f, list) : 0;
    if (of_ours && of_ours == f->cpu_count) {
        host_fact_add(f, "CPUs without tick", FACT_OK, "%s", list);
        return;
    }
    host_fact *fact = host_fact_add(f, "CPUs without tick", FACT_NOTE, "%s%s", of_ours ? list : "none",
                                    of_ours ? ", not all that this process may use" : "");
    if (f->cpu_count > 1)
        host_fact_change(fact, "the timer interrupts a spinning core 100 to 1,000 times a second, some us each",
                         "kernel parameter: nohz_full=%s (where the kernel has CONFIG_NO_HZ_FULL)", ours);
}

static void real_time(host_facts *f) {
    int64_t runtime, period;
    if (!host_number(&runtime, "/proc/sys/kernel/sched_rt_runtime_us") ||
        !host_number(&period, "/proc/sys/kernel/sched_rt_period_us"))
        host_fact_add(f, "real-time limit", FACT_UNKNOWN, "unknown");
    else if (runtime < 0 || runtime >= period)
        host_fact_add(f, "real-time limit", FACT_OK, "none");
    else
        host_fact_change(
            host_fact_add(f, "real-time limit", FACT_NOTE, "%lld of %lld us", (long long)runtime, (long long)period),
            "a core that spins at real-time priority is stopped for the rest of every period",
            "sudo sysctl kernel.sched_rt_runtime_us=-1 (only if programs run at real-time priority)");
    char limits[4096], value[64];
    if (!host_text(limits, sizeof limits, "/proc/self/limits") ||
        !host_value(limits, "Max realtime priority", value, sizeof value)) {
        host_fact_add(f, "RLIMIT_RTPRIO", FACT_UNKNOWN, "unknown");
        return;
    }
    value[strcspn(value, " ")] = 0;
    host_fact *fact = host_fact_add(f, "RLIMIT_RTPRIO", strcmp(value, "0") == 0 ? FACT_NOTE : FACT_OK, "%s", value);
    if (fact->judgement != FACT_OK)
        host_fact_change(fact, "without privileges no program runs at real-time priority",
                         "echo \"$USER - rtprio 99\" | sudo tee -a /etc/security/limits.d/penstock.conf; log in again");
}

static void balancing(host_facts *f) {
    int64_t on;
    bool nodes = host_exists("/sys/devices/system/node/node1");
    if (!host_number(&on, "/proc/sys/kernel/numa_balancing"))
        host_fact_add(f, "NUMA balancing", nodes ? FACT_UNKNOWN : FACT_OK, nodes ? "unknown" : "one node");
    else if (!on || !nodes)
        host_fact_add(f, "NUMA balancing", FACT_OK, "%s", on ? "on, but there is one node" : "off");
    else
        host_fact_change(host_fact_add(f, "NUMA balancing", FACT_BAD, "on"),
                         "it takes pages away now and then to see who uses them: page faults in a step",
                         "sudo sysctl kernel.numa_balancing=0");
    uint32_t seen;
    if (host_process("irqbalance", &seen))
        host_fact_change(host_fact_add(f, "irqbalance", FACT_NOTE, "runs"),
                         "it moves interrupts of devices to any core that is not isolated",
                         "sudo systemctl disable --now irqbalance; echo 1 | sudo tee /proc/irq/default_smp_affinity");
    else
        host_fact_add(f, "irqbalance", seen ? FACT_OK : FACT_UNKNOWN, "%s", seen ? "not seen" : "unknown");
}

static void load(host_facts *f) {
    char line[128];
    double one;
    if (!host_line(line, sizeof line, "/proc/loadavg") || sscanf(line, "%lf", &one) != 1) {
        host_fact_add(f, "load", FACT_UNKNOWN, "unknown");
        return;
    }
    int judgement = one < 0.25 * (double)f->cpu_count ? FACT_OK : one < (double)f->cpu_count ? FACT_NOTE : FACT_BAD;
    host_fact *fact =
        host_fact_add(f, "load", judgement, "%.2f on %zu CPU%s", one, f->cpu_count, f->cpu_count == 1 ? "" : "s");
    if (judgement != FACT_OK)
        host_fact_change(fact, "other programs take CPUs and caches from a step", "see with top what runs beside it");
}

void host_facts_schedule(host_facts *f) {
    isolation(f);
    real_time(f);
    balancing(f);
    load(f);
}
