/* The host: what it is, how fast its caches read, and what else runs on it. */
#ifndef PSTI_HOST_HOST_H
#define PSTI_HOST_HOST_H

#include "penstock.h"

/* Fills cpu, logical_cpus, virtualised and the sizes of the caches; what the host does not tell stays empty or 0. */
void psti_host_describe(pst_host *host);

/* Fills the bandwidths of the caches whose sizes are known, with the kernels of `level`, in about `seconds`. */
pst_status psti_host_bandwidth(double seconds, int level, pst_host *host);

/* The gaps of a loop that only reads the clock. Zero-initialise with {0}. */
typedef struct {
    uint64_t at_least_1us, at_least_10us, at_least_100us;
    uint64_t longest_ns, lost_ns; /* lost: all gaps of at least 1 us together */
} psti_gaps;

/* Counts one gap. */
void psti_gaps_add(psti_gaps *gaps, uint64_t ns);
/* Reads the clock for `seconds` and fills the hiccup fields. */
void psti_host_hiccups(double seconds, pst_host *host);

/* "1024K", "32M", "512" as bytes; 0 if it is not that. */
uint64_t psti_host_size(const char *text);
/* The median of n values, n > 0; changes their order. */
double psti_host_median(double *values, size_t n);
/* CLOCK_MONOTONIC in ns. */
uint64_t psti_host_now(void);

#endif
