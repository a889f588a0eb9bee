/* Opening and closing: cores chosen, their threads started, each with its share. */
#include <sched.h>
#include <stdlib.h>

#include "base/status.h"
#include "cpu/levels.h"
#include "cpu/topology.h"
#include "engine/command.h"
#include "engine/place.h"
#include "engine/seats.h"

static pst_status check_options(const pst_engine_options *o) {
    const uint32_t flags =
        PST_ENGINE_NO_HUGE_PAGES | PST_ENGINE_NO_LOCK | PST_ENGINE_OVERSUBSCRIBE | PST_ENGINE_NO_TOUCH;
    if (o->cores > PSTI_MOST_CORES)
        return psti_fail(PST_E_ARGUMENT, (psti_where){.field = "cores", .expected = PSTI_MOST_CORES, .found = o->cores},
                         "pst_engine_options: cores: expected at most %d, found %u", PSTI_MOST_CORES, o->cores);
    if (o->caller != PST_CALLER_CORE && o->caller != PST_CALLER_APART)
        return psti_fail(PST_E_ARGUMENT, (psti_where){.field = "caller", .found = o->caller},
                         "pst_engine_options: caller: expected one of PST_CALLER_CORE and _APART, found %d", o->caller);
    if (o->idle < PST_IDLE_AUTO || o->idle > PST_IDLE_PARK)
        return psti_fail(PST_E_ARGUMENT, (psti_where){.field = "idle", .found = o->idle},
                         "pst_engine_options: idle: expected one of PST_IDLE_AUTO to _PARK, found %d", o->idle);
    if (o->spin_us > 1000000)
        return psti_fail(PST_E_ARGUMENT, (psti_where){.field = "spin_us", .expected = 1000000, .found = o->spin_us},
                         "pst_engine_options: spin_us: expected at most 1,000,000, found %u", o->spin_us);
    if (o->flags & ~flags)
        return psti_fail(PST_E_ARGUMENT, (psti_where){.field = "flags", .found = o->flags},
                         "pst_engine_options: flags: unknown bits in 0x%x", o->flags);
    return PST_OK;
}

static pst_status make_cores(pst_engine *e) {
    e->core = psti_arena_take(&e->arena, e->members, sizeof *e->core);
    if (!e->core)
        return PST_E_MEMORY;
    for (uint32_t m = 0; m < e->members; m++) {
        psti_core *core = NULL;
        if (posix_memalign((void **)&core, 128, sizeof *core) != 0)
            return psti_fail_memory(sizeof *core);
        memset(core, 0, sizeof *core);
        core->engine = e;
        core->index = m;
        core->cpu = m < e->cores && (m || e->members > e->cores) ? e->cpus[m] : UINT32_MAX;
        e->core[m] = core;
    }
    e->caller = e->core[e->members > e->cores ? e->cores : 0];
    return PST_OK;
}

static pst_status map_lines(pst_engine *e, const pst_program *p) {
    size_t lines;
    if (e->members == 1)
        return PST_OK;
    pst_status status = psti_core_lines(e->caller, p, &lines);
    if (!status)
        status = psti_pages_map(lines * sizeof(psti_line), (int)e->flags | PSTI_PAGES_NO_HUGE, "lines", &e->line_pages);
    e->command = e->line_pages.address;
    return status;
}

/* Every core places its share, all at once. */
static pst_status place_all(pst_engine *e, const pst_program *p) {
    pst_status status = PST_OK;
    e->tag = e->copied = e->members > 1; /* command 1 is to have come this far */
    for (uint32_t m = 0; m < e->cores && !status; m++)
        if (e->core[m] != e->caller)
            status = psti_worker_start(e->core[m], p);
    if (!status)
        status = psti_core_place(e->caller, p);
    if (!status)
        psti_rehearse(e->caller);
    for (uint32_t m = 0; m < e->cores; m++)
        while (e->core[m]->has_thread && !atomic_load_explicit(&e->core[m]->done, memory_order_acquire))
            sched_yield();
    return status ? status : psti_first_failure(e);
}

static pst_status note_shortfalls(pst_engine *e, const char *idle) {
    e->shortfalls = psti_arena_take(&e->arena, 2 + (size_t)7 * e->members, sizeof *e->shortfalls);
    if (!e->shortfalls)
        return PST_E_MEMORY;
    if (idle)
        e->shortfalls[e->shortfall_count++] = idle;
    for (uint32_t m = 0; m < e->members; m++) {
        const psti_core *core = e->core[m];
        const psti_pages *pages[] = {&core->pages, &core->practice.pages};
        if (core->shortfall[0])
            e->shortfalls[e->shortfall_count++] = core->shortfall;
        for (int k = 0; k < 2; k++)
            for (int i = 0; i < 3; i++) {
                const char *text = pages[k]->shortfall[i];
                int said = text[0] == 0;
                for (size_t j = 0; j < e->shortfall_count; j++)
                    said |= strcmp(e->shortfalls[j], text) == 0; /* the other cores' are the same sentence */
                if (!said)
                    e->shortfalls[e->shortfall_count++] = text;
            }
    }
    if (!e->fork.alive)
        e->shortfalls[e->shortfall_count++] =
            "fork: the kernel has no pages that a fork clears (MADV_WIPEONFORK); a forked "
            "child that uses this engine is not told so";
    return PST_OK;
}

