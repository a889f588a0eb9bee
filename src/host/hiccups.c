/* Hiccups: how often, and for how long, a core that only reads the clock does not get to read it. Interrupts, other
 * processes and the hypervisor all show here, before any model is blamed for them. */
#include "host/host.h"

void psti_gaps_add(psti_gaps *gaps, uint64_t ns) {
    if (ns > gaps->longest_ns)
        gaps->longest_ns = ns;
    if (ns < 1000)
        return;
    gaps->at_least_1us++;
    gaps->at_least_10us += ns >= 10000;
    gaps->at_least_100us += ns >= 100000;
    gaps->lost_ns += ns;
}

void psti_host_hiccups(double seconds, pst_host *host) {
    psti_gaps gaps = {0};
    uint64_t start = psti_host_now(), last = start, now = start;
    const uint64_t span = (uint64_t)(seconds * 1e9);
    while (last - start < span) {
        now = psti_host_now();
        psti_gaps_add(&gaps, now - last);
        last = now;
    }
    host->hiccup_seconds = 1e-9 * (double)(last - start);
    host->hiccups_1us = gaps.at_least_1us;
    host->hiccups_10us = gaps.at_least_10us;
    host->hiccups_100us = gaps.at_least_100us;
    host->hiccup_max_us = 1e-3 * (double)gaps.longest_ns;
    host->hiccup_share = last > start ? (double)gaps.lost_ns / (double)(last - start) : 0;
}
