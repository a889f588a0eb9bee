/* Lines between cores: what arrives is what was offered, it arrives only when all of it is there, nothing beside it is
 * written, and two steps in turn do not touch each other. In one thread: test_protocol.c has every order of several. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "engine/exchange.h"
#include "support/model.h"

enum { MOST = 5, WIDEST = 150, GUARD_LINES = 3, ROUNDS = 300, STEPS = 6 };
enum { STALE = 0xa5 };

static uint64_t seed = 1;

/* Some members and one vector that goes between them: every member makes a slice and takes all others. */
typedef struct {
    uint32_t members, width, slot_bytes;
    size_t line_count;
    psti_line *lines;
    psti_route route[MOST];
    psti_mail peers[MOST][MOST];
    unsigned char *slot[MOST], *before[MOST];
} network;

static void draw_segments(network *n, model_noise *noise) {
    static const uint32_t bytes[] = {1, 2, 4};
    psti_route *r = &n->route[0];
    r->segments = 1 + model_choose(noise, PSTI_SEGMENTS);
    for (uint32_t i = 0; i < r->segments; i++) {
        psti_segment *s = &r->segment[i];
        s->bytes = bytes[model_choose(noise, 3)];
        int twice = (int)model_choose(noise, 2);
        for (int k = 0; k < 2; k++) {
            if (k && !twice) {
                s->at[1] = s->at[0];
                continue;
            }
            s->at[k] = n->slot_bytes + 4 * model_choose(noise, 5);
            n->slot_bytes = (uint32_t)s->at[k] + s->bytes * n->width;
            n->slot_bytes += -n->slot_bytes % 4;
        }
    }
    n->slot_bytes += 4;
    for (uint32_t m = 1; m < n->members; m++)
        n->route[m] = *r;
}

/* Slices of any length, some of nothing; each one's lines with lines of nobody around them. */
static void network_make(network *n, model_noise *noise) {
    memset(n, 0, sizeof *n);
    n->members = 2 + model_choose(noise, MOST - 1);
    n->width = 1 + model_choose(noise, WIDEST);
    draw_segments(n, noise);
    uint32_t border[MOST + 1] = {0};
    for (uint32_t m = 1; m <= n->members; m++) {
        border[m] = border[m - 1] + model_choose(noise, 2 * n->width / n->members + 2);
        border[m] = m < n->members && border[m] < n->width ? border[m] : n->width;
    }
    size_t start[MOST][2];
    n->line_count = GUARD_LINES;
    for (uint32_t m = 0; m < n->members; m++)
        for (int slot = 0; slot < 2; slot++) {
            start[m][slot] = n->line_count;
            n->line_count += psti_route_lines(&n->route[0], border[m + 1] - border[m]) + GUARD_LINES;
        }
    n->lines = aligned_alloc(64, n->line_count * sizeof *n->lines);
    memset((void *)n->lines, STALE, n->line_count * sizeof *n->lines);
    for (size_t i = 0; i < n->line_count; i++)
        atomic_init(&n->lines[i].tag, 0);
    for (uint32_t m = 0; m < n->members; m++) {
        uint32_t units = border[m + 1] - border[m];
        n->route[m].own = (psti_mail){.line = {n->lines + start[m][0], n->lines + start[m][1]},
                                      .lines = psti_route_lines(&n->route[0], units),
                                      .first = border[m],
                                      .units = units};
        n->route[m].peers = n->peers[m];
        n->slot[m] = malloc(n->slot_bytes);
        n->before[m] = malloc(n->slot_bytes);
    }
    for (uint32_t m = 0; m < n->members; m++)
        for (uint32_t other = 0; other < n->members; other++)
            if (other != m && n->route[other].own.lines)
                n->route[m].peers[n->route[m].peer_count++] = n->route[other].own;
}

static void network_free(network *n) {
    for (uint32_t m = 0; m < n->members; m++) {
        free(n->slot[m]);
        free(n->before[m]);
    }
    free(n->lines);
}

/* Every member's whole slot becomes other numbers, its own slice among them. */
static void fill_slots(network *n, model_noise *noise) {
    for (uint32_t m = 0; m < n->members; m++) {
        for (uint32_t i = 0; i < n->slot_bytes; i++)
            n->slot[m][i] = (unsigned char)model_next(noise);
        memcpy(n->before[m], n->slot[m], n->slot_bytes);
    }
}

/* Member m's offer at step `tag` writes its lines of that slot and nothing else, and its slot stays. */
static void offer(network *n, uint32_t m, int now, uint64_t tag) {
    const psti_mail *own = &n->route[m].own;
    psti_line *was = malloc(n->line_count * sizeof *was);
    memcpy((void *)was, (const void *)n->lines, n->line_count * sizeof *was);
    psti_offer(&n->route[m], (const char *)n->slot[m], now, tag);
    for (size_t i = 0; i < n->line_count; i++) {
        size_t within = (size_t)(n->lines + i - own->line[tag & 1]);
        if (within < own->lines)
            assert_int_equal(atomic_load(&n->lines[i].tag), tag);
        else
            assert_memory_equal((const void *)&n->lines[i], (const void *)&was[i], sizeof *was);
    }
    assert_memory_equal(n->slot[m], n->before[m], n->slot_bytes);
    free(was);
}

