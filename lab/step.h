/* One step of a cell, timed: with an input that the cell has not seen for a while, written to the caller's buffer just
 * before, as a caller would. */
#ifndef LAB_STEP_H
#define LAB_STEP_H

#include <string.h>

#include "lab/cell.h"

static inline void lab_next_input(lab_cell *cell) {
    const lab_subject *s = cell->program->subject;
    memcpy(cell->x, s->own->x + cell->at * s->inputs, s->inputs * sizeof *cell->x);
    cell->at = cell->at + 1 < s->own->steps ? cell->at + 1 : 0;
}

static inline pst_status lab_step(lab_cell *cell, uint64_t *began, uint64_t *ended) {
    const lab_subject *s = cell->program->subject;
    lab_next_input(cell);
    *began = lab_ticks();
    pst_status status = pst_step(cell->stream, cell->x, s->inputs, cell->y, s->outputs);
    *ended = lab_ticks();
    return status;
}

static inline pst_status lab_settle(lab_cell *cell) {
    return pst_settle(cell->stream, 0, NULL);
}

#endif
