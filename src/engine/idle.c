/* Idle strategies: spin, wait, yield, park. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* syscall */
#endif
#include "engine/idle.h"

#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "engine/engine.h"

/* Polls before the first PAUSE or yield: an answer that is already on its way comes within some 100 ns. */
#define BRISK_POLLS 32
/* Polls from one look at the clock to the next. */
#define CLOCK_POLLS 64
/* A core is cold after some 100 us without work: it rehearses this long after the last time. */
#define REHEARSE_NS 50000
/* PARK polls this long if nothing else is said: waking a thread costs the caller about 8 us. */
#define PARK_SPIN_US 50
/* A wait on a line ends by itself after about so many ticks, for the sake of rehearsing. */
#define WAIT_TICKS 40000

uint64_t psti_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- what the processor has ---------------------------------------------------------------------------------------
 */

#if defined(__x86_64__)
#include <cpuid.h>
#include <x86intrin.h>

static void pause_once(void) {
    _mm_pause();
}

/* Intel SDM volume 2: CPUID leaf 7, ecx bit 5: WAITPKG. AMD APM volume 3: 8000_0001h, ecx bit 29: MONITORX. */
static int has_umwait(void) {
    unsigned a, b, c = 0, d;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && c >> 5 & 1;
}

static int has_mwaitx(void) {
    unsigned a, b, c = 0, d;
    return __get_cpuid(0x80000001u, &a, &b, &c, &d) && c >> 29 & 1;
}

static int can_wait(void) {
    return has_umwait() || has_mwaitx();
}

__attribute__((target("waitpkg"))) static void umwait_on(const _Atomic uint64_t *awaited, uint64_t tag) {
    _umonitor((void *)(uintptr_t)awaited);
    if (atomic_load_explicit(awaited, memory_order_acquire) != tag)
        (void)_umwait(1, __rdtsc() + WAIT_TICKS); /* 1: C0.1, the faster one to wake from */
}

__attribute__((target("mwaitx"))) static void mwaitx_on(const _Atomic uint64_t *awaited, uint64_t tag) {
    _mm_monitorx((void *)(uintptr_t)awaited, 0, 0);
    if (atomic_load_explicit(awaited, memory_order_acquire) != tag)
        _mm_mwaitx(2, 0xf0, WAIT_TICKS); /* 2: with the timer; hint Fh: stay in C0 */
}

static void wait_on(const _Atomic uint64_t *awaited, uint64_t tag) {
    static _Atomic int kind;
    int k = atomic_load_explicit(&kind, memory_order_relaxed);
    if (!k) {
        k = has_umwait() ? 1 : 2;
        atomic_store_explicit(&kind, k, memory_order_relaxed);
    }
    if (k == 1)
        umwait_on(awaited, tag);
    else
        mwaitx_on(awaited, tag);
}

/* In a virtual machine PAUSE can be made to leave the guest, which takes microseconds: measured, not assumed. A PAUSE
 * takes 10 to 140 cycles where it does not. */
static int pause_is_short(void) {
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < 20; i++) {
        uint64_t begin = psti_now();
        for (int k = 0; k < 16; k++)
            pause_once();
        uint64_t took = psti_now() - begin;
        least = took < least ? took : least;
    }
    return least < 16 * 150;
}

#elif defined(__aarch64__)

static void pause_once(void) {
    __asm__ volatile("yield");
}

static int can_wait(void) {
    return 1;
}

/* The load-exclusive arms the monitor; a store of another core to the line, or the kernel's event stream, wakes. */
static void wait_on(const _Atomic uint64_t *awaited, uint64_t tag) {
    uint64_t found;
    __asm__ volatile("ldaxr %0, [%1]" : "=r"(found) : "r"(awaited) : "memory");
    if (found != tag)
        __asm__ volatile("wfe" : : : "memory");
}

static int pause_is_short(void) {
    return 1;
}

#else

static void pause_once(void) {
}

static int can_wait(void) {
    return 0;
}

static void wait_on(const _Atomic uint64_t *awaited, uint64_t tag) {
    (void)awaited;
    (void)tag;
}

static int pause_is_short(void) {
    return 0;
}

#endif

const char *psti_idle_choose(int asked, uint32_t spin_us, int alone, psti_idle *out) {
    const char *lacking = NULL;
    int strategy = asked;
    if (asked == PST_IDLE_AUTO)
        strategy = alone ? PST_IDLE_SPIN : PST_IDLE_YIELD;
    if (asked == PST_IDLE_WAIT && !can_wait()) {
        lacking = "idle: this processor lets a program wait on no line (umwait, mwaitx, wfe); it spins instead";
        strategy = PST_IDLE_SPIN;
    }
    if (!spin_us && strategy == PST_IDLE_PARK)
        spin_us = PARK_SPIN_US;
    *out = (psti_idle){.strategy = strategy, .spin_ns = 1000 * (uint64_t)spin_us, .pause = pause_is_short()};
    return lacking;
}

