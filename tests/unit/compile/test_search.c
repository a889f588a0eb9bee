/* The search for a format: its front, its texts, what it keeps, and what it says where nothing holds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "compile/search.c"
#include "small.h"

static pst_compile_options options(const float *x) {
    pst_compile_options o;
    PST_INIT(o);
    o.format = "auto";
    o.calibration = x;
    o.steps = STEPS;
    return o;
}

/* ---- choosing -----------------------------------------------------------------------------------------------------
 */

enum { PARTS = 4, FEW = 5, ALL = FEW * FEW * FEW * FEW };

static choice every(const search *s, int number) {
    choice c = {.us = 0};
    for (uint32_t i = 0; i < s->m->count; i++)
        c.error += s->hh_error[i];
    for (int p = 0; p < PARTS; p++, number /= FEW) {
        c.us += s->us[number % FEW] * s->part[p].share;
        c.error += s->part[p].error[number % FEW];
        c.pick[p] = (unsigned char)(number % FEW);
    }
    return c;
}

/* Whether no other choice is as fast and errs less, or errs as little and is faster. */
static int is_best(const search *s, const choice *c) {
    for (int n = 0; n < ALL; n++) {
        choice other = every(s, n);
        if (other.us < c->us * (1 - 1e-12) && other.error < c->error * (1 - 1e-12))
            return 0;
    }
    return 1;
}

/* Against all choices there are, where a matrix can't be held in some ways. */
static void test_front(void **unused) {
    (void)unused;
    double hh_error[PARTS] = {1e-6, 2e-6, 0, 0};
    pst_model *m = model_make(
        3, (const model_part[]){MODEL_LINEAR(3), MODEL_LINEAR(3), MODEL_LINEAR(3), MODEL_LINEAR(3)}, PARTS, 1, 1);
    for (uint64_t seed = 1; seed <= 20; seed++) {
        model_noise noise = {seed};
        on_path part[PARTS];
        search s = {.m = m, .part = part, .parts = PARTS, .hh_error = hh_error};
        for (int k = 0; k < CANDIDATES; k++)
            s.us[k] = 10 + (double)model_uniform(&noise, 8);
        for (int p = 0; p < PARTS; p++) {
            part[p] = (on_path){.layer = (uint32_t)p, .share = 0.25 + (double)model_uniform(&noise, 0.2)};
            for (int k = 0; k < CANDIDATES; k++) /* times and errors of a kind, as they are */
                part[p].error[k] = k < FEW ? (1 + (double)model_uniform(&noise, 0.5)) / pow(s.us[k], 4) : INFINITY;
        }
        choice *found;
        size_t count;
        OK(choose(&s, &found, &count));
        assert_in_range(count, 2, MOST_CHOICES);
        for (size_t i = 0; i < count; i++) {
            int number = 0;
            for (int p = PARTS; p-- > 0;)
                number = number * FEW + found[i].pick[p];
            choice same = every(&s, number);
            assert_true(fabs(same.us - found[i].us) <= 1e-12 * same.us);
            assert_true(fabs(same.error - found[i].error) <= 1e-12 * same.error);
            assert_true(is_best(&s, &found[i]));
            assert_true(!i || (found[i].us >= found[i - 1].us && found[i].error < found[i - 1].error));
        }
        size_t best = 0;
        for (int n = 0; n < ALL; n++) {
            choice c = every(&s, n);
            best += (size_t)is_best(&s, &c);
        }
        assert_int_equal(count, best); /* seeds that have more than are kept would be others */
        psti_arena_free(&s.arena);
    }
    pst_model_free(m);
}

/* A stretch in which the machine is slower, for a whole round or for a part of one, does not matter. */
static void test_times(void **unused) {
    (void)unused;
    double took[TIMED_ROUNDS][CANDIDATES], us[CANDIDATES];
    for (int r = 0; r < TIMED_ROUNDS; r++)
        for (int k = 0; k < CANDIDATES; k++)
            took[r][k] = (1 + k) * (r == 1 ? 1.7 : r == 3 && k < 4 ? 1.2 : 1);
    settle_times(took, us);
    for (int k = 0; k < CANDIDATES; k++)
        assert_true(fabs(us[k] - (1 + k)) <= 1e-12 * us[k]);
}

