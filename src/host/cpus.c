/* pst_host_cpus: which CPUs there are for this thread, in the order in which an engine would take them. */
#include <string.h>

#include "base/memory.h"
#include "base/status.h"
#include "cpu/topology.h"
#include "host/host.h"

pst_status pst_host_cpus(uint32_t *cpus, size_t *count) {
    if (!count)
        return psti_fail_null("count");
    psti_topology t;
    pst_status status = psti_topology_load(&t);
    if (status)
        return status;
    if (cpus && *count < t.count)
        status = psti_fail(PST_E_ARGUMENT, (psti_where){.item = "count", .expected = t.count, .found = (int64_t)*count},
                           "count is %zu: there are %u CPUs", *count, t.count);
    else if (cpus)
        psti_topology_order(&t, t.cpus[0].cpu, cpus);
    if (!status)
        *count = t.count;
    psti_topology_free(&t);
    return status;
}
