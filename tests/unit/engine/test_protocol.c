/* The exchange between cores under a weak memory: every order of accesses and every store that a load may find, from
 * the engine's opening to its end, for small engines. The protocol as it is has no error in any of them and can always
 * come to its end; broken in any of a list of ways, it is caught. docs/design.md has it in prose. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

#include "protocol.h"

/* ---- exploring ----------------------------------------------------------------------------------------------------
 */

typedef struct {
    XXH128_hash_t hash;
    uint32_t number; /* plus 1 */
} entry;

typedef struct {
    state s;
    uint32_t number;
    int core, choice; /* next to be made */
} frame;

typedef struct {
    entry *seen;
    size_t room, count, ends_room;
    uint32_t (*edges)[2];
    size_t edge_room, edge_count;
    uint8_t *ends; /* by state: the end can be reached */
    frame *path;
    size_t path_room, depth;
} explorer;

static void *grow(void *old, size_t *room, size_t size) {
    void *grown = realloc(old, (*room = *room ? 2 * *room : 1 << 10) * size);
    assert_non_null(grown);
    return grown;
}

static entry *find(const explorer *e, XXH128_hash_t hash) {
    size_t at = hash.low64 & (e->room - 1);
    while (e->seen[at].number && !XXH128_isEqual(e->seen[at].hash, hash))
        at = (at + 1) & (e->room - 1);
    return &e->seen[at];
}

/* The number of a state; a new one is put on the path. Two states whose 128 bits of hash agree would be taken for one.
 */
static uint32_t visit(explorer *e, const state *s) {
    if (2 * e->count >= e->room) {
        explorer old = *e;
        e->room = e->room ? 2 * e->room : 1 << 12;
        e->seen = calloc(e->room, sizeof *e->seen);
        assert_non_null(e->seen);
        for (size_t i = 0; i < old.room; i++)
            if (old.seen[i].number)
                *find(e, old.seen[i].hash) = old.seen[i];
        free(old.seen);
    }
    XXH128_hash_t hash = XXH3_128bits(s, sizeof *s);
    entry *found = find(e, hash);
    if (!found->number) {
        *found = (entry){hash, (uint32_t)++e->count};
        if (e->count > e->ends_room)
            e->ends = grow(e->ends, &e->ends_room, sizeof *e->ends);
        e->ends[e->count - 1] = 0;
        if (e->depth == e->path_room)
            e->path = grow(e->path, &e->path_room, sizeof *e->path);
        frame *f = &e->path[e->depth++];
        memcpy(&f->s, s, sizeof *s);
        f->number = found->number - 1;
        f->core = f->choice = 0;
    }
    return found->number - 1;
}

/* The next move from a state: 0 if there is none left. */
static int next_move(frame *f) {
    while (f->core < the->cores && f->choice >= protocol_choices(&f->s, f->core)) {
        f->core++;
        f->choice = 0;
    }
    return f->core < the->cores;
}

static void add_edge(explorer *e, uint32_t from, uint32_t to) {
    if (e->edge_count == e->edge_room)
        e->edges = grow(e->edges, &e->edge_room, sizeof *e->edges);
    e->edges[e->edge_count][0] = from;
    e->edges[e->edge_count++][1] = to;
}

/* States from which no way leads to the end: the edges are walked back until nothing changes. */
static size_t without_end(explorer *e) {
    size_t without = 0;
    for (int changed = 1; changed;) {
        changed = 0;
        for (size_t i = e->edge_count; i-- > 0;)
            if (e->ends[e->edges[i][1]] && !e->ends[e->edges[i][0]])
                e->ends[e->edges[i][0]] = (uint8_t)(changed = 1);
    }
    for (size_t i = 0; i < e->count; i++)
        without += !e->ends[i];
    return without;
}

static int has_ended(const state *s) {
    int moves = 0;
    for (int m = 0; m < the->cores; m++)
        moves |= s->core[m].does != NOTHING;
    return !moves;
}

/* What is wrong in some order, or RIGHT. *count: states. */
static int explore(const setting *of, fault f, size_t *count, int tell) {
    explorer e = {0};
    state *s = malloc(sizeof *s);
    assert_non_null(s);
    the = of;
    broken = f;
    protocol_begin(s);
    visit(&e, s);
    while (e.depth && !s->wrong) {
        frame *top = &e.path[e.depth - 1];
        uint32_t from = top->number;
        if (!next_move(top)) {
            e.ends[from] |= (uint8_t)has_ended(&top->s);
            e.depth--;
            continue;
        }
        memcpy(s, &top->s, sizeof *s);
        protocol_move(s, top->core, top->choice++);
        add_edge(&e, from, visit(&e, s));
    }
    int wrong = s->wrong ? s->wrong : without_end(&e) ? STUCK : RIGHT;
    for (size_t i = 0; i + 1 < e.depth && tell; i++)
        protocol_tell(&e.path[i].s, e.path[i].core, e.path[i].choice - 1);
    *count = e.count;
    free(s);
    free(e.seen);
    free(e.edges);
    free(e.ends);
    free(e.path);
    return wrong;
}

