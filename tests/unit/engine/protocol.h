/* The exchange between cores (exchange.c, take.c, respond.c, worker.c, caller.c) as a model checker runs it: functions
 * of the same names that stop at every atomic access, over the memory of weak.h. Values are not computed; a slice
 * carries which step made it and from which state, and whoever uses it checks both. */
#ifndef TESTS_UNIT_ENGINE_PROTOCOL_H
#define TESTS_UNIT_ENGINE_PROTOCOL_H

#include <stdio.h>

#include "weak.h"

enum { PARITIES = 2, VECTORS = 4, STREAMS = 2 };

/* What can be broken. */
typedef enum {
    SOUND,
    TAG_RELAXED,          /* a line's tag is stored without release */
    TAG_FIRST,            /* and before the payload */
    TAG_READ_RELAXED,     /* or loaded without acquire */
    COMMAND_RELAXED,      /* the same of the command */
    COMMAND_READ_RELAXED, /* */
    DONE_RELAXED,         /* the same of done */
    DONE_READ_RELAXED,    /* */
    DONE_EARLY,           /* told before the slices are copied */
    NO_AWAIT_SLOTS,       /* the caller does not look at done */
    AWAIT_SLOTS_OLDER,    /* or for one step too early */
    ONE_SLOT,             /* lines have one slot */
    JOB_AT_ONCE,          /* a job is published behind a step that is not copied */
    SAVE_AT_ONCE,         /* a state is read behind one */
    NEVER_GIVES_UP,       /* a worker does not look whether its step is given up */
    GIVES_UP_OLDER,       /* a core gives up a step when a later one is given up */
    NO_GO_BACK,           /* a core that finished a step that was given up stays there */
    BRACKET_KEPT,         /* or goes back, but for its bracket */
    FAULTS
} fault;

/* An engine: masks of cores. Layer i reads vector i and makes vector i + 1. */
typedef struct {
    const char *name;
    int cores, caller, layers; /* of them, with the caller; which; */
    uint8_t makes[VECTORS];    /* who makes a slice of a vector; 0 is x */
    uint8_t h;                 /* mask of vectors that an lstm makes */
    const char *script;        /* A, B: a step of that stream; j: a job; v: a save */
    int give_ups;              /* steps given up at most */
} setting;

static const setting *the;
static fault broken;

/* ---- places ------------------------------------------------------------------------------------------------------
 */

enum { GIVEN_UP, COMMAND, DONE = COMMAND + PARITIES, TAG = DONE + WEAK_CORES };                             /* atomic */
enum { COMMAND_PAYLOAD, LATE = PARITIES, STATUS, PART = STATUS + WEAK_CORES, PAYLOAD = PART + WEAK_CORES }; /* plain */
_Static_assert(TAG + VECTORS * WEAK_CORES * PARITIES <= WEAK_ATOMICS, "room");
_Static_assert(PAYLOAD + VECTORS * WEAK_CORES * PARITIES <= WEAK_PLAINS, "room");

static int line(int vector, int maker, int tag) {
    return (vector * WEAK_CORES + maker) * PARITIES + (broken == ONE_SLOT ? 0 : tag & 1);
}

static int makes(int vector, int core) {
    return the->makes[vector] >> core & 1;
}

static int is_h(int vector) {
    return the->h >> vector & 1;
}

/* psti_needs, of a slice that another makes. */
static int takes(int vector, int core, int maker) {
    int needs = (vector < the->layers && makes(vector + 1, core)) || (is_h(vector) && makes(vector, core)) ||
                (vector == the->layers && core == the->caller);
    return needs && maker != core && makes(vector, maker);
}

static int has_peers(int vector, int core) {
    int peers = 0;
    for (int k = 0; k < the->cores; k++)
        peers |= takes(vector, core, k);
    return peers;
}

static int is_taken(int vector, int maker) {
    int taken = 0;
    for (int k = 0; k < the->cores; k++)
        taken |= takes(vector, k, maker);
    return taken;
}

