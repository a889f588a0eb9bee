/* Read bandwidth of one core from each of its caches: the widest loads over a piece of memory that stays in it. */
#include <stdlib.h>
#include <string.h>

#include "cpu/pages.h"
#include "host/host.h"
#include "kernels/kernels.h"

/* The piece of L3 that is read: L3 is shared, and a virtual machine is often told of more than it may use. */
#define L3_MOST ((uint64_t)16 << 20)
/* One timed batch reads at least this much, so that the two clock readings (about 50 ns) are below 1 % of it. */
#define BATCH_BYTES ((uint64_t)2 << 20)
enum { LEAST_REPEATS = 5, MOST_REPEATS = 1001 };

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double psti_host_median(double *values, size_t n) {
    qsort(values, n, sizeof *values, compare);
    return n % 2 ? values[n / 2] : 0.5 * (values[n / 2 - 1] + values[n / 2]);
}

/* 1e9 bytes/s; the median of batches. */
static double read_bandwidth(psti_read_fn *read, const void *memory, uint64_t bytes, double seconds) {
    double rates[MOST_REPEATS];
    size_t n = 0;
    const uint64_t passes = (BATCH_BYTES + bytes - 1) / bytes, start = psti_host_now();
    for (int i = 0; i < 3; i++) /* into the cache, and the wide vector units out of their sleep */
        read(memory, bytes);
    while (n < MOST_REPEATS && (n < LEAST_REPEATS || 1e-9 * (double)(psti_host_now() - start) < seconds)) {
        uint64_t before = psti_host_now();
        for (uint64_t i = 0; i < passes; i++)
            read(memory, bytes);
        uint64_t ns = psti_host_now() - before;
        rates[n++] = (double)(passes * bytes) / (double)(ns ? ns : 1);
    }
    return psti_host_median(rates, n);
}

pst_status psti_host_bandwidth(double seconds, int level, pst_host *host) {
    const struct {
        uint64_t bytes;
        double *out;
    } caches[] = {
        {host->l1d_bytes / 2, &host->l1_gbs},
        {host->l2_bytes / 4 * 3, &host->l2_gbs},
        {host->l3_bytes / 4 < L3_MOST ? host->l3_bytes / 4 : L3_MOST, &host->l3_gbs},
    };
    enum { CACHES = sizeof caches / sizeof *caches };
    const psti_kernels kernels = psti_kernels_get(level);
    psti_pages pages;
    uint64_t most = 0;
    for (int i = 0; i < CACHES; i++)
        most = caches[i].bytes > most ? caches[i].bytes : most;
    if (most < 64)
        return PST_OK;
    /* Not locked: it is read all the time, and given back at once. */
    pst_status status = psti_pages_map(most, PSTI_PAGES_NO_LOCK, "bandwidth", &pages);
    if (status != PST_OK)
        return status;
    memset(pages.address, 1, most); /* else untouched pages could all be the one page of zeros */
    for (int i = 0; i < CACHES; i++) {
        uint64_t bytes = caches[i].bytes / 64 * 64;
        if (bytes)
            *caches[i].out = read_bandwidth(kernels.read_f32, pages.address, bytes, seconds / CACHES);
    }
    psti_pages_unmap(&pages);
    return PST_OK;
}
