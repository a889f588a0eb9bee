/* A cell: one program on a number of cores, and everything measured of it. Its engine is open only while the cell is
 * measured: the threads of an engine on several cores would take their CPUs from the other cells. */
#ifndef LAB_CELL_H
#define LAB_CELL_H

#include "lab/clock.h"
#include "lab/histogram.h"
#include "lab/noise.h"
#include "lab/notes.h"
#include "lab/options.h"
#include "lab/program.h"
#include "penstock.h"

enum { LAB_ROUNDS = 10, LAB_CORES_MOST = 64 };

typedef struct {
    const lab_program *program;
    uint32_t cores;
    int best; /* the number that the pilot run has chosen */

    /* From lab_cell_start to lab_cell_stop. */
    pst_engine *engine;
    pst_stream *stream, *other; /* other: with --streams 2 */
    int bound;                  /* the caller, to the CPU of core 0 */

    /* What the last engine said of itself. */
    char level[32], idle[16];
    uint32_t cpus[LAB_CORES_MOST]; /* of core 0, 1, ..; UINT32_MAX: any */
    uint64_t page_bytes, locked_bytes, retouched_bytes;
    lab_notes notes;

    float *x, *y;          /* the caller's buffers */
    uint64_t at;           /* of the subject's inputs */
    char *disturbed;       /* memory that is written between steps */
    uint64_t links;        /* of the twin */
    lab_noise moments;     /* at which another stream's step arrives */
    uint64_t settle_ticks; /* of the caller's share of a settle, median, in this slice */
    uint64_t started;      /* when the last timed step began */

    double open_s[LAB_ROUNDS];  /* of each opening: engine and stream */
    uint64_t first[LAB_ROUNDS]; /* ticks of the first step after it */
    uint32_t openings;
    lab_histogram step, twin; /* ticks */
    lab_histogram interval;   /* ticks of respond and settle, back to back */
    lab_histogram second;     /* the second step of a burst */
    lab_histogram interfered; /* ticks from arrival to y of a step on the other stream */
    lab_histogram silent[2];  /* a step after a silence, without and with pst_warm before */
    lab_histogram spacing;    /* ticks from one start to the next, as it came out */
    double floor_ns[LAB_ROUNDS], read_ns[LAB_ROUNDS], hop_ns[LAB_ROUNDS];
    double read_slow, reads; /* bare reads above 1.2 x their median, and all of them */
    uint32_t hops, floors;
} lab_cell;

/* A cell without an engine. */
int lab_cell_open(const lab_program *program, uint32_t cores, const lab_options *o, lab_cell *cell);
void lab_cell_close(lab_cell *cell);

/* Opens engine and stream, binds the caller to the CPU of core 0 (on any number of cores; a refusal is a note), and
 * times the first step. A failure stops again. */
int lab_cell_start(lab_cell *cell, const lab_options *o);
/* Gives the caller its affinity back, and closes. */
void lab_cell_stop(lab_cell *cell);

/* One round's part: starts, takes `samples` of them, fewer if `ticks` are over before, but some in any case, and stops.
 */
int lab_cell_slice(lab_cell *cell, const lab_clock *clock, const lab_options *o, uint64_t samples, uint64_t ticks);

#endif
