/* Steps at a bad moment: see moments.h. */
#include "lab/moments.h"

#include "lab/step.h"

pst_status lab_moment_other(lab_cell *cell) {
    const lab_subject *s = cell->program->subject;
    float place;
    uint32_t left = 1;
    lab_noise_uniform(&cell->moments, 0.5, &place, 1); /* between -1/2 and 1/2 */
    lab_next_input(cell);
    const uint64_t arrival = lab_ticks() + (uint64_t)((0.5 + (double)place) * (double)cell->settle_ticks);
    while ((int64_t)(lab_ticks() - arrival) < 0) {
        pst_status status = left ? pst_settle(cell->stream, 1, &left) : PST_OK;
        if (status != PST_OK)
            return status;
    }
    pst_status status = pst_step(cell->other, cell->x, s->inputs, cell->y, s->outputs);
    if (status != PST_OK)
        return status;
    lab_histogram_add(&cell->interfered, lab_ticks() - arrival);
    status = lab_settle(cell);
    return status == PST_OK ? pst_settle(cell->other, 0, NULL) : status;
}

static pst_status silence(lab_cell *cell, const lab_clock *clock, const lab_options *o, int warm) {
    uint64_t start = lab_ticks(), whole = lab_ticks_of(clock, 1e3 * o->silence_ms), began, ended;
    lab_wait_until(start + whole / 2);
    if (o->disturb_bytes)
        memset(cell->disturbed, (int)(cell->at & 0xff), o->disturb_bytes);
    lab_wait_until(start + whole);
    pst_status status = warm ? pst_warm(cell->stream) : PST_OK;
    if (status != PST_OK || (status = lab_step(cell, &began, &ended)) != PST_OK)
        return status;
    lab_histogram_add(&cell->silent[warm], ended - began);
    return lab_settle(cell);
}

pst_status lab_moment_silences(lab_cell *cell, const lab_clock *clock, const lab_options *o, uint64_t until) {
    pst_status status;
    do {
        status = silence(cell, clock, o, 0);
        if (status == PST_OK)
            status = silence(cell, clock, o, 1);
    } while (status == PST_OK && (int64_t)(lab_ticks() - until) < 0);
    return status;
}
