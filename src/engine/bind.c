/* Binding the caller's thread to core 0's CPU, when it asks. */
#include <string.h>

#include "base/status.h"
#include "engine/engine.h"

static pst_status misuse(const char *why) {
    return psti_fail(PST_E_ARGUMENT, (psti_where){.item = "engine"}, "engine: %s", why);
}

pst_status pst_engine_bind_caller(pst_engine *e) {
    if (!e)
        return psti_fail_null("engine");
    pst_status status = psti_engine_check(e);
    if (status)
        return status;
    if (e->members > e->cores)
        return psti_fail(PST_E_UNSUPPORTED, (psti_where){.item = "engine"},
                         "engine: the caller is apart: it is none of the engine's cores and has no CPU among theirs");
    if (e->caller_was)
        return misuse("a thread is bound to it already");
    uint32_t cpu = e->cpus[0] == UINT32_MAX ? psti_thread_cpu() : e->cpus[0];
    int refused = psti_thread_bind(cpu, &e->caller_was);
    if (refused)
        return psti_fail(PST_E_HOST, (psti_where){.item = "engine", .found = cpu, .os_error = refused},
                         "engine: the calling thread could not be bound to CPU %u: %s", cpu, strerror(refused));
    return PST_OK;
}

pst_status pst_engine_unbind_caller(pst_engine *e) {
    if (!e)
        return psti_fail_null("engine");
    pst_status status = psti_engine_check(e);
    if (status)
        return status;
    if (!e->caller_was)
        return misuse("no thread is bound to it");
    int refused = psti_thread_restore(e->caller_was);
    e->caller_was = NULL;
    if (refused)
        return psti_fail(PST_E_HOST, (psti_where){.item = "engine", .os_error = refused},
                         "engine: the calling thread's affinity could not be put back: %s", strerror(refused));
    return PST_OK;
}
