/* Every pair of CPUs, measured: the hop between them, and which share a core. */
#ifndef PENSTOCK_CLI_HOST_PAIRS_H
#define PENSTOCK_CLI_HOST_PAIRS_H

#include <stdbool.h>

#include "penstock.h"

/* From this slowdown on two CPUs count as threads of one core: other cores disturb by a tenth at most. */
#define HOST_SHARED 1.4

typedef struct {
    uint32_t a, b;
    bool has_hop, has_sharing;
    pst_hop hop;
    pst_sharing sharing; /* of each CPU and the one nearest to it */
} host_pair;

typedef struct {
    uint32_t *cpus; /* the best company for the first one first */
    size_t cpu_count;
    host_pair *pair; /* (0, 1), (0, 2) ... (1, 2) ... by place in cpus; NULL for one CPU */
    size_t count;
    size_t own_count;  /* CPUs that are no other's second thread, as far as measured */
    size_t *own;       /* their places in cpus, ascending */
    double *hop_ns;    /* [n - 1]: the median of the p50 of the hops among the first n of them; 0 for one */
    char problem[256]; /* the first measurement that failed, in words; "" */
} host_pairs;

/* All CPUs of this thread. The time is shared by the pairs; each takes at least 1 ms for its hop and 20 for sharing.
 * A pair that cannot be measured is left out. 0, or an exit status after a message. */
int host_pairs_measure(double hop_seconds, double sharing_seconds, host_pairs *out);
void host_pairs_free(host_pairs *p);

#endif
