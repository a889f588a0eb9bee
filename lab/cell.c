/* Opening and closing a cell and its engine: see cell.h. What is timed is in slice.c. */
#include "lab/cell.h"

#include <stdlib.h>
#include <string.h>

#include "lab/error.h"
#include "lab/step.h"

int lab_cell_open(const lab_program *program, uint32_t cores, const lab_options *o, lab_cell *cell) {
    const lab_subject *s = program->subject;
    memset(cell, 0, sizeof *cell);
    cell->program = program;
    cell->cores = cores;
    lab_noise_seed(&cell->moments, o->seed, LAB_NOISE_MOMENTS);
    cell->x = malloc(s->inputs * sizeof *cell->x);
    cell->y = malloc(s->outputs * sizeof *cell->y);
    if (o->disturb_bytes)
        cell->disturbed = malloc(o->disturb_bytes);
    if (cell->x && cell->y && (cell->disturbed || !o->disturb_bytes))
        return 0;
    lab_cell_close(cell);
    return lab_fail_memory();
}

void lab_cell_close(lab_cell *cell) {
    lab_cell_stop(cell);
    free(cell->x);
    free(cell->y);
    free(cell->disturbed);
    memset(cell, 0, sizeof *cell);
}

/* What the engine says of itself, as its strings do not outlive it. */
static int describe(lab_cell *cell) {
    pst_engine_info info;
    PST_INIT(info);
    if (pst_engine_get_info(cell->engine, &info) != PST_OK)
        return lab_fail_library(cell->program->subject->name);
    strncpy(cell->level, info.level, sizeof cell->level - 1);
    strncpy(cell->idle, info.idle, sizeof cell->idle - 1);
    memcpy(cell->cpus, info.cpus, (info.cores < LAB_CORES_MOST ? info.cores : LAB_CORES_MOST) * sizeof *cell->cpus);
    cell->page_bytes = info.page_bytes;
    cell->locked_bytes = info.locked_bytes;
    cell->retouched_bytes = info.retouched_bytes;
    for (size_t i = 0; i < info.shortfall_count; i++)
        lab_notes_add(&cell->notes, info.shortfalls[i]);
    return 0;
}

/* A step on another CPU than the one before is the system's doing, not the engine's: no cell moves. */
static void bind_caller(lab_cell *cell) {
    cell->bound = pst_engine_bind_caller(cell->engine) == PST_OK;
    if (cell->bound)
        return;
    pst_error e;
    PST_INIT(e);
    pst_last_error(&e);
    lab_notes_add(&cell->notes, e.message ? e.message : "the caller could not be bound to a CPU");
}

static int open_engine(lab_cell *cell, const lab_options *o) {
    pst_engine_options e;
    struct timespec before, after;
    PST_INIT(e);
    e.cores = cell->cores;
    e.level = o->level;
    e.idle = o->idle;
    clock_gettime(CLOCK_MONOTONIC, &before);
    if (pst_engine_open(lab_program_of(cell->program), &e, &cell->engine) != PST_OK ||
        pst_stream_open(cell->engine, NULL, &cell->stream) != PST_OK ||
        (o->streams > 1 && pst_stream_open(cell->engine, NULL, &cell->other) != PST_OK))
        return lab_fail_library(cell->program->subject->name);
    clock_gettime(CLOCK_MONOTONIC, &after);
    if (cell->openings < LAB_ROUNDS)
        cell->open_s[cell->openings] =
            (double)(after.tv_sec - before.tv_sec) + 1e-9 * (double)(after.tv_nsec - before.tv_nsec);
    return describe(cell);
}

static int first_step(lab_cell *cell) {
    uint64_t began, ended;
    if (lab_step(cell, &began, &ended) != PST_OK)
        return lab_fail_library(cell->program->subject->name);
    if (cell->openings < LAB_ROUNDS)
        cell->first[cell->openings++] = ended - began;
    return 0;
}

int lab_cell_start(lab_cell *cell, const lab_options *o) {
    int result = open_engine(cell, o);
    if (!result) {
        bind_caller(cell);
        result = first_step(cell);
    }
    if (result)
        lab_cell_stop(cell);
    return result;
}

void lab_cell_stop(lab_cell *cell) {
    if (cell->bound)
        (void)pst_engine_unbind_caller(cell->engine);
    pst_stream_close(cell->stream);
    pst_stream_close(cell->other);
    pst_engine_close(cell->engine);
    cell->bound = 0;
    cell->stream = cell->other = NULL;
    cell->engine = NULL;
}