static void test_merge(void **unused) {
    (void)unused;
    choice all[] = {{.us = 10, .error = 9},    {.us = 10.05, .error = 8}, {.us = 10.1, .error = 7},
                    {.us = 10.15, .error = 6}, {.us = 11, .error = 5},    {.us = 12, .error = 4},
                    {.us = 12.1, .error = 3}};
    assert_int_equal(merge(all, 7), 4);
    assert_true(all[0].error == 7 && all[1].error == 6 && all[2].error == 5 && all[3].error == 3);
    assert_int_equal(merge(all, 0), 0);
}

static int index_of(const char *name) {
    int k = 0;
    while (strcmp(candidates[k], name) != 0)
        k++;
    return k;
}

/* What is coarser and no faster is left out; of a Linear, which has no rest, only for what has none. */
static void test_pointless(void **unused) {
    (void)unused;
    static const struct {
        const char *fast, *left_out;
    } cases[] = {{"w8r", " w8a16 w8a8 w6r w6a16 w4a16 w4r w4a8 w3r w3a8 w2r w2a8 "},
                 {"w8a16", " w8a8 w6a16 w4a16 w4a8 w3a8 w2a8 "},
                 {"w8a8", " w4a8 w3a8 w2a8 "},
                 {"w4r", " w4a8 w3r w3a8 w2r w2a8 "},
                 {"f32", ""}};
    search s = {.parts = 0};
    for (int k = 0; k < CANDIDATES; k++)
        OK(psti_recipe_parse(candidates[k], "format", &s.recipe[k]));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int linear = 0; linear < 2; linear++) {
            on_path part = {.role = linear ? PSTI_ROLE_LINEAR : PSTI_ROLE_IH};
            for (int k = 0; k < CANDIDATES; k++) /* the coarser the faster, but for one */
                s.us[k] = 30 - k;
            s.us[index_of(cases[i].fast)] = 1;
            for (int k = 0; k < CANDIDATES; k++) {
                char word[16];
                snprintf(word, sizeof word, " %s ", candidates[k]);
                int rest = s.recipe[index_of(cases[i].fast)].of[PSTI_ROLE_IH].rest >= 0;
                int expect = strstr(cases[i].left_out, word) && !(linear && rest);
                if (is_pointless(&s, &part, k) != expect)
                    fail_msg("%s is fast, linear %d: %s", cases[i].fast, linear, candidates[k]);
            }
        }
}

static void test_next(void **unused) {
    (void)unused;
    pst_compile_options relative = {.tolerance = 0.02}, absolute = {.tolerance_abs = 3e-4};
    search s = {.o = &relative, .moves = 0.5};
    const choice all[] = {{.us = 1, .error = 16}, {.us = 2, .error = 9}, {.us = 3, .error = 4}, {.us = 4, .error = 1}};
    assert_true(allowed(&s) == 0.01);
    assert_int_equal(next_choice(all, 4, 0, 5), 0);
    assert_int_equal(next_choice(all, 4, 0, 3.5), 1);
    assert_int_equal(next_choice(all, 4, 2, 3.5), 2);
    assert_int_equal(next_choice(all, 4, 0, 0.5), 3);
    pst_frontier row = {.relative_rms = 0.05, .max_abs = 4.5e-4};
    assert_true(fabs(most_after(&s, &all[0], &row, 5) - 4 / 2.5) < 1e-12);
    assert_true(most_after(&s, &all[0], &row, 1.5) == 1.5);
    row.relative_rms = (double)NAN;
    assert_true(most_after(&s, &all[0], &row, 5) == 5);
    relative.tolerance_abs = 3e-5; /* of two the one that is missed by more */
    row.relative_rms = 0.05;
    assert_true(fabs(allowed(&s) - 1e-5) < 1e-12);
    assert_true(fabs(most_after(&s, &all[0], &row, 5) - 4 / 15.0) < 1e-12);
    s.o = &absolute;
    assert_true(fabs(allowed(&s) - 1e-4) < 1e-12);
    assert_true(fabs(most_after(&s, &all[1], &row, 5) - 2) < 1e-12);
}

