/* What the soak and the tests of lateness share: an engine on many cores beside the same program on one. */
#ifndef TESTS_UNIT_ENGINE_SOAK_H
#define TESTS_UNIT_ENGINE_SOAK_H

#include <sched.h>

#include "engine/engine.h"
#include "support/expect.h"
#include "support/model.h"

static inline pst_engine *engine_of(const pst_program *p, uint32_t cores, int caller, uint32_t deadline_us) {
    pst_engine_options o;
    pst_engine *e;
    PST_INIT(o);
    o.cores = cores;
    o.caller = caller;
    o.deadline_us = deadline_us;
    o.flags = PST_ENGINE_OVERSUBSCRIBE | PST_ENGINE_NO_HUGE_PAGES;
    OK(pst_engine_open(p, &o, &e));
    return e;
}

/* A core stands still, wherever it is next between two things, until it is let go. */
static inline void hold(pst_engine *e, uint32_t core, uint32_t on) {
    atomic_store_explicit(&e->core[core]->held, on ? PSTI_HELD : 0, memory_order_release);
}

/* The same, and it does. Of a core that is not the caller's and doesn't park. */
static inline void hold_still(pst_engine *e, uint32_t core) {
    hold(e, core, 1);
    while (atomic_load_explicit(&e->core[core]->held, memory_order_acquire) != PSTI_STANDS_STILL)
        sched_yield();
}

#endif