/* ---- state --------------------------------------------------------------------------------------------------------
 */

/* Each function that stops has a place where it goes on. */
enum function {
    MAIN,
    LOOK_COPIED,
    AWAIT_COPIED,
    PUBLISH,
    ON_ALL_CORES,
    AWAIT_SLOTS,
    STEP,
    CATCH_UP,
    OFFER,
    ARRIVED,
    WAIT_MORE,
    TAKE_SLICES,
    RESPOND,
    TAKE_STEP,
    EXECUTE,
    FUNCTIONS
};

enum { NOTHING, LOADS, STORES, CHOOSES }; /* what a core is about to do */
enum { COMMAND_STOP, COMMAND_STEP, COMMAND_GO_BACK, COMMAND_JOB };
enum { WAITS = -1 };

typedef struct {
    uint16_t slot[PARITIES][VECTORS][WEAK_CORES]; /* slices: the tag of their step << 8 | that of the state behind it */
    uint8_t time, bracket;                        /* bracket: the tag of the state that it was settled from */
} part;

typedef struct {
    uint16_t at[FUNCTIONS], command;
    part part[STREAMS];
    uint8_t does, location, value, ordered, got;    /* the access that it is about to do; what it found */
    uint8_t seen, tag, stream, now, taken[VECTORS]; /* as in psti_core and psti_turn */
    uint8_t layer, vector, peer, missing, least, polled, wait, next; /* locals */
} core;

typedef struct {
    weak_memory memory;
    core core[WEAK_CORES];
    uint8_t tag, copied, late, late_stream, late_time, at, give_ups; /* the caller's alone, as in pst_engine */
    uint8_t answered[STREAMS], answered_time[STREAMS];               /* the last step whose y the caller gave out */
    uint8_t wrong;
} state;

enum { RIGHT, RACES, OTHER_STEP, OTHER_STATE, MIXED_STATE, SAVED_OTHER, NO_ROOM, STUCK };
static const char *const wrongs[] = {
    [RACES] = "a payload is written and read in no order",
    [OTHER_STEP] = "a slice of another step was taken",
    [OTHER_STATE] = "a core answers from another state than the caller's",
    [MIXED_STATE] = "a core's state has slices of different steps",
    [SAVED_OTHER] = "a state is saved that is not the last one answered",
    [NO_ROOM] = "the model's memory is too small",
    [STUCK] = "no way to the end",
};

static void wrong_if(state *s, int it_is, int what) {
    if (it_is && !s->wrong)
        s->wrong = (uint8_t)what;
}

/* ---- functions that stop ------------------------------------------------------------------------------------------
 */

/* The body of a function stands between BEGIN and END; it goes on behind the access or call at which it stopped. What
 * has to survive that stands in the core. */
#define BEGIN(function)                                                                                                \
    uint16_t *const here = &c->at[function];                                                                           \
    const int m = (int)(c - s->core);                                                                                  \
    int answer = 0;                                                                                                    \
    (void)m;                                                                                                           \
    switch (*here) {                                                                                                   \
    case 0:
#define END                                                                                                            \
    }                                                                                                                  \
    *here = 0;                                                                                                         \
    return answer
#define RETURN(value)                                                                                                  \
    do {                                                                                                               \
        *here = 0;                                                                                                     \
        return value;                                                                                                  \
    } while (0)
#define STOP_FOR(what, where, given, order)                                                                            \
    do {                                                                                                               \
        c->does = what;                                                                                                \
        c->location = (uint8_t)(where);                                                                                \
        c->value = (uint8_t)(given);                                                                                   \
        c->ordered = order;                                                                                            \
        c->got = 0;                                                                                                    \
        *here = __LINE__;                                                                                              \
        return WAITS;                                                                                                  \
    case __LINE__:;                                                                                                    \
    } while (0)
