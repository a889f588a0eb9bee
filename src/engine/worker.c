/* The thread of a core: takes up commands, between them settles what it owes, and else idles. */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rounding.h"
#include "base/status.h"
#include "engine/command.h"
#include "engine/place.h"

/* Keeps the error of a job on this thread for the caller's. */
static void keep(psti_core *core, pst_status status) {
    core->status = status;
    if (!status)
        return;
    PST_INIT(core->error);
    pst_last_error(&core->error);
    snprintf(core->message, sizeof core->message, "%s", core->error.message ? core->error.message : "");
}

static void take_step(psti_core *core, const psti_command *c, uint64_t tag) {
    pst_engine *e = core->engine;
    psti_part *part = psti_part_of(core, c->stream);
    psti_turn turn = {.slot = part->slot, .now = (int)(c->time & 1), .tag = tag};
    const psti_vector *x = &core->vectors[0];
    if (x->exponent_scale[turn.now] != PSTI_NOWHERE)
        memcpy(turn.slot + x->exponent_scale[turn.now], &c->x_scale, sizeof c->x_scale);
    if (atomic_load_explicit(&e->given_up, memory_order_acquire) == tag || psti_respond(core, part, &turn))
        return; /* the part stands as before: its settle is whole as far as it went, and what was written is not read */
    part->time = c->time;
    part->mendable = 1;
    part->cursor = (psti_cursor){0};
    psti_owe(core, part);
}

/* 0: stop. */
static int execute(psti_core *core, const psti_command *c, uint64_t tag) {
    if (c->kind == PSTI_COMMAND_STEP)
        take_step(core, c, tag);
    else if (c->kind == PSTI_COMMAND_JOB)
        keep(core, c->job(core, c->argument));
    core->seen = tag;
    atomic_store_explicit(&core->done, tag, memory_order_release);
    return c->kind != PSTI_COMMAND_STOP;
}

static void settle_one(psti_core *core) {
    psti_part *part = core->owing;
    if (!psti_settle_some(core, part, 1))
        psti_owe_nothing(core, part);
}

static void serve(psti_core *core) {
    pst_engine *e = core->engine;
    for (;;) {
        uint64_t next = core->seen + 1;
        psti_command c;
        if (__builtin_expect(atomic_load_explicit(&core->held, memory_order_acquire), 0)) {
            psti_stand_still(core);
        } else if (psti_command_read(e->command, next, &c)) {
            psti_idle_over(core);
            if (!execute(core, &c, next))
                return;
        } else if (core->owing) {
            settle_one(core);
        } else {
            psti_idle_once(core, &e->command[next & 1].tag, next);
        }
    }
}

typedef struct {
    psti_core *core;
    const pst_program *program; /* alive until the core has placed its share */
} start;

static void *run(void *argument) {
    start s = *(start *)argument;
    psti_core *core = s.core;
    free(argument);
    /* Its own for good: a thread inherits the modes of the one that starts it. */
    (void)psti_rounding_enter();
    int refused = core->cpu == UINT32_MAX ? 0 : psti_thread_bind(core->cpu, NULL);
    core->bound = core->cpu != UINT32_MAX && !refused;
    pst_status status = PST_OK;
    if (refused && core->engine->must_bind)
        status = psti_fail(PST_E_HOST, (psti_where){.field = "cpus", .found = core->cpu, .os_error = refused},
                           "pst_engine_options: cpus[%u]: the thread could not be bound to CPU %u: %s "
                           "(PST_ENGINE_OVERSUBSCRIBE lets it run where the system puts it)",
                           core->index, core->cpu, strerror(refused));
    else if (refused)
        snprintf(core->shortfall, sizeof core->shortfall,
                 "core %u: its thread could not be bound to CPU %u (%s); it runs where the system puts it", core->index,
                 core->cpu, strerror(refused));
    if (!status)
        status = psti_core_place(core, s.program);
    if (!status)
        psti_rehearse(core);
    keep(core, status);
    core->seen = 1;
    atomic_store_explicit(&core->done, 1, memory_order_release);
    serve(core);
    return NULL;
}

pst_status psti_worker_start(psti_core *core, const pst_program *p) {
    char name[16];
    start *s = malloc(sizeof *s);
    if (!s)
        return psti_fail_memory(sizeof *s);
    *s = (start){core, p};
    snprintf(name, sizeof name, "penstock/%u", core->index);
    pst_status status = psti_thread_start(&core->thread, name, run, s);
    if (status)
        free(s);
    core->has_thread = !status;
    return status;
}
