/* The measuring itself: one round's part of one cell, step and twin in turn. */
#include <math.h>
#include <string.h>

#include "lab/cell.h"
#include "lab/error.h"
#include "lab/moments.h"
#include "lab/step.h"
#include "lab/twin.h"

/* Other cells ran before this one and took its place in the caches. A slice therefore begins with a fixed number of
 * steps that are not samples; from then on every step is one, however slow. */
enum { UNTIMED = 16, BACK_TO_BACK = 32, LEAST_SAMPLES = 4 };
/* The floor's share of a slice, and its repeats. */
#define FLOOR_US 10000.0
enum { FLOOR_LEAST = 5, FLOOR_MOST = 201 };

/* Steps that are not samples, at the pace of those that follow. *median: theirs. */
static pst_status untimed(lab_cell *cell, uint64_t spacing, uint64_t *median) {
    uint64_t took[UNTIMED], began, ended;
    for (int i = 0; i < UNTIMED; i++) {
        pst_status status = lab_step(cell, &began, &ended);
        if (status != PST_OK || (status = lab_settle(cell)) != PST_OK)
            return status;
        took[i] = ended - began;
        lab_wait_until(began + spacing);
    }
    *median = lab_median(took, UNTIMED);
    return PST_OK;
}

/* On one core twin and step take turns. The twin is as long as the median of all steps so far, or of the untimed ones
 * before the first. Fitting takes a while in which caches and vector units idle, so that untimed steps stand on both
 * sides of it. */
static pst_status begin(lab_cell *cell, uint64_t spacing) {
    uint64_t median;
    pst_status status = untimed(cell, spacing, &median);
    if (status != PST_OK || cell->cores > 1)
        return status;
    cell->links = lab_twin_fit(NULL, cell->links, cell->step.count ? lab_histogram_at(&cell->step, 0.5) : median);
    return untimed(cell, spacing, &median);
}

static pst_status back_to_back(lab_cell *cell) {
    uint64_t settles[BACK_TO_BACK];
    for (int i = 0; i < BACK_TO_BACK; i++) {
        uint64_t began, ended;
        pst_status status = lab_step(cell, &began, &ended);
        if (status != PST_OK || (status = lab_settle(cell)) != PST_OK)
            return status;
        uint64_t now = lab_ticks();
        lab_histogram_add(&cell->interval, now - began);
        settles[i] = now - ended;
    }
    cell->settle_ticks = lab_median(settles, BACK_TO_BACK);
    return PST_OK;
}

/* A burst of steps (of one, usually), what they owe, on one core as many twins, the disturbance, and the wait. */
static pst_status sample(lab_cell *cell, uint64_t spacing, const lab_options *o) {
    uint64_t began = 0, ended, start = 0;
    for (uint32_t i = 0; i < o->burst; i++) {
        pst_status status = lab_step(cell, &began, &ended);
        if (status != PST_OK)
            return status;
        lab_histogram_add(&cell->step, ended - began);
        if (i == 0)
            start = began;
        if (i == 1)
            lab_histogram_add(&cell->second, ended - began);
    }
    pst_status status = o->streams > 1 ? lab_moment_other(cell) : lab_settle(cell);
    if (status != PST_OK)
        return status;
    for (uint32_t i = 0; cell->cores == 1 && i < o->burst; i++)
        lab_histogram_add(&cell->twin, lab_twin_time(cell->links));
    if (o->disturb_bytes && o->silence_ms == 0)
        memset(cell->disturbed, (int)(cell->at & 0xff), o->disturb_bytes);
    if (cell->started)
        lab_histogram_add(&cell->spacing, start - cell->started);
    cell->started = start;
    lab_wait_until(start + spacing * o->burst);
    return PST_OK;
}

static pst_status measure_floor(lab_cell *cell, const lab_clock *clock, const lab_options *o) {
    double interval = lab_us(clock, lab_histogram_at(&cell->interval, 0.5));
    double repeats = FLOOR_US / (interval > o->spacing_us ? interval : o->spacing_us);
    pst_floor read;
    PST_INIT(read);
    repeats = floor(repeats < FLOOR_LEAST ? FLOOR_LEAST : repeats > FLOOR_MOST ? FLOOR_MOST : repeats);
    pst_status status = pst_engine_floor(cell->engine, (uint32_t)repeats, o->spacing_us, &read);
    cell->read_slow += status == PST_OK ? read.p_slow * repeats : 0;
    cell->reads += status == PST_OK ? repeats : 0;
    if (status != PST_OK || cell->floors == LAB_ROUNDS)
        return status;
    cell->hops = read.hops;
    cell->read_ns[cell->floors] = read.read_ns;
    cell->hop_ns[cell->floors] = read.hop_ns;
    cell->floor_ns[cell->floors++] = read.floor_ns;
    return PST_OK;
}

/* What needs the engine; samples until `until` at most, silences until `end`. */
static pst_status measure(lab_cell *cell, const lab_clock *clock, const lab_options *o, uint64_t samples,
                          uint64_t until, uint64_t end) {
    const uint64_t spacing = lab_ticks_of(clock, o->spacing_us), before = cell->step.count;
    pst_status status = back_to_back(cell);
    if (status == PST_OK)
        status = begin(cell, spacing);
    cell->started = 0;
    while (status == PST_OK && cell->step.count - before < samples &&
           (cell->step.count - before < LEAST_SAMPLES || (int64_t)(lab_ticks() - until) < 0))
        status = sample(cell, spacing, o);
    if (status == PST_OK)
        status = measure_floor(cell, clock, o);
    return status == PST_OK && o->silence_ms > 0 ? lab_moment_silences(cell, clock, o, end) : status;
}

/* On several cores the engine's threads would be in the twin's way: it runs after them, on the same CPUs at once, as
 * long as the median of all steps so far and as often as there were steps in this slice, at their spacing. */
static int run_crew(lab_cell *cell, uint64_t spacing, uint64_t count) {
    lab_crew *crew;
    if (lab_crew_open(cell->cpus, cell->cores, &crew))
        return -1;
    cell->links = lab_twin_fit(crew, cell->links, lab_histogram_at(&cell->step, 0.5));
    for (uint64_t i = 0; i < count; i++) {
        uint64_t start = lab_ticks();
        lab_histogram_add(&cell->twin, lab_crew_time(crew, cell->links));
        lab_wait_until(start + spacing);
    }
    lab_crew_close(crew);
    return 0;
}

/* Ticks of a slice for the samples, and for them and the silences. On several cores as much as the samples take is for
 * the twin. */
static void share(const lab_cell *cell, const lab_options *o, uint64_t ticks, uint64_t *samples, uint64_t *both) {
    const uint64_t silences = o->silence_ms > 0 ? 4 : 0, twins = cell->cores > 1;
    *samples = ticks / (1 + silences + twins);
    *both = (1 + silences) * *samples;
}

int lab_cell_slice(lab_cell *cell, const lab_clock *clock, const lab_options *o, uint64_t samples, uint64_t ticks) {
    const uint64_t start = lab_ticks(), before = cell->step.count;
    uint64_t first, both;
    share(cell, o, ticks, &first, &both);
    if (lab_cell_start(cell, o))
        return -1;
    int result = measure(cell, clock, o, samples, start + first, start + both) == PST_OK
                     ? 0
                     : lab_fail_library(cell->program->subject->name);
    lab_cell_stop(cell);
    if (!result && cell->cores > 1)
        result = run_crew(cell, lab_ticks_of(clock, o->spacing_us), cell->step.count - before);
    return result;
}
