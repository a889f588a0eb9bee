/* The pilot: see pilot.h. */
#include "lab/pilot.h"

#include <stdlib.h>

#include "lab/affinity.h"
#include "lab/cell.h"
#include "lab/error.h"
#include "lab/step.h"

/* Candidates take turns, so that a slow moment of the machine meets all of them. */
enum { PASSES = 3, UNTIMED = 32, SAMPLES = 64, LEAST_SAMPLES = 5 };
#define PASS_US 20000.0

uint32_t lab_pilot_candidates(uint32_t cpus, uint32_t list[LAB_PILOT_MOST]) {
    static const uint32_t some[] = {1, 2, 3, 4, 6, 8, 12, 16};
    uint32_t n = 0;
    for (size_t i = 0; i < sizeof some / sizeof *some; i++)
        if (some[i] <= cpus)
            list[n++] = some[i];
    cpus = cpus < LAB_CORES_MOST ? cpus : LAB_CORES_MOST;
    if (list[n - 1] < cpus)
        list[n++] = cpus;
    return n;
}

/* The times of one candidate, of all passes so far. */
typedef struct {
    uint32_t cores, count;
    uint64_t took[PASSES * SAMPLES];
} candidate;

static pst_status take(lab_cell *cell, const lab_clock *clock, const lab_options *o, candidate *c) {
    const uint64_t spacing = lab_ticks_of(clock, o->spacing_us), start = lab_ticks();
    const uint64_t until = start + lab_ticks_of(clock, PASS_US);
    for (int i = -UNTIMED; i < SAMPLES && (i < LEAST_SAMPLES || (int64_t)(lab_ticks() - until) < 0); i++) {
        uint64_t began, ended;
        pst_status status = lab_step(cell, &began, &ended);
        if (status != PST_OK || (status = lab_settle(cell)) != PST_OK)
            return status;
        if (i >= 0)
            c->took[c->count++] = ended - began;
        lab_wait_until(began + spacing);
    }
    return PST_OK;
}

/* One pass of one candidate; 1: the library refuses so many cores here. */
static int pass(const lab_program *p, const lab_clock *clock, const lab_options *o, lab_cell *cell, candidate *c) {
    if (lab_cell_open(p, c->cores, o, cell))
        return -1;
    int result = lab_cell_start(cell, o);
    if (result) {
        pst_error e;
        PST_INIT(e);
        pst_last_error(&e);
        result = c->cores > 1 && e.status == PST_E_HOST ? 1 : -1;
    } else if (take(cell, clock, o, c) != PST_OK) {
        result = lab_fail_library(p->subject->name);
    }
    lab_cell_close(cell);
    return result;
}

static int run(const lab_clock *clock, const lab_options *o, const lab_program *p, lab_cell *cell, candidate *all,
               uint32_t count) {
    for (uint32_t k = 0; k < PASSES * count; k++) {
        candidate *c = &all[k % count];
        int result = c->cores ? pass(p, clock, o, cell, c) : 0;
        if (result < 0)
            return result;
        if (result)
            c->cores = 0; /* not to be tried again */
    }
    return 0;
}

int lab_pilot_run(const lab_clock *clock, const lab_options *o, lab_program *p) {
    uint32_t list[LAB_PILOT_MOST], count = lab_pilot_candidates(lab_affinity_count(), list);
    lab_cell *cell = malloc(sizeof *cell);
    candidate *all = calloc(count, sizeof *all);
    for (uint32_t i = 0; all && i < count; i++)
        all[i].cores = list[i];
    int result = cell && all ? run(clock, o, p, cell, all, count) : lab_fail_memory();
    p->pilot = (lab_pilot){0};
    for (uint32_t i = 0; i < count && !result; i++) {
        lab_pilot *pilot = &p->pilot;
        if (!all[i].cores)
            continue;
        double p50 = lab_us(clock, lab_median(all[i].took, all[i].count));
        if (!pilot->count || p50 < pilot->tried[pilot->best].p50_us)
            pilot->best = pilot->count;
        pilot->tried[pilot->count].cores = all[i].cores;
        pilot->tried[pilot->count++].p50_us = p50;
    }
    free(cell);
    free(all);
    return result;
}