#define LOAD(where, acquire) STOP_FOR(LOADS, where, 0, acquire)
#define STORE(where, given, release) STOP_FOR(STORES, where, given, release)
#define CALL(function)                                                                                                 \
    do {                                                                                                               \
        *here = __LINE__;                                                                                              \
        __attribute__((fallthrough));                                                                                  \
    case __LINE__:                                                                                                     \
        answer = function;                                                                                             \
        if (answer == WAITS)                                                                                           \
            return WAITS;                                                                                              \
    } while (0)

static void write_plain(state *s, int m, int place, int value) {
    wrong_if(s, weak_write(&s->memory, m, place, (uint16_t)value), RACES);
}

static uint16_t read_plain(state *s, int m, int place) {
    uint16_t value;
    wrong_if(s, weak_read(&s->memory, m, place, &value), RACES);
    return value;
}

/* ---- exchange.c, idle.c -------------------------------------------------------------------------------------------
 */

static void write_payload(state *s, int m, core *c, int vector) {
    write_plain(s, m, PAYLOAD + line(vector, m, c->tag), c->part[c->stream].slot[c->now][vector][m]);
}

static int psti_offer(state *s, core *c, int vector) {
    BEGIN(OFFER)
    if (!is_taken(vector, m))
        RETURN(0);
    if (broken != TAG_FIRST)
        write_payload(s, m, c, vector);
    STORE(TAG + line(vector, m, c->tag), c->tag, broken != TAG_RELAXED);
    if (broken == TAG_FIRST)
        write_payload(s, m, c, vector);
    END;
}

static int psti_arrived(state *s, core *c, int vector) {
    BEGIN(ARRIVED)
    c->missing = 0;
    for (c->peer = 0; c->peer < the->cores; c->peer++)
        if (takes(vector, m, c->peer)) {
            LOAD(TAG + line(vector, c->peer, c->tag), broken != TAG_READ_RELAXED);
            c->missing |= c->got != c->tag;
        }
    answer = !c->missing;
    END;
}

static void psti_copy(state *s, core *c, int vector) {
    const int m = (int)(c - s->core);
    for (int k = 0; k < the->cores; k++)
        if (takes(vector, m, k)) {
            uint16_t slice = read_plain(s, m, PAYLOAD + line(vector, k, c->tag));
            wrong_if(s, slice >> 8 != c->tag, OTHER_STEP);
            c->part[c->stream].slot[c->now][vector][k] = slice;
        }
}

static int given_up(int m, const core *c, int tag) {
    if (broken == NEVER_GIVES_UP && m != the->caller)
        return 0;
    return broken == GIVES_UP_OLDER ? c->got >= tag : c->got == tag;
}

/* c->wait: the tag of the step that the core waits in; 0: of none yet. The deadline may pass at any poll of the caller.
 */
static int psti_wait_more(state *s, core *c) {
    BEGIN(WAIT_MORE)
    if (c->wait) {
        LOAD(GIVEN_UP, 1);
        if (given_up(m, c, c->wait))
            RETURN(1);
    }
    if (m == the->caller && s->give_ups < the->give_ups) {
        STOP_FOR(CHOOSES, 0, 0, 0);
        if (c->got) {
            s->give_ups++;
            if (c->wait)
                STORE(GIVEN_UP, c->wait, 1);
            RETURN(1);
        }
    }
    END;
}

/* ---- take.c, respond.c, settle.c ----------------------------------------------------------------------------------
 */

static int psti_take_slices(state *s, core *c, int vector) {
    BEGIN(TAKE_SLICES)
    if (!has_peers(vector, m) || c->taken[vector] == c->tag)
        RETURN(0);
    for (;;) {
        CALL(psti_arrived(s, c, vector));
        if (answer)
            break;
        c->wait = c->tag;
        CALL(psti_wait_more(s, c));
        if (answer)
            RETURN(1);
    }
    psti_copy(s, c, vector);
    c->taken[vector] = c->tag;
    answer = 0;
    END;
}

