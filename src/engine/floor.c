/* The floor: a bare read of the critical weights on all cores at once, each after a settle, and the hops between them;
 * nothing else done. */
#include <stdlib.h>

#include "base/memory.h"
#include "base/status.h"
#include "engine/command.h"

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* What a pair of clock readings costs by itself. */
static double clock_pair_ns(void) {
    double least = 1e9;
    for (int i = 0; i < 100; i++) {
        uint64_t begin = psti_now();
        double took = (double)(psti_now() - begin);
        least = took < least ? took : least;
    }
    return least;
}

typedef struct {
    uint64_t spacing_ns;
    double overhead_ns;
} reading;

/* A job: a settle, the rest of the spacing, a read. */
static pst_status read_once(psti_core *core, void *argument) {
    const reading *r = argument;
    uint64_t end = psti_now() + r->spacing_ns;
    core->practice.cursor = (psti_cursor){0};
    psti_settle_all(core, &core->practice);
    while (psti_now() < end)
        ;
    uint64_t begin = psti_now();
    (void)core->engine->kernels.read_f32(core->pages.address, core->critical_bytes);
    core->measured_ns = (double)(psti_now() - begin) - r->overhead_ns;
    return PST_OK;
}

static pst_status nothing(psti_core *core, void *argument) {
    (void)core;
    (void)argument;
    return PST_OK;
}

/* Critical weights of the largest share, layer by layer: what a step waits for. */
static size_t on_the_path(const pst_engine *e) {
    size_t bytes = 0;
    for (uint32_t i = 0; i < e->count; i++) {
        size_t most = 0;
        for (uint32_t m = 0; m < e->cores; m++) {
            size_t own = e->core[m]->layers[i].critical_bytes;
            most = own > most ? own : most;
        }
        bytes += most;
    }
    return bytes;
}

/* Hops of a step that wait for each other: x to the cores, then a layer's slices to the next, then y to a caller that
 * has no share of the last layer. */
static uint32_t hops(const pst_engine *e) {
    uint32_t n = 0;
    for (uint32_t v = 0; v <= e->count; v++) {
        int goes_over = 0;
        for (uint32_t m = 0; m < e->members; m++)
            goes_over |= e->core[m]->vectors[v].route.peer_count && (v < e->count || e->core[m] == e->caller);
        n += (uint32_t)goes_over;
    }
    return n;
}

pst_status pst_engine_floor(pst_engine *e, uint32_t repeats, double spacing_us, pst_floor *out) {
    if (!e || !out)
        return psti_fail_null(e ? "out" : "engine");
    pst_status status = psti_check_info(out, sizeof out->size, "pst_floor");
    if (status || (status = psti_engine_check(e)))
        return status;
    if (repeats < 3 || !(spacing_us >= 0 && spacing_us <= 1e6))
        return psti_fail(PST_E_ARGUMENT, (psti_where){.item = "pst_engine_floor"},
                         "pst_engine_floor: expected at least 3 repeats and a spacing of 0 to 1e6 us, found %u and %g",
                         repeats, spacing_us);
    double *took = psti_allocate(2 * (size_t)repeats, sizeof *took), *hop = took ? took + repeats : NULL;
    if (!took)
        return PST_E_MEMORY;
    reading r = {(uint64_t)(1e3 * spacing_us), clock_pair_ns()};
    pst_floor own = {.critical_bytes = on_the_path(e), .hops = e->members > 1 ? hops(e) : 0};
    for (uint32_t i = 0; i < repeats; i++) {
        (void)psti_on_all_cores(e, read_once, &r);
        took[i] = 0;
        for (uint32_t m = 0; m < e->cores; m++) {
            /* a share that is not the largest in every layer waits for those that are */
            const psti_core *core = e->core[m];
            double whole = core->critical_bytes
                               ? core->measured_ns * (double)own.critical_bytes / (double)core->critical_bytes
                               : 0;
            took[i] = whole > took[i] ? whole : took[i];
        }
        if (e->members > 1) { /* there and back */
            uint64_t begin = psti_now();
            (void)psti_on_all_cores(e, nothing, NULL);
            hop[i] = ((double)(psti_now() - begin) - r.overhead_ns) / 2;
        }
    }
    qsort(took, repeats, sizeof *took, ascending);
    own.read_ns = took[repeats / 2];
    for (uint32_t i = repeats; i-- > 0 && took[i] > 1.2 * own.read_ns;)
        own.p_slow += 1.0 / repeats;
    own.bandwidth_gbs = own.read_ns > 0 ? (double)own.critical_bytes / own.read_ns : 0;
    if (e->members > 1) {
        qsort(hop, repeats, sizeof *hop, ascending);
        own.hop_ns = hop[repeats / 2];
    }
    own.floor_ns = own.read_ns + own.hops * own.hop_ns;
    free(took);
    psti_give_info(out, &own, sizeof own);
    return PST_OK;
}
