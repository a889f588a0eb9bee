/* CPUs and the caches they share, by hwloc. */
#include "cpu/topology.h"

#include <hwloc.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/status.h"

static uint32_t ancestor(hwloc_topology_t t, hwloc_obj_t pu, hwloc_obj_type_t type) {
    hwloc_obj_t found = hwloc_get_ancestor_obj_by_type(t, type, pu);
    return found ? found->logical_index : PSTI_NO_CPU;
}

static uint32_t node_of(hwloc_obj_t pu) {
    int first = pu->nodeset ? hwloc_bitmap_first(pu->nodeset) : -1;
    return first >= 0 ? (uint32_t)first : PSTI_NO_CPU;
}

static pst_status fill(hwloc_topology_t t, hwloc_bitmap_t mine, psti_topology *out) {
    int n = hwloc_bitmap_weight(mine);
    if (n <= 0)
        return psti_fail(PST_E_HOST, (psti_where){.item = "cpus"}, "cpus: hwloc finds none that this thread may use");
    out->cpus = psti_allocate((size_t)n, sizeof *out->cpus);
    if (!out->cpus)
        return PST_E_MEMORY;
    for (int cpu = hwloc_bitmap_first(mine); cpu >= 0; cpu = hwloc_bitmap_next(mine, cpu)) {
        hwloc_obj_t pu = hwloc_get_pu_obj_by_os_index(t, (unsigned)cpu);
        if (!pu)
            continue;
        hwloc_obj_t l2 = hwloc_get_ancestor_obj_by_type(t, HWLOC_OBJ_L2CACHE, pu);
        out->cpus[out->count++] = (psti_cpu){.cpu = (uint32_t)cpu,
                                             .core = ancestor(t, pu, HWLOC_OBJ_CORE),
                                             .l2 = ancestor(t, pu, HWLOC_OBJ_L2CACHE),
                                             .l3 = ancestor(t, pu, HWLOC_OBJ_L3CACHE),
                                             .node = node_of(pu),
                                             .package = ancestor(t, pu, HWLOC_OBJ_PACKAGE),
                                             .l2_bytes = l2 ? l2->attr->cache.size : 0};
    }
    return PST_OK;
}

pst_status psti_topology_load(psti_topology *out) {
    hwloc_topology_t t;
    *out = (psti_topology){NULL, 0};
    if (hwloc_topology_init(&t) != 0)
        return psti_fail_memory(sizeof t);
    pst_status status = PST_OK;
    hwloc_bitmap_t mine = hwloc_bitmap_alloc();
    if (!mine)
        status = psti_fail_memory(sizeof mine);
    else if (hwloc_topology_load(t) != 0)
        status = psti_fail(PST_E_HOST, (psti_where){.item = "cpus"}, "cpus: hwloc cannot read this host's topology");
    if (!status) {
        if (hwloc_get_cpubind(t, mine, HWLOC_CPUBIND_THREAD) != 0)
            hwloc_bitmap_copy(mine, hwloc_topology_get_allowed_cpuset(t));
        else
            hwloc_bitmap_and(mine, mine, hwloc_topology_get_allowed_cpuset(t));
        status = fill(t, mine, out);
    }
    hwloc_bitmap_free(mine);
    hwloc_topology_destroy(t);
    if (status)
        psti_topology_free(out);
    return status;
}

void psti_topology_free(psti_topology *t) {
    free(t->cpus);
    *t = (psti_topology){NULL, 0};
}

const psti_cpu *psti_topology_find(const psti_topology *t, uint32_t cpu) {
    for (uint32_t i = 0; i < t->count; i++)
        if (t->cpus[i].cpu == cpu)
            return &t->cpus[i];
    return NULL;
}

static int share(uint32_t a, uint32_t b) {
    return a == b && a != PSTI_NO_CPU;
}

/* How far apart two CPUs are; only the order means something. */
static int distance(const psti_cpu *a, const psti_cpu *b) {
    return share(a->l2, b->l2)        ? 0
           : share(a->l3, b->l3)      ? 1
           : share(a->node, b->node)  ? 2
           : a->package == b->package ? 3
                                      : 4;
}

/* 1 if a CPU of the first n in `order` is another thread of this one's core. */
static int core_taken(const psti_topology *t, const uint32_t *order, uint32_t n, const psti_cpu *c) {
    for (uint32_t i = 0; i < n; i++)
        if (share(psti_topology_find(t, order[i])->core, c->core))
            return 1;
    return 0;
}

static int taken(const uint32_t *order, uint32_t n, uint32_t cpu) {
    for (uint32_t i = 0; i < n; i++)
        if (order[i] == cpu)
            return 1;
    return 0;
}

void psti_topology_order(const psti_topology *t, uint32_t first, uint32_t *order) {
    const psti_cpu *near = psti_topology_find(t, first);
    if (!near)
        near = &t->cpus[0];
    order[0] = near->cpu;
    for (uint32_t n = 1; n < t->count; n++) {
        const psti_cpu *best = NULL;
        int least = 0;
        for (uint32_t i = 0; i < t->count; i++) {
            const psti_cpu *c = &t->cpus[i];
            if (taken(order, n, c->cpu))
                continue;
            int rank = distance(near, c) + (core_taken(t, order, n, c) ? 8 : 0);
            if (!best || rank < least) {
                best = c;
                least = rank;
            }
        }
        order[n] = best->cpu;
    }
}
