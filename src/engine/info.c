/* What an engine tells of itself. */
#include "base/status.h"
#include "engine/place.h"

pst_status pst_engine_get_info(const pst_engine *engine, pst_engine_info *out) {
    pst_engine *e = (pst_engine *)(uintptr_t)engine; /* a check may find that a late engine no longer is */
    if (!e || !out)
        return psti_fail_null(e ? "out" : "engine");
    pst_status status = psti_check_info(out, sizeof out->size, "pst_engine_info");
    if (status || (status = psti_engine_check(e)))
        return status;
    pst_engine_info own = {.cores = e->cores,
                           .level = e->kernels.level,
                           .page_bytes = e->core[0]->pages.page_bytes,
                           .settle_units = e->caller->settle_units + e->caller->touch_units,
                           .shortfalls = e->shortfalls,
                           .shortfall_count = e->shortfall_count,
                           .cpus = e->cpus,
                           .idle = psti_idle_name(&e->idle)};
    for (uint32_t m = 0; m < e->members; m++) {
        const psti_core *core = e->core[m];
        size_t weights = core->critical_bytes + core->settle_bytes;
        own.weight_bytes += weights;
        own.locked_bytes += core->pages.locked < weights ? core->pages.locked : weights; /* pages are whole */
        own.stream_bytes += (psti_part_bytes(core) + 4095) / 4096 * 4096;
        own.threads += (uint32_t)core->has_thread;
        if (core->touch_bytes > own.retouched_bytes)
            own.retouched_bytes = core->touch_bytes;
        if (core->pages.page_bytes < own.page_bytes)
            own.page_bytes = core->pages.page_bytes;
    }
    psti_give_info(out, &own, sizeof own);
    return PST_OK;
}
