/* Opening and closing a cell: see cell.h. What is timed is in slice.c. */
#include "lab/cell.h"

#include <stdlib.h>
#include <string.h>

#include "lab/error.h"

static int open_engine(lab_cell *cell, const lab_options *o) {
    pst_engine_options e;
    PST_INIT(e);
    e.cores = cell->cores;
    e.level = o->level;
    const pst_program *program = cell->own ? cell->own : cell->subject->compiled;
    PST_INIT(cell->info);
    PST_INIT(cell->engine_info);
    struct timespec before, after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    if (pst_engine_open(program, &e, &cell->engine) != PST_OK ||
        pst_stream_open(cell->engine, NULL, &cell->stream) != PST_OK)
        return lab_fail_library(cell->subject->name);
    clock_gettime(CLOCK_MONOTONIC, &after);
    cell->open_s = (double)(after.tv_sec - before.tv_sec) + 1e-9 * (double)(after.tv_nsec - before.tv_nsec);
    if (pst_program_get_info(program, &cell->info) != PST_OK ||
        pst_engine_get_info(cell->engine, &cell->engine_info) != PST_OK)
        return lab_fail_library(cell->subject->name);
    strncpy(cell->format, cell->info.format, sizeof cell->format - 1);
    strncpy(cell->level, cell->engine_info.level, sizeof cell->level - 1);
    return 0;
}

static int first_step(lab_cell *cell) {
    const lab_subject *s = cell->subject;
    memcpy(cell->x, s->x, s->inputs * sizeof *cell->x);
    uint64_t before = lab_ticks();
    pst_status status = pst_step(cell->stream, cell->x, s->inputs, cell->y, s->outputs);
    cell->first = lab_ticks() - before;
    return status == PST_OK ? 0 : lab_fail_library(s->name);
}

int lab_cell_open(const lab_subject *subject, const char *format, uint32_t cores, const lab_options *o,
                  lab_cell *cell) {
    memset(cell, 0, sizeof *cell);
    cell->subject = subject;
    cell->cores = cores;
    cell->x = malloc(subject->inputs * sizeof *cell->x);
    cell->y = malloc(subject->outputs * sizeof *cell->y);
    if (o->disturb_bytes)
        cell->disturbed = malloc(o->disturb_bytes);
    int result = cell->x && cell->y && (cell->disturbed || !o->disturb_bytes) ? 0 : lab_fail_memory();
    if (!result && subject->model)
        result = lab_subject_compile(subject, format, &cell->own, &cell->compile_s);
    if (!result && (result = open_engine(cell, o)) == 0 && (result = first_step(cell)) == 0)
        result = lab_subject_errors(subject, cell->stream, &cell->errors);
    if (result)
        lab_cell_close(cell);
    return result;
}

void lab_cell_close(lab_cell *cell) {
    pst_stream_close(cell->stream);
    pst_engine_close(cell->engine);
    pst_program_free(cell->own);
    free(cell->x);
    free(cell->y);
    free(cell->disturbed);
    memset(cell, 0, sizeof *cell);
}
