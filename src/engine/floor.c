/* The floor: a bare read of the critical weights, each after a settle, nothing else done. */
#include <stdlib.h>
#include <time.h>

#include "base/memory.h"
#include "base/status.h"
#include "engine/engine.h"

static double now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e9 * (double)t.tv_sec + (double)t.tv_nsec;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* What a pair of clock readings costs by itself. */
static double clock_pair_ns(void) {
    double least = 1e9;
    for (int i = 0; i < 100; i++) {
        double begin = now_ns(), took = now_ns() - begin;
        least = took < least ? took : least;
    }
    return least;
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
    double *took = psti_allocate(repeats, sizeof *took), overhead = clock_pair_ns();
    if (!took)
        return PST_E_MEMORY;
    for (uint32_t i = 0; i < repeats; i++) {
        double slot_end = now_ns() + 1e3 * spacing_us;
        psti_cursor cursor = {0};
        psti_settle_all(e, e->rehearsal.address, &cursor);
        while (now_ns() < slot_end)
            ;
        double begin = now_ns();
        (void)e->kernels.read_f32(e->pages.address, e->critical_bytes);
        took[i] = now_ns() - begin - overhead;
    }
    qsort(took, repeats, sizeof *took, ascending);
    pst_floor own = {.critical_bytes = e->critical_bytes, .read_ns = took[repeats / 2]};
    for (uint32_t i = repeats; i-- > 0 && took[i] > 1.2 * own.read_ns;)
        own.p_slow += 1.0 / repeats;
    own.bandwidth_gbs = own.read_ns > 0 ? (double)own.critical_bytes / own.read_ns : 0;
    free(took);
    psti_give_info(out, &own, sizeof own);
    return PST_OK;
}
