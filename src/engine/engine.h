/* An engine: a program placed on this host, on one core or several. A core owns a slice of every layer: its weights, in
 * pages of its own, and a plan of where each vector stands in a slot. A slot is all the memory that one stream's steps
 * touch on one core. docs/design.md has the protocol between cores in prose. */
#ifndef PSTI_ENGINE_ENGINE_H
#define PSTI_ENGINE_ENGINE_H

#include <pthread.h>
#include <stdatomic.h>

#include "cpu/pages.h"
#include "cpu/thread.h"
#include "engine/exchange.h"
#include "engine/idle.h"
#include "kernels/kernels.h"
#include "program/program.h"

#define PSTI_NOWHERE ((size_t)-1)
#define PSTI_UNIT_BYTES 32768 /* weights of one settle unit at most */
#define PSTI_MOST_CORES 64
#define PSTI_GOING_BACK 2

typedef struct psti_core psti_core;
typedef struct pst_engine psti_engine;
typedef struct psti_placed psti_placed;

/* A vector of activations in a slot: x, or the output of a layer. Offsets in bytes from the slot's start. What a settle
 * reads is kept for two steps, h of an lstm and the input of one with a rest: their codes stand twice, and the parity
 * of the stream's time says which are meant. */
typedef struct {
    uint32_t index; /* 0: x; else of the layer that makes it, plus 1 */
    uint32_t width;
    uint32_t first, units;         /* the slice that this core makes */
    size_t value;                  /* fp32, padded to 16 and 16 more; PSTI_NOWHERE if nobody reads it */
    size_t code[2][PSTI_OPERANDS]; /* operand codes, padded to 64 inputs; PSTI_NOWHERE where no reader wants them */
    size_t low[2];                 /* the low digits of PSTI_OPERAND_A16 */
    size_t exponent_scale[2];      /* float: 2^e of this step; PSTI_NOWHERE if the scale is static */
    float static_scale[PSTI_OPERANDS];
    int kept;              /* codes stand twice */
    size_t room;           /* of its operands (psti_operand); PSTI_NOWHERE if no reader needs it */
    int encoded_by_reader; /* the values go over, and each reader encodes all of them */
    psti_route route;
} psti_vector;

typedef struct {
    int encoding;
    psti_shape shape;           /* of this core's slice */
    const unsigned char *tiles; /* in the core's pages, adapted to the level */
    const float *scale;
} psti_placed_matrix;

/* A step of a stream, or a rehearsal, as a core sees it. */
typedef struct {
    char *slot;
    int now;      /* parity of the state that this step makes */
    uint64_t tag; /* of the step's lines; 0: nothing is exchanged */
} psti_turn;

/* One product that settle adds to an lstm's brackets: of the layer's own h, or of its input in the step that was
 * answered. */
typedef struct {
    psti_settle_fn *settle;
    int matrix, of_input;
    uint32_t inputs_per_unit; /* in a wide and in a narrow block */
    uint32_t inputs_per_narrow_unit;
    uint32_t units;
} psti_term;

#define PSTI_TERMS 3
#define PSTI_MEND_BLOCKS 8 /* of one unit that mends c */

/* A layer on this core. */
struct psti_placed {
    const struct psti_engine_kind *of;
    int kind, function;
    uint32_t inputs, outputs; /* of the whole layer */
    uint32_t first, units;    /* this core's slice of the outputs; no units: it has no part in the layer */
    float alpha, beta;
    int h_is_scaled; /* an lstm whose W_hh takes integer operands, of at most h_limit */
    float h_limit;
    psti_placed_matrix matrix[PSTI_MATRICES];
    const float *bias;      /* lane order of matrix 0, in the core's pages; */
    const float *rest_bias; /* and what R x begins with; NULL: 0 */
    psti_lstm_fn *lstm;
    psti_linear_fn *linear;
    psti_ahead_fn *ahead;
    psti_term term[PSTI_TERMS]; /* in the order in which they are added */
    uint32_t terms;
    float rho; /* share of the input's rest that the next step's bracket gets */
    int mends; /* the rest also mends c: docs/numerics.md */
    psti_vector *in, *out;
    size_t c[2], bracket;     /* in the slot; of an lstm. c by parity, of the slice */
    size_t gates[2], rest[2]; /* of an lstm that mends: what respond has made, R x of the step; by parity, lane order */
    uint32_t settle_units;    /* of the slice */
    size_t critical_bytes;    /* of it */
};