/* What a choice is called compiles to it. */
static void test_texts(void **unused) {
    (void)unused;
    static const char *const hh[] = {"hh=w8a16", "hh=w16a16", "hh=f32"};
    enum { LAYERS = 6 };
    model_noise noise = {3};
    search s = {.parts = LAYERS};
    int others = 0, plain = 0;
    for (int k = 0; k < CANDIDATES; k++)
        OK(psti_recipe_parse(candidates[k], "format", &s.recipe[k]));
    for (int round = 0; round < 200; round++) {
        on_path part[LAYERS];
        psti_recipe recipes[2 * LAYERS] = {{.group = 0}}, one;
        char format[FORMAT_TEXT], layers[LAYERS * LAYER_TEXT];
        s.part = part;
        int few = 1 + (int)model_choose(&noise, 3);
        for (uint32_t i = 0; i < LAYERS; i++) { /* every second layer has no matrix */
            part[i] = (on_path){.layer = 2 * i, .role = model_choose(&noise, 2) ? PSTI_ROLE_IH : PSTI_ROLE_LINEAR};
            int k = (int)model_choose(&noise, (uint32_t)few);
            if (part[i].role == PSTI_ROLE_LINEAR && s.recipe[k].of[PSTI_ROLE_IH].rest >= 0)
                k = 0;
            OK(psti_recipe_parse(hh[model_choose(&noise, (uint32_t)few)], "format", &recipes[2 * i]));
            hold(&s, recipes, &part[i], k);
        }
        name_choice(&s, recipes, format, layers, sizeof layers);
        for (uint32_t i = 0; i < LAYERS; i++) {
            OK(psti_recipe_of_layer(format, *layers ? layers : NULL, 2 * i, 2 * LAYERS, &one));
            assert_true(same_held(one.of[part[i].role], recipes[2 * i].of[part[i].role]));
            if (part[i].role == PSTI_ROLE_IH)
                assert_true(same_held(one.of[PSTI_ROLE_HH], recipes[2 * i].of[PSTI_ROLE_HH]));
        }
        *(*layers ? &others : &plain) += 1;
    }
    assert_true(others && plain);
}

/* ---- trying -------------------------------------------------------------------------------------------------------
 */
typedef struct {
    uint32_t calls, holds, chosen;
    double last_us;
} seen;

static void see(void *user, const pst_frontier *row) {
    seen *all = user;
    assert_int_equal(row->size, sizeof *row);
    assert_true(strlen(row->format) > 0);
    assert_true(row->predicted_us >= all->last_us);
    all->calls++;
    all->holds += row->holds;
    all->chosen += row->chosen;
    all->last_us = row->predicted_us;
}

/* What promises enough is tried first; one that misses by much sends the search far ahead; what lies around the last is
 * tried too, and if it holds and is faster, kept. Choices that promise what they like: some are in 2 bits, the others
 * in f32.
 */
