/* What is printed of a cell, in the units it is printed in: table, JSON and picture all take it from here. */
#ifndef LAB_FIGURES_H
#define LAB_FIGURES_H

#include "lab/bench.h"

/* NaN where a figure is not known. */
typedef struct {
    double mean_us, p50_us, p99_us, p999_us, max_us;
    double twin_p50_us, twin_p99_us;
    double p_slow, twin_p_slow; /* shares of samples above 1.2 x their own p50 */
    double read_p_slow;         /* of the bare reads behind the floor: the memory's own tail */
    double interval_us;         /* respond and settle, back to back, median */
    double spacing_us;          /* from start to start, as it came out, median; of a burst, a step's share */
    double floor_us;            /* the bare read of the critical weights, the hops, and the pair of clock readings */
    double read_us, hop_us;     /* of it: the read, and one hop; NaN on one core */
    double over_floor;          /* p50 / floor */
    double speed_up;          /* p50 on one core / p50, the same program; NaN on one core, and where that is no cell */
    double open_ms, first_us; /* opening engine and stream, and the first step after it: medians of the openings */
    /* Steps at a bad moment, NaN where there were none. */
    double second_p50_us, second_p99_us, second_over; /* of a burst, and p50 / interval */
    double other_p50_us, other_p99_us;                /* another stream's, from its arrival */
    double other_excess_us;                           /* its p99 - p50_us, less the twin's p99 - p50 */
    double silent_p50_us[2], silent_over[2];          /* after a silence, without and with pst_warm, and / p50 */
    int saturated;                                    /* the spacing asked for is shorter than the interval */
    double max_abs, rms, relative_rms;
    double rms_ratio_bf16;               /* rms / that of bf16 */
    double kind_relative_rms[LAB_KINDS]; /* over each kind of input, calibrated on the same one */
    const char *input_kind;              /* what the errors were found over: see docs/performance.md */
    uint64_t error_steps, error_seed;
} lab_figures;

void lab_figures_of(const lab_bench *b, const lab_cell *cell, lab_figures *out);

/* "2 x 128", or "2 layers" where they differ. */
void lab_shape_text(const lab_subject *s, char *text, size_t n);
/* The compiler, and the operating system with its release. */
const char *lab_compiler(void);
void lab_system(char *text, size_t n);

#endif
