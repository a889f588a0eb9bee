/* Sharing: whether two CPUs are two threads of one core, found by what they cost each other. In turns of equal length
 * the first works alone while the second sleeps, and then both work. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <math.h>
#include <time.h>

#include "base/status.h"
#include "host/host.h"
#include "host/pair.h"
#include "host/spread.h"

/* Long against waking a sleeper (about 0.1 ms) and a piece of work, short against a scheduler that moves others. */
#define TURN_NS 2000000u
/* Pieces in the first and last eighth of a turn do not count: the other side may not be where it should. */
#define MARGIN_NS (TURN_NS / 8)
#define LEAST_SECONDS 20e-3
#define PATIENCE_SECONDS 2.0
/* Of a piece: 10 to 30 us. */
#define LINKS 4000

typedef struct {
    _Atomic uint64_t start; /* of the first turn; 0 until side 0 has set it */
    uint64_t span_ns;
    psti_spread alone, together;
} court;

/* 12 chains of multiplications side by side: whatever a core multiplies with has work in every cycle, so that a second
 * thread can only take from the first. The empty asm keeps each in a register of its own. */
static void piece(void) {
    uint64_t c[12] = {1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23};
    const uint64_t factor = 0x9e3779b97f4a7c15u;
    for (int i = 0; i < LINKS; i++) {
#define LINK(k)                                                                                                        \
    c[k] *= factor;                                                                                                    \
    __asm__ volatile("" : "+r"(c[k]))
        LINK(0);
        LINK(1);
        LINK(2);
        LINK(3);
        LINK(4);
        LINK(5);
        LINK(6);
        LINK(7);
        LINK(8);
        LINK(9);
        LINK(10);
        LINK(11);
#undef LINK
    }
}

static void sleep_until(uint64_t ns) {
    const struct timespec t = {.tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u)};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

/* Side 0 works all the time and counts; in even turns it is alone. */
static void measured(court *c, const atomic_int *over) {
    const uint64_t start = psti_host_now();
    atomic_store(&c->start, start);
    while (!atomic_load_explicit(over, memory_order_relaxed)) {
        uint64_t begin = psti_host_now(), turn = (begin - start) / TURN_NS, from = start + turn * TURN_NS;
        if (begin - start >= c->span_ns)
            return;
        piece();
        uint64_t end = psti_host_now();
        if (begin >= from + MARGIN_NS && end <= from + TURN_NS - MARGIN_NS)
            psti_spread_add(turn % 2 ? &c->together : &c->alone, end - begin);
    }
}

static void company(court *c, const atomic_int *over) {
    uint64_t start;
    while (!(start = atomic_load(&c->start)))
        if (atomic_load(over))
            return;
    while (!atomic_load_explicit(over, memory_order_relaxed)) {
        uint64_t now = psti_host_now(), turn = (now - start) / TURN_NS;
        if (now - start >= c->span_ns)
            return;
        if (turn % 2)
            piece();
        else
            sleep_until(start + (turn + 1) * TURN_NS);
    }
}

static void play(int side, const atomic_int *over, void *shared) {
    (side ? company : measured)(shared, over);
}

pst_status pst_host_sharing(uint32_t cpu_a, uint32_t cpu_b, double seconds, pst_sharing *out) {
    pst_status status = psti_check_info(out, sizeof out->size, "pst_sharing");
    if (status || (status = psti_pair_seconds(seconds)))
        return status;
    if (cpu_a == cpu_b)
        return psti_fail(PST_E_ARGUMENT, (psti_where){.item = "cpu_b", .found = cpu_b},
                         "cpu_b: CPU %u is cpu_a already: expected another one", cpu_b);
    seconds = fmax(seconds, LEAST_SECONDS);
    court c = {.span_ns = (uint64_t)(1e9 * seconds)};
    status = psti_pair_run((uint32_t[]){cpu_a, cpu_b}, play, seconds + PATIENCE_SECONDS, &c, sizeof c);
    if (status)
        return status;
    pst_sharing own = {.count = c.alone.count + c.together.count,
                       .alone_ns = psti_spread_at(&c.alone, 0.5),
                       .together_ns = psti_spread_at(&c.together, 0.5)};
    if (!c.alone.count || !c.together.count)
        return psti_fail(PST_E_HOST, (psti_where){.item = "cpu", .found = cpu_a},
                         "CPU %u: no piece of work was done in one go within %.3g s: something else runs there", cpu_a,
                         seconds);
    own.slowdown = own.together_ns / own.alone_ns;
    psti_give_info(out, &own, sizeof own);
    return PST_OK;
}