/* At once, as it writes over the bracket of the state before: the worst case for who goes back. */
static void psti_settle_all(state *s, int m, part *p) {
    int tag = -1;
    for (int v = 1; v <= the->layers; v++)
        for (int k = 0; k < the->cores && is_h(v) && makes(v, m); k++)
            if (makes(v, k)) {
                int of = p->slot[p->time & 1][v][k] >> 8;
                wrong_if(s, tag >= 0 && of != tag, MIXED_STATE);
                tag = of;
            }
    if (tag >= 0)
        p->bracket = (uint8_t)tag;
}

/* A layer's product: its whole input is of this step, and the bracket of the state that the caller meant. */
static void make_slice(state *s, core *c, int layer) {
    const int m = (int)(c - s->core);
    part *p = &c->part[c->stream];
    uint16_t slice = 0;
    for (int k = 0; k < the->cores; k++)
        if (makes(layer, k)) {
            uint16_t in = p->slot[c->now][layer][k];
            wrong_if(s, in >> 8 != c->tag || (slice && in != slice), OTHER_STEP);
            slice = in;
        }
    wrong_if(s, is_h(layer + 1) && (slice & 255) != p->bracket, OTHER_STATE);
    p->slot[c->now][layer + 1][m] = slice;
}

static int psti_respond(state *s, core *c) {
    BEGIN(RESPOND)
    for (c->layer = 0; c->layer < the->layers; c->layer++)
        if (makes(c->layer + 1, m)) {
            CALL(psti_take_slices(s, c, c->layer));
            if (answer)
                RETURN(1);
            make_slice(s, c, c->layer);
            CALL(psti_offer(s, c, c->layer + 1));
        }
    for (c->vector = 1; c->vector <= the->layers; c->vector++) {
        CALL(psti_take_slices(s, c, c->vector));
        if (answer)
            RETURN(1);
    }
    END;
}

/* ---- worker.c -----------------------------------------------------------------------------------------------------
 */

static int take_step(state *s, core *c) {
    BEGIN(TAKE_STEP)
    c->tag = c->next;
    c->stream = c->command >> 2 & 1;
    c->now = c->command >> 3 & 1;
    LOAD(GIVEN_UP, 1);
    if (given_up(m, c, c->tag))
        RETURN(0);
    write_plain(s, m, PART + m, 0);
    CALL(psti_respond(s, c));
    if (answer)
        RETURN(0);
    c->part[c->stream].time = (uint8_t)(c->command >> 3);
    psti_settle_all(s, m, &c->part[c->stream]);
    write_plain(s, m, PART + m, 0);
    END;
}

static void go_back(state *s, core *c) {
    const int m = (int)(c - s->core);
    (void)read_plain(s, m, LATE);
    part *p = &c->part[s->late_stream];
    if (broken == NO_GO_BACK || p->time == s->late_time)
        return;
    p->time = s->late_time;
    write_plain(s, m, PART + m, 0);
    if (broken != BRACKET_KEPT)
        psti_settle_all(s, m, p);
}

static int execute(state *s, core *c) {
    BEGIN(EXECUTE)
    if (broken == DONE_EARLY)
        STORE(DONE + m, c->next, 1);
    if ((c->command & 3) == COMMAND_STEP)
        CALL(take_step(s, c));
    else if ((c->command & 3) == COMMAND_GO_BACK)
        go_back(s, c);
    else if ((c->command & 3) == COMMAND_JOB)
        write_plain(s, m, STATUS + m, c->next);
    c->seen = c->next;
    if (broken != DONE_EARLY)
        STORE(DONE + m, c->next, broken != DONE_RELAXED);
    answer = (c->command & 3) != COMMAND_STOP;
    END;
}

static int serve(state *s, core *c) {
    BEGIN(MAIN)
    for (;;) {
        c->next = (uint8_t)(c->seen + 1);
        LOAD(COMMAND + (c->next & 1), broken != COMMAND_READ_RELAXED);
        if (c->got != c->next)
            continue;
        c->command = read_plain(s, m, COMMAND_PAYLOAD + (c->next & 1));
        CALL(execute(s, c));
        if (!answer)
            break;
    }
    END;
}

