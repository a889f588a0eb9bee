/* Which CPUs there are for this thread, which of their caches they share, and how much of them a cgroup grants. */
#ifndef PSTI_CPU_TOPOLOGY_H
#define PSTI_CPU_TOPOLOGY_H

#include "penstock.h"

#define PSTI_NO_CPU UINT32_MAX

/* One CPU (a hardware thread). The others are numbers that CPUs have in common where they share the thing; PSTI_NO_CPU
 * where the system does not tell. */
typedef struct {
    uint32_t cpu; /* the system's number */
    uint32_t core, l2, l3, node, package;
    uint64_t l2_bytes; /* 0 where the system does not tell */
} psti_cpu;

typedef struct {
    psti_cpu *cpus; /* ascending by number */
    uint32_t count;
} psti_topology;

/* The CPUs that the calling thread may run on (its affinity, within the cpuset), as hwloc sees them. Allocates; takes
 * some milliseconds; the thread's affinity is as before. */
pst_status psti_topology_load(psti_topology *out);
void psti_topology_free(psti_topology *t);
/* The CPU of that number, or NULL. */
const psti_cpu *psti_topology_find(const psti_topology *t, uint32_t cpu);
/* order[count] = all CPUs, the best company for `first` first, itself at the front: cores before the other threads of
 * cores that are taken already, then by the nearest cache shared with `first` (L2, L3, memory node, package). */
void psti_topology_order(const psti_topology *t, uint32_t first, uint32_t *order);

/* How many CPUs' worth of time this process's cgroup grants, the least of all its levels; 0: no limit. */
double psti_cpu_quota(void);
/* The same from the text of /proc/self/cgroup in the file `groups`, with the hierarchies mounted under `root`. */
double psti_cpu_quota_of(const char *groups, const char *root);

#endif