/* What the engine knows of a layer kind; one file a kind. */
typedef struct psti_engine_kind {
    /* Which form of its input the kind reads: an encoding, or -1 for the fp32 value. */
    int (*reads)(const psti_program_layer *layer);
    /* 1: an output needs all inputs. 0: only the input of the same number, and the layer is cut as the one below. */
    int reads_whole;
    /* border[0 .. cores] in outputs: which core makes which. Not asked where reads_whole is 0. */
    void (*cut)(const pst_program *p, uint32_t index, uint32_t cores, uint32_t *border);
    /* Reserves the kind's own memory in the slot and chooses its kernels; `in`, `out` and the slice are in place. */
    void (*place)(psti_core *core, psti_placed *layer);
    /* 0, or 1 if the step was given up while this core waited. */
    int (*respond)(psti_core *core, const psti_placed *layer, const psti_turn *turn);
} psti_engine_kind;

/* Units in which a rest is added to the brackets, and c mended. */
static inline uint32_t psti_mend_units(const psti_shape *s) {
    return (s->wide + (s->narrow != 0) + PSTI_MEND_BLOCKS - 1) / PSTI_MEND_BLOCKS;
}

/* Where a settle stands. All zero: at its beginning. */
typedef struct {
    uint32_t layer, term, block, from; /* next input of the block */
    uint32_t done;                     /* units */
} psti_cursor;

/* A stream's state on one core. */
typedef struct psti_part {
    char *slot;
    psti_pages pages;
    uint64_t time; /* steps done; its parity says where h and c stand */
    psti_cursor cursor;
    int owing;                     /* a settle, from the cursor on */
    int mendable;                  /* the step that is being settled was a respond here, and c is not mended yet */
    struct psti_part *next, *last; /* in a worker's queue of what it owes, oldest first; not in it: both NULL */
} psti_part;

/* Work that every core does in turn with the steps. Returns a status with the thread's error set. */
typedef pst_status psti_job(psti_core *core, void *argument);

/* What a test writes into a core's `held`, and the core's answer. */
enum { PSTI_HELD = 1, PSTI_STANDS_STILL = 2 };

/* One core, and its thread unless it is the caller's. Where the caller is apart it has one of these without weights. */
struct psti_core {
    pst_engine *engine;
    uint32_t index;
    psti_arena arena;
    psti_pages pages;
    psti_placed *layers;
    psti_vector *vectors;                /* [count + 1] */
    uint64_t *taken;                     /* [count + 1]: the step whose slices of that vector were taken last */
    size_t critical_bytes, settle_bytes; /* in the pages, one behind the other */
    size_t slot_bytes;
    size_t partial;        /* psti_partial in the slot, of an unfinished block of a settle */
    psti_partial *begun;   /* of the blocks of one layer that were begun with the inputs there */
    uint32_t settle_units; /* of all layers, */
    uint32_t touch_units;  /* then of reading `touch_bytes` of the critical weights again */
    size_t touch_bytes;
    psti_part practice; /* a part of no stream, for rehearsals and for measuring; it never owes a settle */
    psti_part **parts;  /* by the streams' numbers */
    uint32_t part_room;
    psti_part *owing, *owing_last; /* a worker's queue */
    pthread_t thread;
    int has_thread;
    uint32_t cpu; /* to bind to, or UINT32_MAX */
    int bound;
    char shortfall[160];
    uint64_t seen;       /* tag of the last command taken up */
    uint64_t idle_since; /* ns; 0: not idle */
    uint32_t idle_polls, rehearsed;
    /* Of the last job: */
    pst_status status;
    pst_error error;
    char message[512];
    double measured_ns;
    /* Written by others: */
    _Alignas(128) _Atomic uint32_t held; /* tests: PSTI_HELD, it is to stand still wherever it would wait or look for
                                            work; PSTI_STANDS_STILL, its answer; 0 lets it go on */
    /* Read by the caller. All of this step's slices that this core needs are copied. */
    _Alignas(128) _Atomic uint64_t done;
};