/* ---- caller.c -----------------------------------------------------------------------------------------------------
 */

static int psti_look_copied(state *s, core *c, int tag) {
    BEGIN(LOOK_COPIED)
    if (s->copied >= tag)
        RETURN(1);
    c->least = s->tag;
    for (c->polled = 0; c->polled < the->cores; c->polled++)
        if (c->polled != m) {
            LOAD(DONE + c->polled, broken != DONE_READ_RELAXED);
            c->least = c->got < c->least ? c->got : c->least;
        }
    s->copied = c->least;
    answer = c->least >= tag;
    END;
}

static int psti_await_copied(state *s, core *c) {
    BEGIN(AWAIT_COPIED)
    do
        CALL(psti_look_copied(s, c, s->tag));
    while (!answer);
    END;
}

static int publish(state *s, core *c, int kind, int stream, int time) {
    BEGIN(PUBLISH)
    write_plain(s, m, COMMAND_PAYLOAD + (s->tag & 1), kind | stream << 2 | time << 3);
    STORE(COMMAND + (s->tag & 1), s->tag, broken != COMMAND_RELAXED);
    END;
}

static int psti_on_all_cores(state *s, core *c, int kind) {
    BEGIN(ON_ALL_CORES)
    if (broken != JOB_AT_ONCE)
        CALL(psti_await_copied(s, c));
    s->tag++;
    CALL(publish(s, c, kind, 0, 0));
    if (kind == COMMAND_GO_BACK)
        go_back(s, c);
    CALL(psti_await_copied(s, c));
    for (int k = 0; k < the->cores && kind == COMMAND_JOB; k++)
        if (k != m)
            wrong_if(s, read_plain(s, m, STATUS + k) != s->tag, OTHER_STEP);
    END;
}

/* 1: given up. */
static int await_slots(state *s, core *c) {
    BEGIN(AWAIT_SLOTS)
    while (broken != NO_AWAIT_SLOTS) {
        CALL(psti_look_copied(s, c, s->tag - 1 - (broken == AWAIT_SLOTS_OLDER)));
        if (answer)
            break;
        c->wait = 0;
        CALL(psti_wait_more(s, c));
        if (answer)
            RETURN(1);
    }
    answer = 0;
    END;
}

static int give_up(state *s, int m, int stream) {
    s->late = 1;
    s->late_stream = (uint8_t)stream;
    s->late_time = s->core[m].part[stream].time;
    write_plain(s, m, LATE, 0);
    return 1;
}

static int psti_step(state *s, core *c, int stream) {
    BEGIN(STEP)
    c->stream = (uint8_t)stream;
    c->now = (c->part[stream].time + 1) & 1;
    CALL(await_slots(s, c));
    if (answer)
        RETURN(give_up(s, m, stream));
    c->tag = ++s->tag;
    CALL(publish(s, c, COMMAND_STEP, stream, c->part[stream].time + 1));
    c->part[stream].slot[c->now][0][m] = (uint16_t)(c->tag << 8 | s->answered[stream]);
    CALL(psti_offer(s, c, 0));
    CALL(psti_respond(s, c));
    if (answer)
        RETURN(give_up(s, m, stream));
    s->answered[stream] = c->tag;
    s->answered_time[stream] = ++c->part[stream].time;
    psti_settle_all(s, m, &c->part[stream]);
    END;
}

/* What the next call does first; it fails until all have caught up, and here it is then made again. */
static int catch_up(state *s, core *c) {
    BEGIN(CATCH_UP)
    if (!s->late)
        RETURN(0);
    do
        CALL(psti_look_copied(s, c, s->tag));
    while (!answer);
    s->late = 0;
    CALL(psti_on_all_cores(s, c, COMMAND_GO_BACK));
    END;
}