/* After all have offered: as long as one line of those that m takes has another tag, nothing has arrived. */
static void any_line_keeps_it(network *n, uint32_t m, uint64_t tag) {
    const psti_route *r = &n->route[m];
    assert_true(psti_arrived(r, tag));
    for (uint32_t p = 0; p < r->peer_count; p++)
        for (uint32_t i = 0; i < r->peers[p].lines; i++) {
            _Atomic uint64_t *of = &r->peers[p].line[tag & 1][i].tag;
            atomic_store(of, tag > 2 ? tag - 2 : 0);
            assert_false(psti_arrived(r, tag));
            atomic_store(of, tag);
        }
    assert_true(psti_arrived(r, tag));
}

/* What m copies at a step is what the others had in their slots when they offered; `at_offer` has that. */
static void copy(network *n, uint32_t m, int now, uint64_t tag, unsigned char *const *at_offer) {
    const psti_route *r = &n->route[m];
    unsigned char *expect = malloc(n->slot_bytes);
    memcpy(expect, n->slot[m], n->slot_bytes);
    for (uint32_t other = 0; other < n->members; other++)
        for (uint32_t i = 0; i < r->segments && other != m; i++) {
            const psti_segment *s = &r->segment[i];
            const psti_mail *from = &n->route[other].own;
            size_t at = s->at[now] + (size_t)from->first * s->bytes;
            memcpy(expect + at, at_offer[other] + at, (size_t)from->units * s->bytes);
        }
    psti_copy(r, (char *)n->slot[m], now, tag);
    assert_memory_equal(n->slot[m], expect, n->slot_bytes);
    memcpy(n->before[m], expect, n->slot_bytes);
    free(expect);
}

static void test_steps(void **unused) {
    (void)unused;
    model_noise noise = {seed};
    for (int round = 0; round < ROUNDS; round++) {
        network n;
        network_make(&n, &noise);
        unsigned char *at_offer[MOST];
        for (uint32_t m = 0; m < n.members; m++)
            at_offer[m] = malloc(n.slot_bytes);
        for (uint64_t tag = 1; tag <= STEPS; tag++) {
            int now = (int)model_choose(&noise, 2); /* of the stream: not the tag's parity */
            fill_slots(&n, &noise);
            for (uint32_t m = 0; m < n.members; m++) {
                for (uint32_t reader = 0; reader < n.members; reader++)
                    for (uint32_t p = 0; p < n.route[reader].peer_count; p++)
                        if (n.route[reader].peers[p].first >= n.route[m].own.first)
                            assert_false(psti_arrived(&n.route[reader], tag)); /* m or one after it is to come */
                memcpy(at_offer[m], n.slot[m], n.slot_bytes);
                psti_expect(&n.route[m], tag); /* asks, and changes nothing */
                offer(&n, m, now, tag);
            }
            for (uint32_t m = 0; m < n.members; m++) {
                any_line_keeps_it(&n, m, tag);
                copy(&n, m, now, tag, at_offer);
            }
        }
        for (uint32_t m = 0; m < n.members; m++)
            free(at_offer[m]);
        network_free(&n);
    }
}

/* A slow reader still finds step s when all others have offered s + 1. */
static void test_slow_reader(void **unused) {
    (void)unused;
    model_noise noise = {seed + 1};
    for (int round = 0; round < ROUNDS; round++) {
        network n;
        network_make(&n, &noise);
        unsigned char *at_offer[2][MOST];
        uint64_t tag = 1 + model_choose(&noise, 1000);
        for (int k = 0; k < 2; k++) {
            fill_slots(&n, &noise);
            for (uint32_t m = 0; m < n.members; m++) {
                at_offer[k][m] = malloc(n.slot_bytes);
                memcpy(at_offer[k][m], n.slot[m], n.slot_bytes);
                offer(&n, m, k, tag + (uint64_t)k);
            }
        }
        for (int k = 0; k < 2; k++)
            for (uint32_t m = 0; m < n.members; m++) {
                assert_true(psti_arrived(&n.route[m], tag + (uint64_t)k));
                copy(&n, m, k, tag + (uint64_t)k, at_offer[k]);
            }
        for (int k = 0; k < 2; k++)
            for (uint32_t m = 0; m < n.members; m++)
                free(at_offer[k][m]);
        network_free(&n);
    }
}

/* 56 bytes a line, each array on lines of its own. */
static void test_line_count(void **unused) {
    (void)unused;
    psti_route r = {.segment = {{.bytes = 1}, {.bytes = 2}, {.bytes = 4}}};
    static const struct {
        uint32_t segments, units, expect;
    } all[] = {
        {1, 0, 0}, {1, 1, 1},  {1, 56, 1}, {1, 57, 2}, {2, 28, 2},   {2, 29, 3},
        {3, 0, 0}, {3, 14, 3}, {3, 15, 4}, {3, 56, 7}, {3, 480, 62}, {0, 100, 0},
    };
    for (size_t k = 0; k < sizeof all / sizeof *all; k++) {
        r.segments = all[k].segments;
        assert_int_equal(psti_route_lines(&r, all[k].units), all[k].expect);
    }
    assert_int_equal(sizeof(psti_line), 64); /* a cache line; the tag its last word */
    assert_int_equal(offsetof(psti_line, tag), PSTI_PAYLOAD);
}

int main(void) {
    const char *given = getenv("PENSTOCK_SEED");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steps),
        cmocka_unit_test(test_slow_reader),
        cmocka_unit_test(test_line_count),
    };
    seed = given ? strtoull(given, NULL, 10) : seed;
    print_message("seed %llu\n", (unsigned long long)seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