static pst_status copy_state(pst_engine *e, const float *from, uint32_t n, const float **out) {
    if (!from)
        return PST_OK;
    float *copy = psti_arena_take(&e->arena, n, sizeof *copy);
    if (!copy)
        return PST_E_MEMORY;
    memcpy(copy, from, n * sizeof *copy);
    *out = copy;
    return PST_OK;
}

static pst_status copy_states(pst_engine *e, const pst_program *p) {
    e->h0 = psti_arena_take(&e->arena, p->count, sizeof *e->h0);
    e->c0 = psti_arena_take(&e->arena, p->count, sizeof *e->c0);
    pst_status status = e->h0 && e->c0 ? PST_OK : PST_E_MEMORY;
    for (uint32_t i = 0; i < p->count && !status; i++) {
        const psti_program_layer *layer = &p->layers[i];
        status = copy_state(e, layer->h0, layer->outputs, &e->h0[i]);
        if (!status)
            status = copy_state(e, layer->c0, layer->outputs, &e->c0[i]);
    }
    return status;
}

static pst_status fill(pst_engine *e, const pst_program *p, const pst_engine_options *o) {
    psti_seating seating;
    e->count = p->count;
    e->inputs = p->inputs;
    e->outputs = p->outputs;
    e->program_hash = p->hash;
    e->state_bytes = psti_program_state_bytes(p);
    e->units = psti_program_units(p);
    e->cores = o->cores ? o->cores : 1;
    e->members = e->cores + (o->caller == PST_CALLER_APART);
    e->deadline_ns = 1000 * (uint64_t)o->deadline_us;
    e->cpus = psti_arena_take(&e->arena, e->cores, sizeof *e->cpus);
    e->practice_x = psti_arena_take(&e->arena, e->inputs, sizeof *e->practice_x);
    e->practice_y = psti_arena_take(&e->arena, e->outputs, sizeof *e->practice_y);
    if (!e->cpus || !e->practice_x || !e->practice_y)
        return PST_E_MEMORY;
    pst_status status = copy_states(e, p);
    if (!status && p->layers[0].feature) {
        e->scaled_x = psti_arena_take(&e->arena, e->inputs, sizeof *e->scaled_x);
        status = e->scaled_x ? copy_state(e, p->layers[0].feature, e->inputs, &e->feature) : PST_E_MEMORY;
    }
    if (status || (status = psti_seats(o, e->cores, e->members, e->cpus, &seating)))
        return status;
    e->l2_bytes = seating.l2_bytes;
    const char *idle = psti_idle_choose(o->idle, o->spin_us, seating.alone, &e->idle);
    if ((status = make_cores(e)) || (status = psti_share(e, p)) || (status = map_lines(e, p)) ||
        (status = psti_fork_mark_open(&e->fork)) || (status = place_all(e, p)))
        return status;
    return note_shortfalls(e, idle);
}

static int is_child(const pst_engine *e) {
    return e->fork.alive && !*e->fork.alive;
}

static void stop_threads(pst_engine *e) {
    int any = 0;
    for (uint32_t m = 0; e->core && m < e->cores; m++)
        any |= e->core[m] && e->core[m]->has_thread;
    if (!any)
        return;
    psti_tell_to_stop(e);
    for (uint32_t m = 0; m < e->cores; m++)
        if (e->core[m]->has_thread)
            pthread_join(e->core[m]->thread, NULL);
}

static void drop(pst_engine *e) {
    if (!is_child(e))
        stop_threads(e);
    for (uint32_t m = 0; e->core && m < e->members; m++)
        if (e->core[m]) {
            psti_core_drop(e->core[m]);
            free(e->core[m]);
        }
    psti_pages_unmap(&e->line_pages);
    psti_fork_mark_close(&e->fork);
    free(e->number_used);
    psti_arena_free(&e->arena);
}

pst_status pst_engine_open(const pst_program *p, const pst_engine_options *o, pst_engine **out) {
    pst_engine_options own;
    pst_status status = psti_take_options(o, &own, sizeof own, "pst_engine_options");
    if (status)
        return status;
    if (!p || !out)
        return psti_fail_null(p ? "out" : "program");
    int level;
    if ((status = check_options(&own)) || (status = psti_level_choose(own.level, &level)))
        return status;
    pst_engine *e = NULL;
    if (posix_memalign((void **)&e, 128, sizeof *e) != 0)
        return psti_fail_memory(sizeof *e);
    memset(e, 0, sizeof *e);
    e->kernels = psti_kernels_get(level);
    e->flags = (own.flags & PST_ENGINE_NO_HUGE_PAGES ? PSTI_PAGES_NO_HUGE : 0) |
               (own.flags & PST_ENGINE_NO_LOCK ? PSTI_PAGES_NO_LOCK : 0);
    e->no_touch = own.flags & PST_ENGINE_NO_TOUCH;
    e->must_bind = own.cpus && !(own.flags & PST_ENGINE_OVERSUBSCRIBE);
    if ((status = fill(e, p, &own))) {
        drop(e);
        free(e);
        return status;
    }
    *out = e;
    return PST_OK;
}

void psti_engine_release(pst_engine *e) {
    if (e->closed && e->streams == 0)
        free(e);
}

void pst_engine_close(pst_engine *e) {
    if (!e || e->closed)
        return;
    drop(e);
    psti_thread_forget(e->caller_was);
    e->closed = 1;
    psti_engine_release(e);
}
