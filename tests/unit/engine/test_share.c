/* Who makes what, and who needs what of the others: slices cover every vector, in order and apart; where a layer may be
 * cut, and when the last Linear is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/kinds.h"
#include "support/expect.h"
#include "support/model.h"

enum { MOST_CORES = 8, DRAWN = 40 };

static uint64_t seed = 1;

/* An engine as far as sharing asks of one: no core of it runs. */
static pst_engine engine;
static psti_core caller;

static void share(const pst_program *p, uint32_t cores, int apart) {
    memset(&engine, 0, sizeof engine);
    memset(&caller, 0, sizeof caller);
    engine.count = p->count;
    engine.cores = cores;
    engine.members = cores + (uint32_t)apart;
    engine.caller = &caller;
    caller.index = apart ? cores : 0;
    OK(psti_share(&engine, p));
}

static void forget(void) {
    psti_arena_free(&engine.arena);
}

static uint32_t first_of(uint32_t vector, uint32_t member) {
    return psti_slice(&engine, vector, member)[0];
}

static uint32_t units_of(uint32_t vector, uint32_t member) {
    return psti_slice(&engine, vector, member)[1];
}

static uint32_t end_of(uint32_t vector, uint32_t member) {
    return first_of(vector, member) + units_of(vector, member);
}

static uint32_t width_of(const pst_program *p, uint32_t vector) {
    return vector ? p->layers[vector - 1].outputs : p->inputs;
}

/* Nothing that is multiplied comes behind it. */
static int is_last_matrix(const pst_program *p, uint32_t layer) {
    for (uint32_t i = layer + 1; i < p->count; i++)
        if (p->layers[i].kind == PSTI_KIND_lstm || p->layers[i].kind == PSTI_KIND_linear)
            return 0;
    return 1;
}

/* One of `cores` slices of a layer that is cut evenly has at most one piece more than another. */
static void is_even(uint32_t vector, uint32_t width, uint32_t piece, uint32_t cores) {
    uint32_t pieces = (width + piece - 1) / piece;
    for (uint32_t m = 0; m < cores; m++) {
        uint32_t own = (units_of(vector, m) + piece - 1) / piece;
        assert_true(own == 0 || first_of(vector, m) % piece == 0);
        assert_true(own == pieces / cores || own == (pieces + cores - 1) / cores);
    }
}

static void slices_are_sound(const pst_program *p) {
    const uint32_t cores = engine.cores;
    for (uint32_t v = 0; v <= p->count; v++) {
        uint32_t end = 0;
        for (uint32_t m = 0; m < engine.members; m++) {
            if (!units_of(v, m))
                continue;
            assert_int_equal(first_of(v, m), end);
            end = end_of(v, m);
        }
        assert_int_equal(end, width_of(p, v));
    }
    assert_int_equal(units_of(0, caller.index), p->inputs); /* x is the caller's */
    for (uint32_t i = 0; i < p->count; i++) {
        const psti_program_layer *layer = &p->layers[i];
        uint64_t bytes = psti_tiles_bytes(&layer->matrix[0].shape, layer->matrix[0].encoding);
        if (caller.index == cores) /* apart: it makes nothing else */
            assert_int_equal(units_of(i + 1, caller.index), 0);
        switch (layer->kind) {
        case PSTI_KIND_lstm:
            is_even(i + 1, layer->outputs, 4, cores);
            break;
        case PSTI_KIND_linear:
            if (is_last_matrix(p, i) && bytes - bytes / cores < 16384)
                assert_int_equal(units_of(i + 1, 0), layer->outputs);
            else
                is_even(i + 1, layer->outputs, 16, cores);
            break;
        case PSTI_KIND_activation: /* where its input is */
            for (uint32_t m = 0; m < cores; m++)
                assert_true(units_of(i + 1, m) == units_of(i, m) && first_of(i + 1, m) == first_of(i, m));
            break;
        default:
            assert_int_equal(layer->kind, PSTI_KIND_softmax);
            assert_int_equal(units_of(i + 1, 0), layer->outputs);
        }
    }
}

/* A member needs all of what it multiplies (an lstm's own h is multiplied too, by its next settle) or takes a softmax
 * of; and the caller needs y. An activation is done where its input is. */
static void needs_are_right(const pst_program *p) {
    for (uint32_t v = 0; v <= p->count; v++)
        for (uint32_t m = 0; m < engine.members; m++) {
            int own_h = v && p->layers[v - 1].kind == PSTI_KIND_lstm && units_of(v, m);
            int read = v < p->count && p->layers[v].kind != PSTI_KIND_activation && units_of(v + 1, m);
            int y = v == p->count && m == caller.index;
            if (psti_needs(&engine, p, v, m) != (own_h || read || y))
                fail_msg("vector %u of %u, member %u of %u: needed %d, expected %d", v, p->count, m, engine.members,
                         psti_needs(&engine, p, v, m), own_h || read || y);
        }
}

