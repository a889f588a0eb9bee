/* Facts of memory: whether weights get huge pages, and whether they stay. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host_facts.h"
#include "host_file.h"

#define HUGE_BYTES ((uint64_t)2 << 20)

/* "always [madvise] never": the word in brackets. */
static void huge_pages(host_facts *f) {
    char line[128], chosen[32] = "";
    host_line(line, sizeof line, "/sys/kernel/mm/transparent_hugepage/enabled");
    const char *open = strchr(line, '[');
    if (open)
        snprintf(chosen, sizeof chosen, "%.*s", (int)strcspn(open + 1, "]"), open + 1);
    bool good = strcmp(chosen, "madvise") == 0 || strcmp(chosen, "always") == 0;
    host_fact *fact = host_fact_add(f, "transparent huge pages",
                                    !chosen[0] ? FACT_UNKNOWN
                                    : good     ? FACT_OK
                                               : FACT_NOTE,
                                    "%s", chosen[0] ? chosen : "unknown");
    if (chosen[0] && !good)
        host_fact_change(fact, "weights lie in pages of 4 KiB unless hugetlb has some: up to a tenth slower to read",
                         "echo madvise | sudo tee /sys/kernel/mm/transparent_hugepage/enabled");
    int64_t all, free_pages;
    const uint64_t wanted = (f->bytes + HUGE_BYTES - 1) / HUGE_BYTES + 1;
    if (!host_number(&free_pages, "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages") ||
        !host_number(&all, "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages")) {
        host_fact_add(f, "hugetlb pages", FACT_UNKNOWN, "unknown");
        return;
    }
    bool enough = free_pages >= 0 && (uint64_t)free_pages >= wanted;
    fact = host_fact_add(f, "hugetlb pages", enough || good ? FACT_OK : FACT_NOTE, "%lld free of %lld, of 2 MiB%s",
                         (long long)free_pages, (long long)all,
                         enough ? ""
                         : good ? "; transparent ones will do"
                                : "");
    if (!enough && !good)
        host_fact_change(fact, "without huge pages weights are slower to read",
                         "sudo sysctl vm.nr_hugepages=%llu (a process with the largest of the four models)",
                         (unsigned long long)((uint64_t)(all > 0 ? all : 0) + wanted));
}

/* CAP_IPC_LOCK is bit 14 of the effective capabilities; who has it locks without a limit. */
static bool may_lock(void) {
    char status[4096], value[64];
    return host_text(status, sizeof status, "/proc/self/status") &&
           host_value(status, "CapEff:", value, sizeof value) && strtoull(value, NULL, 16) >> 14 & 1;
}

static bool swaps(void) {
    char text[4096];
    return host_text(text, sizeof text, "/proc/swaps") && strchr(text, '\n') && strchr(text, '\n')[1];
}

static void locking(host_facts *f) {
    char limits[4096], value[64];
    bool swap = swaps();
    if (!host_text(limits, sizeof limits, "/proc/self/limits") ||
        !host_value(limits, "Max locked memory", value, sizeof value)) {
        host_fact_add(f, "RLIMIT_MEMLOCK", FACT_UNKNOWN, "unknown");
    } else {
        value[strcspn(value, " ")] = 0;
        bool free_of_it = may_lock(), unlimited = strcmp(value, "unlimited") == 0;
        bool enough = unlimited || free_of_it || strtoull(value, NULL, 10) >= f->bytes;
        host_fact *fact = host_fact_add(f, "RLIMIT_MEMLOCK",
                                        enough ? FACT_OK
                                        : swap ? FACT_BAD
                                               : FACT_NOTE,
                                        "%s%s%s", value, unlimited ? "" : " bytes",
                                        free_of_it && !unlimited ? ", which CAP_IPC_LOCK overrides" : "");
        if (!enough)
            host_fact_change(fact, "weights that are not locked may be swapped out, or their pages moved",
                             "ulimit -l unlimited; for good: echo \"$USER - memlock unlimited\" | sudo tee -a "
                             "/etc/security/limits.d/penstock.conf; log in again");
    }
    if (!host_exists("/proc/swaps"))
        host_fact_add(f, "swap", FACT_UNKNOWN, "unknown");
    else if (!swap)
        host_fact_add(f, "swap", FACT_OK, "none");
    else
        host_fact_change(host_fact_add(f, "swap", FACT_NOTE, "there is some"),
                         "pages that are not locked, code among them, may be on disk when a step needs them",
                         "sudo swapoff -a; or sudo sysctl vm.swappiness=1");
}

void host_facts_memory(host_facts *f) {
    huge_pages(f);
    locking(f);
}