static void test_tries(void **unused) {
    (void)unused;
    enum { CHOICES = 6 };
    static choice all[CHOICES];
    pst_model *m = model();
    pst_compile_options o = options(NULL);
    psti_trial noise;
    psti_recipe *recipes;
    pst_program *p = NULL;
    o.steps = 0;
    o.tolerance = 0.01;
    o.certificate_steps = 40;
    OK(psti_trial_first(m, &o, NULL, PSTI_OVER_NOISE, &(psti_stage){0}, &noise));
    OK(psti_recipes(m, "f32", NULL, 0, &recipes));
    search s = {.m = m, .first = &noise, .o = &o, .stage = &(psti_stage){0}};
    OK(prepare(&s));
    for (int i = 0; i < CHOICES; i++) {
        double promised = ldexp(allowed(&s), 2 - i);
        all[i] = (choice){.us = i + 1, .error = promised * promised};
        memset(all[i].pick, i == 2 || i == 4 ? index_of("w2a8") : index_of("f32"), 3);
    }
    tries t = {.chosen = MOST_ROWS};
    OK(find_one(&s, all, CHOICES, recipes, &t, &p));
    assert_int_equal(t.count, 2);
    assert_true(t.choice[0] == 2 && !t.row[0].holds && t.row[0].relative_rms > 8 * o.tolerance);
    assert_true(t.choice[1] == 5 && t.row[1].holds && t.chosen == 1);
    OK(try_neighbours(&s, all, CHOICES, recipes, &t, &p));
    assert_int_equal(t.count, 4);
    assert_true(t.choice[2] == 3 && t.choice[3] == 4); /* 4 and 2 times; half and a quarter are 5 again */
    assert_true(t.chosen == 2);
    assert_string_equal(p->format, "ih=f32,hh=f32,linear=f32");
    pst_program_free(p);
    p = NULL;

    /* all of it: told in the order of predictions; the recipes are again of the one that is kept */
    seen told = {0};
    o.tried = see;
    o.user = &told;
    OK(try_all(&s, all, CHOICES, recipes, &p));
    assert_true(told.calls == 4 && told.holds == 2 && told.chosen == 1 && told.last_us == 6);
    for (uint32_t i = 0; i < 4; i++)
        assert_true(p->frontier[i].predicted_us == 3 + i && p->frontier[i].chosen == (i == 1));
    assert_int_equal(recipes[0].of[PSTI_ROLE_IH].encoding, PSTI_F32);
    pst_program_free(p);
    psti_arena_free(&s.arena);
    psti_trial_free(&noise);
    free(recipes);
    pst_model_free(m);
}

/* ---- the whole ----------------------------------------------------------------------------------------------------
 */

static void test_auto(void **unused) {
    (void)unused;
    pst_model *m = model();
    float *x = input(STEPS), *other = model_normals(9, (uint64_t)STEPS * INPUTS);
    for (size_t i = 0; i < (size_t)STEPS * INPUTS; i++) /* unlike what is calibrated on */
        other[i] *= 3;
    int held_back_is_worse = 0;
    for (int strict = 0; strict < 2; strict++) {
        pst_compile_options o = options(x);
        pst_program *p = NULL, *same = NULL;
        pst_frontier row;
        double before = 0, relative = 0, largest = 0, worse[2] = {0};
        uint32_t chosen = 0, rows = 0, holds = 0;
        o.tolerance = strict ? 0.01 : 0.2;
        if (!strict) {
            o.held_back = other;
            o.held_back_steps = STEPS;
        }
        o.flags = strict ? PST_COMPILE_NEAREST : 0;
        seen told = {0};
        o.tried = see;
        o.user = &told;
        OK(pst_compile(m, &o, &p));
        PST_INIT(row);
        for (; pst_program_get_frontier(p, rows, &row) == PST_OK; rows++) {
            assert_true(row.predicted_us >= before);
            before = row.predicted_us;
            assert_int_equal(row.holds, row.relative_rms <= o.tolerance);
            if (!chosen) /* nothing that is faster holds */
                assert_int_equal(row.chosen, row.holds);
            chosen += row.chosen;
            holds += row.holds;
            if (row.chosen) {
                assert_true(row.holds);
                relative = row.relative_rms;
                largest = row.max_abs;
                pst_compile_options again = o;
                again.format = row.format;
                again.layer_formats = row.layer_formats;
                again.tolerance = 0;
                again.tried = NULL;
                OK(pst_compile(m, &again, &same));
                assert_true(hash_of(p) == hash_of(same));              /* the texts say all of it */
                assert_true(strict || strstr(row.format, "hh=w8a16")); /* no more bytes than it needs */
            }
        }
        assert_int_equal(chosen, 1);
        assert_true(told.calls == rows && told.holds == holds && told.chosen == 1 && told.last_us == before);
        pst_certificate c;
        for (uint32_t i = 0; i < 2; i++) {
            PST_INIT(c);
            OK(pst_program_get_certificate(p, i, &c));
            assert_true(c.relative_rms <= o.tolerance);
            held_back_is_worse |= i && c.max_abs > worse[1] && c.relative_rms > worse[0];
            worse[0] = fmax(worse[0], c.relative_rms);
            worse[1] = fmax(worse[1], c.max_abs);
        }
        assert_true(relative == worse[0] && largest == worse[1]);
        pst_program_free(p);
        pst_program_free(same);
    }
    assert_true(held_back_is_worse); /* in one of them: else nothing was seen of it */
    free(other);
    free(x);
    pst_model_free(m);
}

