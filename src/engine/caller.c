/* The caller's side: publishing steps and jobs, waiting for the cores, and giving up. */
#include <sched.h>
#include <string.h>

#include "base/number.h"
#include "base/rounding.h"
#include "base/status.h"
#include "engine/command.h"
#include "engine/take.h"

int psti_look_copied(pst_engine *e, uint64_t tag) {
    if (e->copied >= tag)
        return 1;
    uint64_t least = e->tag;
    for (uint32_t m = 0; m < e->cores; m++)
        if (e->core[m]->has_thread) {
            uint64_t done = atomic_load_explicit(&e->core[m]->done, memory_order_acquire);
            least = done < least ? done : least;
        }
    e->copied = least;
    return least >= tag;
}

/* Not a step: it may take as long as it takes. */
void psti_await_copied(pst_engine *e) {
    for (uint32_t polls = 0; !psti_look_copied(e, e->tag); polls++)
        if (polls > 1000)
            sched_yield();
}

/* The slot of the command after `tag` was read by all. */
static void publish(pst_engine *e, const psti_command *c) {
    psti_line *line = &e->command[e->tag & 1];
    memcpy(line->payload, c, sizeof *c);
    atomic_store_explicit(&line->tag, e->tag, memory_order_release);
    psti_idle_wake(e);
}

pst_status psti_first_failure(const pst_engine *e) {
    for (uint32_t m = 0; m < e->cores; m++) {
        const psti_core *core = e->core[m];
        if (core == e->caller || !core->status)
            continue;
        const pst_error *error = &core->error;
        return psti_fail(core->status,
                         (psti_where){.expected = error->expected, .found = error->found, .os_error = error->os_error},
                         "core %u: %s", core->index, core->message);
    }
    return PST_OK;
}

pst_status psti_on_all_cores(pst_engine *e, psti_job *job, void *argument) {
    if (e->members > 1) {
        psti_await_copied(e);
        e->tag++;
        publish(e, &(psti_command){.kind = PSTI_COMMAND_JOB, .job = job, .argument = argument});
    }
    pst_status status = job(e->caller, argument);
    if (e->members > 1)
        psti_await_copied(e);
    return status ? status : psti_first_failure(e);
}

void psti_tell_to_stop(pst_engine *e) {
    psti_await_copied(e);
    e->tag++;
    publish(e, &(psti_command){.kind = PSTI_COMMAND_STOP});
}

/* ---- steps --------------------------------------------------------------------------------------------------------
 */

static pst_status fail_late(const pst_engine *e) {
    return psti_fail(PST_E_LATE, (psti_where){.item = "engine", .expected = (int64_t)(e->deadline_ns / 1000)},
                     "a core of the engine has not answered within %llu us; the stream stands as before the step, and "
                     "the engine takes no other until that core has caught up",
                     (unsigned long long)(e->deadline_ns / 1000));
}

/* This step of the stream is given up, whether or not it was published. */
static pst_status give_up(pst_engine *e, uint32_t number, const psti_part *part) {
    e->late = 1;
    e->late_stream = number;
    e->late_time = part->time;
    return fail_late(e);
}

/* The slots of the next tag are free once all have copied the step before the last: they have, unless one was so slow
 * that it has only just given its last slice. 0, or 1 if that takes too long. */
static int await_slots(pst_engine *e) {
    psti_wait w = {.tag = 0};
    while (!psti_look_copied(e, e->tag ? e->tag - 1 : 0))
        if (psti_wait_more(e->caller, &w))
            return 1;
    return 0;
}

pst_status psti_step(pst_engine *e, uint32_t number, psti_part *part, const float *x, uint32_t largest_bits, float *y) {
    psti_core *core = e->caller;
    psti_turn turn = {.slot = part->slot, .now = (int)((part->time + 1) & 1)};
    const psti_vector *input = &core->vectors[0];
    if (e->feature) { /* what is below 2^-80 is 0, as every vector is encoded: no product is denormal */
        for (uint32_t i = 0; i < e->inputs; i++)
            e->scaled_x[i] = psti_flush(x[i], -80) * e->feature[i];
        x = e->scaled_x;
        largest_bits = e->kernels.scan_f32(x, e->inputs);
    }
    float scale = psti_vector_scale(input, turn.slot, turn.now, largest_bits);
    if (e->members > 1) {
        if (__builtin_expect(await_slots(e), 0))
            return give_up(e, number, part);
        turn.tag = ++e->tag;
        /* First, so that the cores are on their way while x is encoded. */
        publish(e,
                &(psti_command){.kind = PSTI_COMMAND_STEP, .stream = number, .time = part->time + 1, .x_scale = scale});
    }
    psti_vector_encode(&e->kernels, input, turn.slot, turn.now, x);
    psti_give(input, &turn);
    if (__builtin_expect(psti_respond(core, part, &turn), 0))
        return give_up(e, number, part);
    memcpy(y, turn.slot + core->vectors[e->count].value, e->outputs * sizeof *y);
    part->time++;
    part->mendable = 1;
    part->cursor = (psti_cursor){0};
    psti_owe(core, part);
    return PST_OK;
}

/* After a step was given up: a core that had finished it goes back to the state before, whose h and c it still has; the
 * bracket may be the later state's by now. */
static pst_status go_back(psti_core *core, void *argument) {
    const pst_engine *e = argument;
    psti_part *part = psti_part_of(core, e->late_stream);
    if (!part || part->time == e->late_time)
        return PST_OK;
    part->time = e->late_time;
    part->mendable = 0; /* c of that state was mended before the step that is given up began */
    part->cursor = (psti_cursor){0};
    psti_owe(core, part);
    return PST_OK;
}

/* A core may fall silent again while it goes back: that is waited for no longer than for anything else. */
static pst_status catch_up(pst_engine *e) {
    if (!psti_look_copied(e, e->tag))
        return fail_late(e);
    if (e->late != PSTI_GOING_BACK) {
        e->tag++;
        publish(e, &(psti_command){.kind = PSTI_COMMAND_JOB, .job = go_back, .argument = e});
        (void)go_back(e->caller, e);
        e->late = PSTI_GOING_BACK;
    }
    psti_wait w = {.tag = 0};
    while (!psti_look_copied(e, e->tag))
        if (psti_wait_more(e->caller, &w))
            return fail_late(e);
    e->late = 0;
    return PST_OK;
}

void psti_catch_up_at_last(pst_engine *e) {
    while (e->late) {
        psti_await_copied(e);
        (void)catch_up(e);
    }
}

pst_status psti_engine_check(pst_engine *e) {
    if (__builtin_expect(e->closed, 0))
        return psti_fail(PST_E_CLOSED, (psti_where){.item = "engine"}, "the stream's engine was closed");
    if (__builtin_expect(e->fork.alive && !*e->fork.alive, 0))
        return psti_fail(PST_E_FORKED, (psti_where){.item = "engine"},
                         "the engine belongs to the parent process; open another one in this process");
    return __builtin_expect(e->late, 0) ? catch_up(e) : PST_OK;
}
