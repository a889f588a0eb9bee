/* Every pair of CPUs: see host_pairs.h. */
#include "host_pairs.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "output.h"
#include "progress.h"

/* Of two places in cpus, the first being the smaller. */
static host_pair *at(const host_pairs *p, size_t i, size_t j) {
    return &p->pair[i * p->cpu_count - i * (i + 1) / 2 + (j - i - 1)];
}

/* Notes a failure; the CPU that it names, or `other` where it names none. */
static uint32_t failed(host_pairs *p, uint32_t other) {
    pst_error e;
    PST_INIT(e);
    pst_last_error(&e);
    if (!p->problem[0])
        snprintf(p->problem, sizeof p->problem, "%s", e.message ? e.message : "a pair of CPUs cannot be measured");
    return e.item && strcmp(e.item, "cpu") == 0 ? (uint32_t)e.found : other;
}

/* A CPU that gave its thread no time once is not asked again: every try would wait for seconds. */
static int measure_hops(host_pairs *p, double seconds) {
    bool *dead = calloc(p->cpu_count, sizeof *dead);
    if (!dead)
        return cli_error("out of memory");
    size_t done = 0;
    for (size_t i = 0; i < p->cpu_count; i++)
        for (size_t j = i + 1; j < p->cpu_count; j++, done++) {
            host_pair *pair = at(p, i, j);
            PST_INIT(pair->hop);
            pair->a = p->cpus[i];
            pair->b = p->cpus[j];
            cli_progress(NULL, 0.4 + 0.4 * (double)done / (double)p->count, "hops");
            if (dead[i] || dead[j])
                continue;
            pair->has_hop = pst_host_hop(pair->a, pair->b, seconds / (double)p->count, &pair->hop) == PST_OK;
            if (!pair->has_hop)
                dead[failed(p, pair->b) == pair->a ? i : j] = true;
        }
    free(dead);
    return CLI_OK;
}

/* For each CPU the pair with the shortest hop: threads of one core are nearer to each other than to anything else. */
static void measure_sharing(host_pairs *p, double seconds) {
    const double each = seconds / (double)p->cpu_count;
    for (size_t i = 0; i < p->cpu_count; i++) {
        host_pair *nearest = NULL;
        for (size_t j = 0; j < p->cpu_count; j++) {
            host_pair *pair = i < j ? at(p, i, j) : i > j ? at(p, j, i) : NULL;
            if (pair && pair->has_hop && (!nearest || pair->hop.p50_ns < nearest->hop.p50_ns))
                nearest = pair;
        }
        cli_progress(NULL, 0.8 + 0.2 * (double)i / (double)p->cpu_count, "shared cores");
        if (!nearest || nearest->has_sharing)
            continue;
        PST_INIT(nearest->sharing);
        nearest->has_sharing = pst_host_sharing(nearest->a, nearest->b, each, &nearest->sharing) == PST_OK;
        if (!nearest->has_sharing)
            failed(p, nearest->b);
    }
}

/* Whether a hop from or to the CPU of that place is known. */
static bool answers(const host_pairs *p, size_t i) {
    for (size_t j = 0; j < p->cpu_count; j++)
        if (j != i && at(p, i < j ? i : j, i < j ? j : i)->has_hop)
            return true;
    return false;
}

/* A CPU that nothing could be measured with is no company; where that is so of all, one is left. */
static void choose_own(host_pairs *p) {
    for (size_t i = 0; i < p->cpu_count; i++) {
        bool good = answers(p, i);
        for (size_t j = 0; j < p->own_count && good; j++) {
            const host_pair *pair = at(p, p->own[j], i);
            good = !pair->has_sharing || pair->sharing.slowdown < HOST_SHARED;
        }
        if (good)
            p->own[p->own_count++] = i;
    }
    if (!p->own_count)
        p->own[p->own_count++] = 0;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int find_medians(host_pairs *p) {
    double *values = malloc((p->count ? p->count : 1) * sizeof *values);
    if (!values)
        return cli_error("out of memory");
    size_t n = 0;
    for (size_t i = 1; i < p->own_count; i++) {
        for (size_t j = 0; j < i; j++) {
            const host_pair *pair = at(p, p->own[j], p->own[i]);
            if (pair->has_hop)
                values[n++] = pair->hop.p50_ns;
        }
        qsort(values, n, sizeof *values, ascending);
        p->hop_ns[i] = n == 0 ? NAN : n % 2 ? values[n / 2] : 0.5 * (values[n / 2 - 1] + values[n / 2]);
    }
    free(values);
    return CLI_OK;
}

static int measure(host_pairs *p, double hop_seconds, double sharing_seconds) {
    int result = p->count ? measure_hops(p, hop_seconds) : CLI_OK;
    if (result != CLI_OK)
        return result;
    if (p->count)
        measure_sharing(p, sharing_seconds);
    choose_own(p);
    return find_medians(p);
}

int host_pairs_measure(double hop_seconds, double sharing_seconds, host_pairs *out) {
    memset(out, 0, sizeof *out);
    if (pst_host_cpus(NULL, &out->cpu_count) != PST_OK)
        return cli_library_error(NULL);
    const size_t n = out->cpu_count;
    out->count = n * (n - 1) / 2;
    out->cpus = calloc(n, sizeof *out->cpus);
    out->own = calloc(n, sizeof *out->own);
    out->hop_ns = calloc(n, sizeof *out->hop_ns);
    out->pair = out->count ? calloc(out->count, sizeof *out->pair) : NULL;
    int result;
    if (!out->cpus || !out->own || !out->hop_ns || (out->count && !out->pair))
        result = cli_error("out of memory");
    else if (pst_host_cpus(out->cpus, &out->cpu_count) != PST_OK || out->cpu_count != n)
        result = cli_library_error(NULL);
    else
        result = measure(out, hop_seconds, sharing_seconds);
    if (result != CLI_OK)
        host_pairs_free(out);
    return result;
}

void host_pairs_free(host_pairs *p) {
    free(p->cpus);
    free(p->own);
    free(p->hop_ns);
    free(p->pair);
    memset(p, 0, sizeof *p);
}