/* ---- the protocol as it is ----------------------------------------------------------------------------------------
 */

enum { TWO, TWICE, TWO_LSTMS, Y_OF_BOTH, IDLE_CORE, APART, THREE, SETTINGS };
static const setting settings[SETTINGS] = {
    [TWO] = {"two cores, an lstm and a linear", 2, 0, 2, {1, 3, 1}, 1 << 1, "AAABAAv", 1},
    [TWICE] = {"the same, two steps given up", 2, 0, 2, {1, 3, 1}, 1 << 1, "AABAjA", 2},
    [TWO_LSTMS] = {"two cores, two lstms and a linear", 2, 0, 3, {1, 3, 3, 1}, 1 << 1 | 1 << 2, "AABAv", 1},
    [Y_OF_BOTH] = {"two cores, y of an lstm", 2, 0, 1, {1, 3}, 1 << 1, "AABAv", 1},
    [IDLE_CORE] = {"three cores, one without a share", 3, 0, 2, {1, 3, 1}, 1 << 1, "AAAAjAv", 1},
    [APART] = {"two cores and a caller apart", 3, 2, 2, {4, 3, 1}, 1 << 1, "AAAA", 1},
    [THREE] = {"three cores", 3, 0, 2, {1, 7, 1}, 1 << 1, "AAA", 1},
};

static void test_the_protocol_is_right(void **unused) {
    (void)unused;
    for (int i = 0; i < SETTINGS; i++) {
        size_t count;
        int wrong = explore(&settings[i], SOUND, &count, 1);
        print_message("%s, steps %s, %d given up: %zu states\n", settings[i].name, settings[i].script,
                      settings[i].give_ups, count);
        if (wrong)
            fail_msg("%s", wrongs[wrong]);
    }
}

/* ---- the protocol broken ------------------------------------------------------------------------------------------
 */

static const struct {
    int setting;
    const char *name;
} faults[FAULTS] = {
    [TAG_RELAXED] = {TWO, "a line's tag stored without release"},
    [TAG_FIRST] = {TWO, "a line's tag stored before its payload"},
    [TAG_READ_RELAXED] = {TWO, "a line's tag loaded without acquire"},
    [COMMAND_RELAXED] = {TWO, "the command's tag stored without release"},
    [COMMAND_READ_RELAXED] = {TWO, "the command's tag loaded without acquire"},
    [DONE_RELAXED] = {TWO, "done stored without release"},
    [DONE_READ_RELAXED] = {TWO, "done loaded without acquire"},
    [DONE_EARLY] = {TWO, "done stored before the slices are copied"},
    [NO_AWAIT_SLOTS] = {IDLE_CORE, "a step published without a look at done"},
    [AWAIT_SLOTS_OLDER] = {IDLE_CORE, "a step published when the step three before is copied"},
    [ONE_SLOT] = {TWO, "one slot"},
    [JOB_AT_ONCE] = {IDLE_CORE, "a job published without a look at done"},
    [SAVE_AT_ONCE] = {TWO, "a state saved without a look at done"},
    [NEVER_GIVES_UP] = {TWO_LSTMS, "given_up not looked at"},
    [GIVES_UP_OLDER] = {TWO, "a step given up because a later one was"},
    [NO_GO_BACK] = {TWO, "no way back from a step that was given up"},
    [BRACKET_KEPT] = {TWO, "a way back without the bracket"},
};

static void test_what_is_broken_is_caught(void **unused) {
    (void)unused;
    for (int f = SOUND + 1; f < FAULTS; f++) {
        size_t count;
        int wrong = explore(&settings[faults[f].setting], (fault)f, &count, 0);
        print_message("%s: %s, after %zu states\n", faults[f].name, wrong ? wrongs[wrong] : "not caught", count);
        assert_int_not_equal(wrong, RIGHT);
        assert_int_not_equal(wrong, NO_ROOM);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_protocol_is_right),
        cmocka_unit_test(test_what_is_broken_is_caught),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
