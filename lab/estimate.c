/* The floor by arithmetic: see estimate.h. */
#include "lab/estimate.h"

#include <math.h>

#include "lab/error.h"

typedef struct {
    const char *limit;
    double bytes; /* that it holds for one core */
    double gbs;
} cache;

enum { CACHES = 3 };

/* Nearest first; a cache that is not known, or was not measured, is left out. */
static int caches_of(const pst_host *h, uint32_t cores, cache out[CACHES]) {
    const cache all[CACHES] = {{"L1 bandwidth", (double)h->l1d_bytes, h->l1_gbs},
                               {"L2 bandwidth", (double)h->l2_bytes, h->l2_gbs},
                               {"L3 bandwidth", (double)h->l3_bytes / cores, h->l3_gbs}};
    int n = 0;
    for (int i = 0; i < CACHES; i++)
        if (all[i].bytes > 0 && all[i].gbs > 0)
            out[n++] = all[i];
    return n;
}

/* An engine's: an lstm is cut at multiples of 4 units, a linear of 16 outputs, the last one not at all unless that
 * spares a core this many bytes. */
enum { LSTM_GRAIN = 4, LINEAR_GRAIN = 16, WORTH_A_HOP = 16384 };

/* The part of `bytes` that the core with most of a layer has. */
static uint64_t largest_part(uint64_t bytes, const pst_layer_info *l, int last, uint32_t cores) {
    int lstm = l->recurrent_encoding != NULL;
    uint64_t grain = lstm ? LSTM_GRAIN : LINEAR_GRAIN, blocks = (l->outputs + grain - 1) / grain;
    if (!lstm && last && bytes - bytes / cores < WORTH_A_HOP)
        return bytes;
    return bytes * ((blocks + cores - 1) / cores) / blocks;
}

/* The number of the last layer that has weights. */
static int last_with_weights(const pst_program *p, uint32_t layers, uint32_t *last) {
    *last = 0;
    for (uint32_t i = 0; i < layers; i++) {
        pst_layer_info l;
        PST_INIT(l);
        if (pst_program_get_layer(p, i, &l) != PST_OK)
            return lab_fail_library(NULL);
        if (l.critical_bytes)
            *last = i;
    }
    return 0;
}

static void take(lab_estimate *e, double *most, const char *limit, double us) {
    if (us > *most) {
        *most = us;
        e->limit = limit;
    }
}

/* Fills the time of reading and what it is limited by; *most is that part. */
static void read_from(lab_estimate *e, const cache *caches, int n, double *most) {
    double left = (double)e->working_set, held_by_nearer = 0;
    for (int i = 0; i < n && left > 0; i++) {
        double held = fmin(left, fmax(caches[i].bytes - held_by_nearer, 0));
        double us = 1e-3 * (double)e->critical_bytes * held / (double)e->working_set / caches[i].gbs;
        held_by_nearer = fmax(held_by_nearer, caches[i].bytes);
        left -= held;
        e->read_us += us;
        take(e, most, caches[i].limit, us);
    }
    if (left > 0) {
        double us = 1e-3 * (double)e->critical_bytes * left / (double)e->working_set / caches[n - 1].gbs;
        e->read_us += us;
        take(e, most, "memory", us);
    }
}

int lab_estimate_of(const pst_program *p, const pst_host *host, uint32_t cores, double hop_ns, double clock_us,
                    lab_estimate *out) {
    lab_estimate e = {.cores = cores, .limit = "unknown"};
    cache caches[CACHES];
    double most = 0;
    int n = caches_of(host, cores, caches);
    uint32_t layers = 0, last;
    pst_info info;
    PST_INIT(info);
    if (pst_program_get_info(p, &info) != PST_OK)
        return lab_fail_library(NULL);
    if (last_with_weights(p, info.layers, &last))
        return -1;
    for (uint32_t i = 0; i < info.layers; i++) {
        pst_layer_info l;
        PST_INIT(l);
        if (pst_program_get_layer(p, i, &l) != PST_OK)
            return lab_fail_library(NULL);
        if (!l.critical_bytes)
            continue;
        uint64_t critical = largest_part(l.critical_bytes, &l, i == last, cores);
        e.critical_bytes += critical;
        e.working_set += critical + largest_part(l.settle_bytes, &l, 0, cores);
        layers++;
    }
    if (cores > 1)
        e.hop_us = 1e-3 * hop_ns * (layers + 1);
    if (n && e.working_set) {
        read_from(&e, caches, n, &most);
        take(&e, &most, "hop", e.hop_us);
        e.floor_us = e.read_us + e.hop_us + clock_us;
    } else {
        e.read_us = e.floor_us = NAN;
    }
    *out = e;
    return 0;
}

int lab_estimate_best(const pst_program *p, const pst_host *host, uint32_t most, const double *hop_ns, double clock_us,
                      lab_estimate *out) {
    lab_estimate best, e;
    if (lab_estimate_of(p, host, 1, 0, clock_us, &best))
        return -1;
    for (uint32_t cores = 2; cores <= most; cores++) {
        if (lab_estimate_of(p, host, cores, hop_ns[cores - 1], clock_us, &e))
            return -1;
        if (e.floor_us < best.floor_us)
            best = e;
    }
    *out = best;
    return 0;
}