/* pst_stream_save of stream A, behind await_copied: the others' parts are read as they stand. */
static void save(state *s, int m) {
    for (int k = 0; k < the->cores; k++) {
        part *p = &s->core[k].part[0];
        if (k != m)
            (void)read_plain(s, m, PART + k);
        for (int v = 1; v <= the->layers; v++)
            wrong_if(s,
                     is_h(v) && makes(v, k) &&
                         (p->time != s->answered_time[0] || p->slot[p->time & 1][v][k] >> 8 != s->answered[0]),
                     SAVED_OTHER);
    }
}

static int script(state *s, core *c) {
    BEGIN(MAIN)
    for (; the->script[s->at]; s->at++) {
        CALL(catch_up(s, c));
        if (the->script[s->at] == 'j') {
            CALL(psti_on_all_cores(s, c, COMMAND_JOB));
        } else if (the->script[s->at] == 'v') {
            if (broken != SAVE_AT_ONCE)
                CALL(psti_await_copied(s, c));
            save(s, m);
        } else {
            CALL(psti_step(s, c, the->script[s->at] - 'A'));
        }
    }
    CALL(catch_up(s, c));
    CALL(psti_await_copied(s, c)); /* psti_tell_to_stop */
    s->tag++;
    CALL(publish(s, c, COMMAND_STOP, 0, 0));
    END;
}

/* ---- one move -----------------------------------------------------------------------------------------------------
 */

static void go_on(state *s, int m) {
    core *c = &s->core[m];
    c->does = NOTHING;
    (void)(m == the->caller ? script(s, c) : serve(s, c));
}

/* What core m is about to do, and what the choice-th way finds. */
static void protocol_tell(const state *s, int m, int choice) {
    static const char *const does[] = {"ends", "loads", "stores", "lets the deadline pass:"};
    const core *c = &s->core[m];
    const weak_atomic *a = &s->memory.atomic[c->location];
    int value = c->does == LOADS    ? a->store[a->from[m] - a->oldest + choice].value
                : c->does == STORES ? c->value
                                    : choice;
    printf("core %d %s ", m, does[c->does]);
    if (c->does == LOADS || c->does == STORES) {
        int of = c->location - TAG;
        if (c->location == GIVEN_UP)
            printf("given_up: ");
        else if (c->location < DONE)
            printf("command[%d].tag: ", c->location - COMMAND);
        else if (c->location < TAG)
            printf("done of core %d: ", c->location - DONE);
        else
            printf("vector %d, slice of core %d, line[%d].tag: ", of / PARITIES / WEAK_CORES,
                   of / PARITIES % WEAK_CORES, of % PARITIES);
    }
    printf("%d\n", value);
}

static void protocol_begin(state *s) {
    memset(s, 0, sizeof *s);
    weak_begin(&s->memory, the->cores);
    for (int m = 0; m < the->cores; m++) { /* as the engine opens: command 1 has come this far */
        s->core[m].seen = s->tag = s->copied = 1;
        if (m != the->caller)
            s->memory.atomic[DONE + m].store[0].value = 1;
    }
    for (int m = 0; m < the->cores; m++)
        go_on(s, m);
}

/* In how many ways core m can go on; 0: it has ended. */
static int protocol_choices(const state *s, int m) {
    const core *c = &s->core[m];
    if (c->does == LOADS)
        return weak_choices(&s->memory, m, c->location);
    return c->does == STORES ? 1 : c->does == CHOOSES ? 2 : 0;
}

/* Core m does what it is about to do, in the choice-th way, and goes on to its next access. */
static void protocol_move(state *s, int m, int choice) {
    core *c = &s->core[m];
    if (c->does == LOADS)
        c->got = weak_get(&s->memory, m, c->location, choice, c->ordered);
    else if (c->does == CHOOSES)
        c->got = (uint8_t)choice;
    else
        wrong_if(s, weak_put(&s->memory, m, c->location, c->value, c->ordered), NO_ROOM);
    go_on(s, m);
}

#endif