struct pst_engine {
    psti_arena arena;
    psti_fork_mark fork;
    psti_kernels kernels;
    uint32_t count, inputs, outputs;
    uint32_t cores;
    uint32_t members;  /* the cores, and the caller where it is apart */
    psti_core **core;  /* [members] */
    psti_core *caller; /* one of them */
    psti_pages line_pages;
    psti_line *command; /* [2], by the tag's parity */
    uint64_t tag;       /* of the last command published */
    uint64_t copied;    /* all cores have copied this step's lines, as far as the caller knows */
    psti_idle idle;
    uint64_t deadline_ns;
    uint64_t program_hash;
    size_t state_bytes, units;
    float *practice_x, *practice_y; /* [inputs], [outputs] */
    const float **h0, **c0;         /* [count]: the program's initial states, or NULL */
    const float *feature;           /* [inputs]: x is multiplied by these 2^-k first; or NULL */
    float *scaled_x;                /* [inputs]: room for that */
    int closed;
    int late; /* 1: the last step was given up, and not all cores have caught up; PSTI_GOING_BACK: they are about to go
                 back to the state before it */
    uint32_t late_stream;
    uint64_t late_time;
    uint32_t streams;     /* that still point here */
    uint32_t number_room; /* of stream numbers */
    unsigned char *number_used;
    uint32_t *cpus;
    uint32_t flags;
    uint32_t no_touch, must_bind; /* must_bind: a CPU of the caller's list that is refused is an error */
    uint64_t l2_bytes;            /* that a core has to itself; 0: not known, as of a caller alone, wherever it runs */
    psti_affinity *caller_was;    /* where the caller is bound */
    const char **shortfalls;
    size_t shortfall_count;
    uint32_t *slices; /* [count + 1][members][2]: first, units */
    /* The last step that was given up: read by every core that waits. */
    _Alignas(128) _Atomic uint64_t given_up;
    _Alignas(128) _Atomic uint32_t bell; /* futex of parked cores */
    _Atomic uint32_t parked;
    _Alignas(128) char behind_it;
};

/* ---- the engine as a whole: open.c, caller.c ----------------------------------------------------------------------
 */

/* PST_OK, or the error of a closed, forked or late engine. If it was late and all cores have caught up, it no longer
 * is. */
pst_status psti_engine_check(pst_engine *e);
/* Frees the engine once it is closed and no stream points to it. */
void psti_engine_release(pst_engine *e);
/* Runs a job on every core, the caller's included, between steps and units; waits until all have done it. The first
 * status that is not PST_OK, with its error. */
pst_status psti_on_all_cores(pst_engine *e, psti_job *job, void *argument);
/* If the engine is late: waits until it no longer is. For calls that cannot fail. */
void psti_catch_up_at_last(pst_engine *e);
/* As long as there are cores that have not copied all of the last step: waits. What they then have written is visible.
 */
void psti_await_copied(pst_engine *e);
/* Whether the steps of tag `tag` are copied by every core; looks, and does not wait. */
int psti_look_copied(pst_engine *e, uint64_t tag);
/* One step of stream `number`, whose part here is `part`, from x (checked, finite) with its largest magnitude's bits.
 * PST_OK or PST_E_LATE. */
