/* The hop: a number that goes from one CPU to another and back, each way through a line of its own, as engines of many
 * cores hand on their outputs: stored with release, read with acquire. */
#include <math.h>
#include <sched.h>

#include "base/status.h"
#include "host/host.h"
#include "host/pair.h"
#include "host/spread.h"

#define LEAST_SECONDS 1e-3
/* Until threads have arrived and caches know the lines. */
#define WARMING 64
/* How much longer than asked for a pair may take before it is given up. */
#define PATIENCE_SECONDS 2.0

/* Two lines apart: processors fetch neighbours in pairs. */
typedef struct {
    _Alignas(64) _Atomic uint64_t number;
    char apart[128 - sizeof(uint64_t)];
} line;

typedef struct {
    line from[2]; /* the side that writes it */
    uint64_t span_ns;
    int yields; /* both sides on one CPU */
    psti_spread round_trips;
} court;

#define LAST UINT64_MAX

/* The number that arrives after `before`; `before` itself if it is over. */
static inline uint64_t await(const line *l, uint64_t before, int yields, const atomic_int *over) {
    for (;;) {
        uint64_t number = atomic_load_explicit(&l->number, memory_order_acquire);
        if (number != before || atomic_load_explicit(over, memory_order_relaxed))
            return number;
        if (yields)
            sched_yield();
    }
}

static void answer(court *c, const atomic_int *over) {
    for (uint64_t last = 0;;) {
        uint64_t number = await(&c->from[0], last, c->yields, over);
        if (number == last || number == LAST)
            return;
        atomic_store_explicit(&c->from[1].number, number, memory_order_release);
        last = number;
    }
}

/* What a pair of clock readings takes by itself. */
static uint64_t clock_pair_ns(void) {
    enum { PAIRS = 101 };
    double pairs[PAIRS];
    for (int i = 0; i < PAIRS; i++) {
        uint64_t begin = psti_host_now();
        pairs[i] = (double)(psti_host_now() - begin);
    }
    return (uint64_t)psti_host_median(pairs, PAIRS);
}

static void ask(court *c, const atomic_int *over) {
    const uint64_t reading = clock_pair_ns(), start = psti_host_now();
    for (uint64_t n = 1;; n++) {
        uint64_t begin = psti_host_now();
        atomic_store_explicit(&c->from[0].number, n, memory_order_release);
        if (await(&c->from[1], n - 1, c->yields, over) != n)
            return;
        uint64_t end = psti_host_now(), took = end - begin;
        if (n > WARMING)
            psti_spread_add(&c->round_trips, took > reading ? took - reading : 0);
        if (n > WARMING && end - start >= c->span_ns)
            break;
    }
    atomic_store_explicit(&c->from[0].number, LAST, memory_order_release);
}

static void play(int side, const atomic_int *over, void *shared) {
    (side ? answer : ask)(shared, over);
}

pst_status pst_host_hop(uint32_t cpu_a, uint32_t cpu_b, double seconds, pst_hop *out) {
    pst_status status = psti_check_info(out, sizeof out->size, "pst_hop");
    if (status || (status = psti_pair_seconds(seconds)))
        return status;
    seconds = fmax(seconds, LEAST_SECONDS);
    court c = {.span_ns = (uint64_t)(1e9 * seconds), .yields = cpu_a == cpu_b};
    status = psti_pair_run((uint32_t[]){cpu_a, cpu_b}, play, seconds + PATIENCE_SECONDS, &c, sizeof c);
    if (status)
        return status;
    const psti_spread *s = &c.round_trips;
    const pst_hop own = {.count = s->count,
                         .p50_ns = 0.5 * psti_spread_at(s, 0.5),
                         .p99_ns = 0.5 * psti_spread_at(s, 0.99),
                         .p999_ns = 0.5 * psti_spread_at(s, 0.999),
                         .max_ns = 0.5 * (double)s->largest,
                         .mean_ns = 0.5 * psti_spread_mean(s)};
    psti_give_info(out, &own, sizeof own);
    return PST_OK;
}
