/* Seats: as the caller says, or the nearest CPUs to the one it runs on, within its affinity and its cgroup's quota. */
#include "engine/seats.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/status.h"
#include "cpu/thread.h"
#include "cpu/topology.h"

static int are_distinct(uint32_t cores, const uint32_t *cpus) {
    for (uint32_t i = 0; i < cores; i++)
        for (uint32_t k = 0; k < i; k++)
            if (cpus[i] == cpus[k])
                return 0;
    return 1;
}

/* Whether one of the caller's CPUs is none of its engine's threads'. */
static int has_own(const psti_topology *t, uint32_t threads, const uint32_t *cpus) {
    for (uint32_t i = 0; i < t->count; i++) {
        uint32_t k = 0;
        while (k < threads && cpus[k] != t->cpus[i].cpu)
            k++;
        if (k == threads)
            return 1;
    }
    return 0;
}

static pst_status check_list(const pst_engine_options *o, uint32_t cores) {
    for (uint32_t i = 0; i < cores; i++)
        if (o->cpus[i] >= 1u << 20)
            return psti_fail(PST_E_ARGUMENT, (psti_where){.field = "cpus", .found = o->cpus[i]},
                             "pst_engine_options: cpus[%u]: no system has a CPU %u", i, o->cpus[i]);
    if (!are_distinct(cores, o->cpus) && !(o->flags & PST_ENGINE_OVERSUBSCRIBE))
        return psti_fail(PST_E_ARGUMENT, (psti_where){.field = "cpus"},
                         "pst_engine_options: cpus: two cores on one CPU are only meant with PST_ENGINE_OVERSUBSCRIBE");
    return PST_OK;
}

static pst_status check_quota(const pst_engine_options *o, uint32_t cores) {
    double quota = psti_cpu_quota();
    if (quota == 0 || cores <= quota + 0.01 || o->flags & PST_ENGINE_OVERSUBSCRIBE)
        return PST_OK;
    return psti_fail(PST_E_HOST, (psti_where){.field = "cores", .expected = (int64_t)floor(quota), .found = cores},
                     "pst_engine_options: cores: expected at most %g, the CPU time that this process's cgroup grants, "
                     "found %u; a core that polls uses all of one (PST_ENGINE_OVERSUBSCRIBE opens them all the same)",
                     quota, cores);
}

static pst_status choose(const pst_engine_options *o, const psti_topology *t, uint32_t cores, uint32_t *cpus) {
    if (cores > t->count && !(o->flags & PST_ENGINE_OVERSUBSCRIBE))
        return psti_fail(PST_E_HOST, (psti_where){.field = "cores", .expected = t->count, .found = cores},
                         "pst_engine_options: cores: expected at most %u, the CPUs that this thread may run on, found "
                         "%u (PST_ENGINE_OVERSUBSCRIBE opens them all the same)",
                         t->count, cores);
    uint32_t *order = psti_allocate(t->count, sizeof *order);
    if (!order)
        return PST_E_MEMORY;
    psti_topology_order(t, psti_thread_cpu(), order);
    /* A caller apart keeps the CPU it runs on, where there is one to spare. */
    uint32_t first = o->caller == PST_CALLER_APART && cores < t->count;
    for (uint32_t i = 0; i < cores; i++)
        cpus[i] = order[(first + i) % t->count];
    free(order);
    return PST_OK;
}

/* Of the core with the least. */
static uint64_t l2_bytes(const psti_topology *t, uint32_t cores, const uint32_t *cpus) {
    uint64_t least = UINT64_MAX;
    for (uint32_t i = 0; i < cores; i++) {
        const psti_cpu *own = psti_topology_find(t, cpus[i]);
        uint64_t sharing = 0;
        for (uint32_t k = 0; own && k < cores; k++) {
            const psti_cpu *other = psti_topology_find(t, cpus[k]);
            sharing += other && other->l2 == own->l2;
        }
        uint64_t bytes = own ? own->l2_bytes / sharing : 0;
        least = bytes < least ? bytes : least;
    }
    return least;
}

pst_status psti_seats(const pst_engine_options *o, uint32_t cores, uint32_t members, uint32_t *cpus,
                      psti_seating *out) {
    *out = (psti_seating){.alone = 1};
    if (members == 1 && !o->cpus) { /* the caller's thread only, wherever it runs: nothing to find out */
        cpus[0] = PSTI_NO_CPU;
        return PST_OK;
    }
    pst_status status = check_quota(o, cores);
    if (!status && o->cpus)
        status = check_list(o, cores);
    psti_topology t = {NULL, 0};
    if (!status)
        status = psti_topology_load(&t);
    if (!status && o->cpus)
        for (uint32_t i = 0; i < cores; i++)
            cpus[i] = o->cpus[i];
    else if (!status)
        status = choose(o, &t, cores, cpus);
    double quota = psti_cpu_quota();
    if (!status) {
        uint32_t caller_is = members == cores; /* core 0, whose CPU it is not bound to */
        out->l2_bytes = l2_bytes(&t, cores, cpus);
        out->alone = are_distinct(cores, cpus) && has_own(&t, cores - caller_is, cpus + caller_is) &&
                     (quota == 0 || members <= quota + 0.01);
    }
    psti_topology_free(&t);
    return status;
}