const char *psti_idle_name(const psti_idle *idle) {
    static const char *const names[] = {
        [PST_IDLE_AUTO] = "auto",   [PST_IDLE_SPIN] = "spin", [PST_IDLE_WAIT] = "wait",
        [PST_IDLE_YIELD] = "yield", [PST_IDLE_PARK] = "park",
    };
    return names[idle->strategy];
}

/* ---- waiting ------------------------------------------------------------------------------------------------------
 */

static int gives_way(const psti_idle *idle) {
    return idle->strategy == PST_IDLE_YIELD || idle->strategy == PST_IDLE_PARK;
}

void psti_stand_still(psti_core *core) {
    uint32_t asked = PSTI_HELD;
    atomic_compare_exchange_strong(&core->held, &asked, PSTI_STANDS_STILL);
    sched_yield();
}

/* The clock, seldom; 0 between. */
static uint64_t now_and_then(uint32_t polls, uint64_t *since) {
    if (polls % CLOCK_POLLS)
        return 0;
    uint64_t now = psti_now();
    if (!*since)
        *since = now;
    return now;
}

int psti_wait_more(psti_core *core, psti_wait *w) {
    pst_engine *e = core->engine;
    while (__builtin_expect(atomic_load_explicit(&core->held, memory_order_acquire), 0))
        psti_stand_still(core);
    /* Exactly this step: a slow core may still be copying the one before, which the caller has taken as done. */
    if (w->tag && atomic_load_explicit(&e->given_up, memory_order_acquire) == w->tag)
        return 1;
    int way = gives_way(&e->idle);
    if (++w->polls < BRISK_POLLS)
        return 0;
    uint64_t now = 0;
    if ((core == e->caller && e->deadline_ns) || (way && e->idle.spin_ns))
        now = now_and_then(way ? 0 : w->polls, &w->since);
    if (now && core == e->caller && e->deadline_ns && now - w->since > e->deadline_ns) {
        if (w->tag)
            atomic_store_explicit(&e->given_up, w->tag, memory_order_release);
        return 1;
    }
    if (way) {
        if (!e->idle.spin_ns || now - w->since >= e->idle.spin_ns)
            sched_yield();
    } else if (e->idle.pause) {
        pause_once();
    }
    return 0;
}

/* Sleeps until the caller rings. The caller looks at `parked` only after it has published and rung, and a worker looks
 * at its line only after it has said that it parks: one of the two sees the other. */
static void park(pst_engine *e, const _Atomic uint64_t *awaited, uint64_t tag) {
    uint32_t bell = atomic_load(&e->bell);
    atomic_fetch_add(&e->parked, 1);
    if (atomic_load(awaited) != tag)
        syscall(SYS_futex, &e->bell, FUTEX_WAIT_PRIVATE, bell, NULL, NULL, 0);
    atomic_fetch_sub(&e->parked, 1);
}

void psti_idle_wake(pst_engine *e) {
    if (e->idle.strategy != PST_IDLE_PARK)
        return;
    atomic_fetch_add(&e->bell, 1);
    if (atomic_load(&e->parked))
        syscall(SYS_futex, &e->bell, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}

void psti_idle_over(psti_core *core) {
    core->idle_since = 0;
    core->idle_polls = 0;
    core->rehearsed = 0;
}

void psti_idle_once(psti_core *core, const _Atomic uint64_t *awaited, uint64_t tag) {
    pst_engine *e = core->engine;
    const psti_idle *idle = &e->idle;
    uint32_t polls = ++core->idle_polls;
    if (gives_way(idle)) {
        if (idle->spin_ns) {
            uint64_t now = now_and_then(polls, &core->idle_since);
            if (core->idle_since && now && now - core->idle_since < idle->spin_ns)
                return;
            if (!now)
                return;
        }
        if (idle->strategy == PST_IDLE_PARK)
            park(e, awaited, tag);
        else
            sched_yield();
        return;
    }
    if (polls < BRISK_POLLS)
        return;
    /* a poll that sleeps on the line is long enough to look at the clock each time */
    uint64_t now = now_and_then(idle->strategy == PST_IDLE_WAIT ? 0 : polls, &core->idle_since);
    if (now && now - core->idle_since >= REHEARSE_NS) {
        psti_rehearse_piece(core); /* sets idle_since anew when a round of them is done */
        return;
    }
    if (idle->strategy == PST_IDLE_WAIT)
        wait_on(awaited, tag);
    else if (idle->pause)
        pause_once();
}