static void check(const pst_program *p) {
    for (uint32_t cores = 1; cores <= MOST_CORES; cores++)
        for (int apart = 0; apart < 2; apart++) {
            share(p, cores, apart);
            slices_are_sound(p);
            needs_are_right(p);
            forget();
        }
}

/* As model_draw, but with a Linear first, and wide ones, too. */
static pst_model *draw(uint64_t number) {
    model_noise noise = {number};
    enum { BODIES = 4, BEHIND = 2 }; /* at most; activations behind each */
    model_part parts[BODIES * (1 + BEHIND) + 1];
    size_t count = 0, bodies = 1 + model_choose(&noise, BODIES);
    for (size_t i = 0; i < bodies; i++) {
        model_part lstm = MODEL_LSTM(1 + model_choose(&noise, 90)), linear = MODEL_LINEAR(1);
        linear.outputs = 1 + model_choose(&noise, model_choose(&noise, 2) ? 40 : 300);
        parts[count++] = model_choose(&noise, 2) ? lstm : linear;
        for (uint32_t k = model_choose(&noise, BEHIND + 1); k; k--)
            parts[count++] = model_activation(&noise);
    }
    if (model_choose(&noise, 3) == 0) {
        model_part softmax = MODEL_SOFTMAX;
        parts[count++] = softmax;
    }
    return model_make(1 + model_choose(&noise, 60), parts, count, number, 1);
}

static void test_random(void **unused) {
    (void)unused;
    for (uint64_t k = 0; k < DRAWN; k++) {
        pst_model *m = draw(seed + k);
        for (int f = 0; f < MODEL_FORMATS; f++) {
            pst_program *p = model_program(m, model_formats[f]);
            check(p);
            pst_program_free(p);
        }
        pst_model_free(m);
    }
}

/* Sizes that are in use, as evenly as 4 units allow; the first cores have the smaller slices. */
static void test_even(void **unused) {
    (void)unused;
    static const struct {
        uint32_t units, cores, expect[4];
    } all[] = {
        {100, 2, {48, 52}},   {100, 4, {24, 24, 24, 28}}, {480, 2, {240, 240}},  {480, 4, {120, 120, 120, 120}},
        {102, 2, {52, 50}},   {128, 3, {40, 44, 44}},     {16, 4, {4, 4, 4, 4}}, {8, 4, {0, 4, 0, 4}},
        {3, 4, {0, 0, 0, 3}},
    };
    for (size_t k = 0; k < sizeof all / sizeof *all; k++) {
        const model_part parts[] = {MODEL_LSTM(all[k].units)};
        pst_model *m = model_make(4, parts, 1, 1, 1);
        pst_program *p = model_program(m, "w8a8");
        share(p, all[k].cores, 0);
        for (uint32_t i = 0; i < all[k].cores; i++)
            if (units_of(1, i) != all[k].expect[i])
                fail_msg("%u units on %u cores: core %u has %u, expected %u", all[k].units, all[k].cores, i,
                         units_of(1, i), all[k].expect[i]);
        forget();
        pst_program_free(p);
        pst_model_free(m);
    }
}

/* Whether the Linear of `outputs` over 64 inputs (2,048 bytes of bf16 a tile) is divided, with `behind` behind it. */
static int divided(uint32_t outputs, uint32_t cores, const model_part *behind) {
    const model_part parts[] = {MODEL_LSTM(64), MODEL_LINEAR(outputs), behind ? *behind : (model_part)MODEL_SOFTMAX};
    pst_model *m = model_make(4, parts, behind ? 3 : 2, 1, 1);
    pst_program *p = model_program(m, "bf16");
    share(p, cores, 0);
    int whole = units_of(2, 0) == outputs;
    forget();
    pst_program_free(p);
    pst_model_free(m);
    return !whole;
}

/* The last Linear is divided where that spares core 0 16 KiB at least; any other one always, if it is two tiles. */
static void test_last_linear(void **unused) {
    (void)unused;
    static const model_part relu = MODEL_ACTIVATION("relu"), softmax = MODEL_SOFTMAX, lstm = MODEL_LSTM(8),
                            linear = MODEL_LINEAR(3);
    static const model_part *const last[] = {NULL, &relu, &softmax};
    for (int i = 0; i < 3; i++) {
        assert_false(divided(15 * 16, 2, last[i])); /* half of 30 KiB */
        assert_true(divided(15 * 16 + 1, 2, last[i]));
        assert_false(divided(10 * 16, 4, last[i])); /* 3/4 of 20 KiB */
        assert_true(divided(10 * 16 + 1, 4, last[i]));
        assert_false(divided(1000, 1, last[i]));
    }
    assert_true(divided(17, 2, &linear));
    assert_true(divided(17, 2, &lstm));
    assert_false(divided(16, 2, &lstm));
}

int main(void) {
    const char *given = getenv("PENSTOCK_SEED");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_even),
        cmocka_unit_test(test_last_linear),
    };
    seed = given ? strtoull(given, NULL, 10) : seed;
    print_message("seed %llu\n", (unsigned long long)seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