pst_status psti_step(pst_engine *e, uint32_t number, psti_part *part, const float *x, uint32_t largest_bits, float *y);
/* Number m's slice of vector v. */
static inline const uint32_t *psti_slice(const pst_engine *e, uint32_t vector, uint32_t member) {
    return e->slices + 2 * ((size_t)vector * e->members + member);
}
/* Cuts all vectors: fills e->slices. */
pst_status psti_share(pst_engine *e, const pst_program *p);
/* Whether member m needs vector v beyond its own slice. */
int psti_needs(const pst_engine *e, const pst_program *p, uint32_t vector, uint32_t member);

/* ---- one core: worker.c, parts.c ------------------------------------------------------------------------- */

/* The thread of a core: binds itself, places its share, then serves until it is told to stop. */
pst_status psti_worker_start(psti_core *core, const pst_program *p);
/* The number of no stream: its parts are those for practice. */
#define PSTI_PRACTICE UINT32_MAX
/* Parts of streams. Opening maps the slot. */
pst_status psti_part_open(psti_core *core, uint32_t number);
void psti_part_close(psti_core *core, uint32_t number);
/* All parts, once the core's thread is no more. Does not look at the queue: in a forked child it is as a worker of the
 * parent had it, who may have been in the midst of changing it. */
void psti_parts_drop(psti_core *core);
size_t psti_part_bytes(const psti_core *core);
/* NULL if there is none of that number. */
static inline psti_part *psti_part_of(psti_core *core, uint32_t number) {
    return number == PSTI_PRACTICE ? &core->practice : number < core->part_room ? core->parts[number] : NULL;
}
/* The queue of what a worker owes. */
void psti_owe(psti_core *core, psti_part *part);
void psti_owe_nothing(psti_core *core, psti_part *part);

/* ---- vectors: vector.c --------------------------------------------------------------------------------------------
 */

/* An operand: vector v of a slot in an encoding. */
psti_operand psti_vector_operand(const psti_vector *v, const char *slot, int now, int encoding);
/* A sink for vector v from unit `first` on, with its static scale or that of the step. */
psti_sink psti_vector_sink(const psti_vector *v, char *slot, int now, uint32_t first);
/* Where v's scale is of the step: the least 2^e >= the largest magnitude, by its bits. Returned too; else 0. */
float psti_vector_scale(const psti_vector *v, char *slot, int now, uint32_t largest_bits);
/* No value at time 0, of a vector that is kept and is no h: codes of zeros, and a scale of 0 that says so. */
void psti_vector_forget(const psti_vector *v, char *slot);
/* Encodes values[width] as v's codes, with its scale. */
void psti_vector_encode(const psti_kernels *k, const psti_vector *v, char *slot, int now, const float *values);

/* ---- steps: respond.c, settle.c, rehearse.c -----------------------------------------------------------------------
 */

/* This core's part of a step: finishes what it owes of the stream's settle, layer by layer, each layer's respond behind
 * it, then takes what the next settle needs. 0, or 1 if the step was given up; the part's time is the caller's to
 * advance. */
int psti_respond(psti_core *core, psti_part *part, const psti_turn *turn);
/* At most `units` units from the cursor on; returns units still owing. */
uint32_t psti_settle_some(const psti_core *core, psti_part *part, uint32_t units);
void psti_settle_all(const psti_core *core, psti_part *part);
/* Every bracket up to layer `layer`'s. */
void psti_settle_to(const psti_core *core, psti_part *part, uint32_t layer);
/* A settle and a respond on the practice part of one core, with nothing exchanged, as it opens: its pages are there and
 * its code has run. */
void psti_rehearse(psti_core *core);
/* The same with a step of all cores on their practice parts, from x = 0. Then a read of the slot of the part that is to
 * step next. PST_OK or PST_E_LATE. */
pst_status psti_practise(pst_engine *e, const psti_part *next);
/* A piece of that for an idle worker, as short as a settle's unit. */
void psti_rehearse_piece(psti_core *core);

#endif
