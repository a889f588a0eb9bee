/* Steps that come at a bad moment: while another stream settles, right after a step of the same stream, after a
 * silence. Part of the measuring in slice.c. */
#ifndef LAB_MOMENTS_H
#define LAB_MOMENTS_H

#include "lab/cell.h"

/* A step on the other stream that arrives at a random moment of the settle which the stream owes. The caller settles
 * one unit a call and looks at the clock in between, as one would look for input; the time is from the arrival to y.
 * Afterwards neither stream owes anything. */
pst_status lab_moment_other(lab_cell *cell);

/* Steps after silences of o->silence_ms in which the caller only reads the clock, but for o->disturb_bytes that it
 * writes in the middle; in turn without and with pst_warm right before. At least one of each, and then until `until`.
 */
pst_status lab_moment_silences(lab_cell *cell, const lab_clock *clock, const lab_options *o, uint64_t until);

#endif
