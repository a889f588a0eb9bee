/* The floor of a step by arithmetic: what a program would take on a host of measured caches and hops, on any number of
 * cores. It needs no engine, so it also speaks of cores that nothing has been run on. */
#ifndef LAB_ESTIMATE_H
#define LAB_ESTIMATE_H

#include "penstock.h"

typedef struct {
    uint32_t cores;
    uint64_t critical_bytes; /* sum over the layers of the most that one core reads in respond */
    uint64_t working_set;    /* the same with settle: what goes through that core's caches from step to step */
    double read_us;          /* of critical_bytes, from where that working set lies */
    double hop_us;           /* all hops together; 0 on one core */
    double floor_us;         /* read, hops, and a pair of clock readings; NaN where no cache was measured */
    const char *limit;       /* the largest part: "L1 bandwidth", "L2 bandwidth", "L3 bandwidth", "memory", "hop" */
} lab_estimate;

/* Layers are cut as an engine cuts them (docs/design.md). floor = critical bytes / read bandwidth + (layers + 1) hops +
 * clock, where layers are those that have weights, and hops count on more than one core. A cache serves the share of
 * the working set that fits into it, at its bandwidth, the next one the rest; L3 is shared by all cores. What fits
 * nowhere is read from memory, which is not measured and taken to be as fast as the last cache: "memory" then marks an
 * estimate that is too low. Fills *out; 0, or -1 with a message. */
int lab_estimate_of(const pst_program *p, const pst_host *host, uint32_t cores, double hop_ns, double clock_us,
                    lab_estimate *out);
/* The number of cores, at most `most`, whose floor is the lowest; of equals the fewest. hop_ns[n - 1] is the hop among
 * n cores. */
int lab_estimate_best(const pst_program *p, const pst_host *host, uint32_t most, const double *hop_ns, double clock_us,
                      lab_estimate *out);

#endif
