/* Facts of the machine: whether it is a virtual one, what its host takes from it, what it reads the time from. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host_facts.h"
#include "host_file.h"

static int has_word(const char *text, const char *word) {
    size_t n = strlen(word);
    for (const char *at = strstr(text, word); at; at = strstr(at + 1, word))
        if ((at == text || strchr(" \t", at[-1])) && (at[n] == 0 || strchr(" \t\n", at[n])))
            return 1;
    return 0;
}

/* 1, 0, or -1 where nothing tells. The hypervisor flag is the processor's, and no processor sets it by itself. */
static int is_virtual(void) {
    static char text[1 << 16], flags[1 << 14];
    if (host_exists("/sys/hypervisor/type") || host_exists("/proc/device-tree/hypervisor"))
        return 1;
    if (!host_text(text, sizeof text, "/proc/cpuinfo"))
        return -1;
    if (host_value(text, "flags", flags, sizeof flags))
        return has_word(flags, "hypervisor");
    return host_exists("/proc/device-tree") || host_exists("/sys/class/dmi/id/sys_vendor") ? 0 : -1;
}

static void virtualisation(host_facts *f) {
    char vendor[48], product[48];
    host_line(vendor, sizeof vendor, "/sys/class/dmi/id/sys_vendor");
    host_line(product, sizeof product, "/sys/class/dmi/id/product_name");
    const char *blank = vendor[0] ? " " : "";
    switch (is_virtual()) {
    case 0:
        host_fact_add(f, "virtual machine", FACT_OK, "no%s%s%s%s", vendor[0] || product[0] ? ": " : "", vendor, blank,
                      product);
        return;
    case 1:
        host_fact_change(host_fact_add(f, "virtual machine", FACT_NOTE, "yes%s%s%s%s",
                                       vendor[0] || product[0] ? ": " : "", vendor, blank, product),
                         "its host may take a CPU away at any moment, and says neither when nor which share a core",
                         "take a machine without a hypervisor, or have its virtual CPUs pinned to cores of their own");
        return;
    default:
        host_fact_add(f, "virtual machine", FACT_UNKNOWN, "unknown");
    }
}

/* /proc/stat, first line: user nice system idle iowait irq softirq steal, in ticks since the start. */
static void steal(host_facts *f) {
    char line[256];
    double t[8], all = 0;
    if (!host_line(line, sizeof line, "/proc/stat") || sscanf(line, "cpu %lf %lf %lf %lf %lf %lf %lf %lf", &t[0], &t[1],
                                                              &t[2], &t[3], &t[4], &t[5], &t[6], &t[7]) != 8) {
        host_fact_add(f, "stolen time", FACT_UNKNOWN, "unknown");
        return;
    }
    for (int i = 0; i < 8; i++)
        all += t[i];
    double share = all > 0 ? t[7] / all : 0;
    int judgement = share < 1e-4 ? FACT_OK : share < 1e-2 ? FACT_NOTE : FACT_BAD;
    host_fact *fact = host_fact_add(f, "stolen time", judgement, "%.2g %% of all time since the start", 100 * share);
    if (judgement != FACT_OK)
        host_fact_change(fact, "the hypervisor ran something else on this machine's CPUs",
                         "take a machine whose CPUs are its own (dedicated, not shared or burstable)");
}

static void clock_source(host_facts *f) {
    static const char *const cheap[] = {"tsc", "kvm-clock", "arch_sys_counter", "hyperv_clocksource_tsc_page"};
    char source[64], others[256];
    if (!host_line(source, sizeof source, "/sys/devices/system/clocksource/clocksource0/current_clocksource")) {
        host_fact_add(f, "clock source", FACT_UNKNOWN, "unknown");
        return;
    }
    for (size_t i = 0; i < sizeof cheap / sizeof *cheap; i++)
        if (strcmp(source, cheap[i]) == 0) {
            host_fact_add(f, "clock source", FACT_OK, "%s", source);
            return;
        }
    host_fact *fact = host_fact_add(f, "clock source", FACT_BAD, "%s", source);
    host_line(others, sizeof others, "/sys/devices/system/clocksource/clocksource0/available_clocksource");
    const char *effect = "each reading of the time is a system call, about a microsecond";
    if (has_word(others, "tsc"))
        host_fact_change(fact, effect,
                         "echo tsc | sudo tee /sys/devices/system/clocksource/clocksource0/current_clocksource");
    else
        host_fact_change(fact, effect, "kernel parameter: clocksource=tsc tsc=reliable (if its counter is sound)");
}

void host_facts_machine(host_facts *f) {
    virtualisation(f);
    steal(f);
    clock_source(f);
}
