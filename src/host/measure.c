/* pst_host_measure: describes the host, then measures it. */
#include <math.h>
#include <time.h>

#include "base/status.h"
#include "cpu/levels.h"
#include "host/host.h"

/* Of the time given, the share for bandwidth; the rest watches for hiccups, which are rare. */
#define BANDWIDTH_SHARE 0.25
/* Each of three caches needs some repeats, and hiccups some milliseconds to happen in. */
#define LEAST_SECONDS 0.2

uint64_t psti_host_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

pst_status pst_host_measure(double seconds, const char *level, pst_host *out) {
    pst_host own = {.size = sizeof own};
    int chosen;
    pst_status status = psti_check_info(out, sizeof out->size, "pst_host");
    if (status != PST_OK)
        return status;
    /* An hour is beyond any purpose; it keeps the nanoseconds far from overflow. */
    if (!(seconds <= 3600))
        return psti_fail(PST_E_ARGUMENT, (psti_where){.item = "seconds"},
                         "seconds is %g: expected a number of at most 3600", seconds);
    status = psti_level_choose(level, &chosen);
    if (status != PST_OK)
        return status;
    seconds = fmax(seconds, LEAST_SECONDS);
    psti_host_describe(&own);
    uint64_t start = psti_host_now();
    status = psti_host_bandwidth(seconds * BANDWIDTH_SHARE, chosen, &own);
    if (status != PST_OK)
        return status;
    double left = seconds - 1e-9 * (double)(psti_host_now() - start);
    psti_host_hiccups(fmax(left, LEAST_SECONDS / 2), &own);
    psti_give_info(out, &own, sizeof own);
    return PST_OK;
}