static void test_auto_refused(void **unused) {
    (void)unused;
    pst_model *m = model();
    float *x = input(STEPS);
    pst_program *p = NULL;
    pst_frontier row;
    pst_compile_options o = options(x);
    FAILS(PST_E_ARGUMENT, pst_compile(m, &o, &p));
    SAYS("needs a tolerance");
    o.tolerance = 1e-9;
    seen told = {0};
    o.tried = see;
    o.user = &told;
    FAILS(PST_E_TOLERANCE, pst_compile(m, &o, &p));
    SAYS("the best reached");
    assert_true(told.calls > 0 && !told.holds && !told.chosen);
    o.tried = NULL;
    o.tolerance_abs = 10;
    FAILS(PST_E_TOLERANCE, pst_compile(m, &o, &p)); /* of two, the one that is missed counts */
    SAYS("a relative rms error of 1e-09 and a largest absolute error of 10; the best reached");
    o.tolerance = 0;
    o.tolerance_abs = 1e-12;
    FAILS(PST_E_TOLERANCE, pst_compile(m, &o, &p));
    SAYS("holds a largest absolute error of 1e-12");
    float still[INPUTS] = {0}; /* one step: y is constant */
    pst_compile_options one = options(still);
    one.steps = 1;
    one.tolerance = 0.1;
    FAILS(PST_E_TOLERANCE, pst_compile(m, &one, &p));
    SAYS("constant over the calibration");
    one = options(x);
    one.tolerance = 0.1;
    one.held_back = still;
    one.held_back_steps = 1;
    FAILS(PST_E_TOLERANCE, pst_compile(m, &one, &p));
    SAYS("constant over the held-back");
    o.layer_formats = "0=w4a8";
    FAILS(PST_E_ARGUMENT, pst_compile(m, &o, &p));
    o = options(x);
    o.format = "w4a8";
    o.group = 48;
    FAILS(PST_E_ARGUMENT, pst_compile(m, &o, &p));
    SAYS("group");
    o.group = 64;
    OK(pst_compile(m, &o, &p));
    PST_INIT(row);
    FAILS(PST_E_EMPTY, pst_program_get_frontier(p, 0, &row));
    pst_program_free(p);
    pst_model_free(m);
    free(x);
}

/* A Linear by itself, and all that single precision allows: W_hh must not be in the way. */
static void test_auto_extremes(void **unused) {
    (void)unused;
    pst_model *m = model_make(INPUTS, (const model_part[]){MODEL_LINEAR(3)}, 1, 1, 1);
    float *x = input(STEPS);
    pst_compile_options o = options(x);
    pst_program *p = NULL, *same = NULL;
    pst_info info;
    PST_INIT(info);
    o.tolerance = 0.1;
    OK(pst_compile(m, &o, &p));
    OK(pst_program_get_info(p, &info));
    assert_memory_equal(info.format, "linear=", 7);
    pst_program_free(p);
    pst_model_free(m);
    m = model();
    o.tolerance = 1e-5;
    OK(pst_compile(m, &o, &p));
    OK(pst_program_get_info(p, &info));
    assert_string_equal(info.format, "ih=f32,hh=f32,linear=f32");
    o.format = "ih=f32,hh=f32,linear=f32"; /* floats take nothing from the calibration that the search has had */
    OK(pst_compile(m, &o, &same));
    assert_true(hash_of(p) == hash_of(same));
    pst_program_free(same);
    pst_program_free(p);
    pst_model_free(m);
    free(x);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_front),         cmocka_unit_test(test_times), cmocka_unit_test(test_merge),
        cmocka_unit_test(test_pointless),     cmocka_unit_test(test_next),  cmocka_unit_test(test_texts),
        cmocka_unit_test(test_tries),         cmocka_unit_test(test_auto),  cmocka_unit_test(test_auto_refused),
        cmocka_unit_test(test_auto_extremes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
