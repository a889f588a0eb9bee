/* Affinities: see affinity.h. */
#include "lab/affinity.h"

#include <sched.h>

void lab_affinity_get(lab_affinity *a) {
    enum { MOST = 1 << 16 };
    *a = (lab_affinity){0};
    for (int cpus = CPU_SETSIZE; cpus <= MOST; cpus *= 2) {
        cpu_set_t *set = CPU_ALLOC(cpus);
        size_t bytes = CPU_ALLOC_SIZE(cpus);
        if (set && sched_getaffinity(0, bytes, set) == 0) {
            *a = (lab_affinity){set, bytes};
            return;
        }
        CPU_FREE(set);
    }
}

void lab_affinity_put(lab_affinity *a) {
    if (a->set)
        (void)sched_setaffinity(0, a->bytes, a->set);
    CPU_FREE(a->set);
    *a = (lab_affinity){0};
}

int lab_affinity_bind(uint32_t cpu) {
    if (cpu == UINT32_MAX)
        return 0;
    cpu_set_t *set = CPU_ALLOC(cpu + 1);
    size_t bytes = CPU_ALLOC_SIZE(cpu + 1);
    if (!set)
        return 0;
    CPU_ZERO_S(bytes, set);
    CPU_SET_S(cpu, bytes, set);
    int good = sched_setaffinity(0, bytes, set) == 0;
    CPU_FREE(set);
    return good;
}

uint32_t lab_affinity_count(void) {
    lab_affinity a;
    lab_affinity_get(&a);
    int n = a.set ? CPU_COUNT_S(a.bytes, (cpu_set_t *)a.set) : 1;
    CPU_FREE(a.set);
    return n > 1 ? (uint32_t)n : 1;
}
