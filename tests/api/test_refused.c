/* What a stream refuses, and that a refusal leaves everything as it was: bad x, wrong widths, states that were altered,
 * cut off or saved under another program, h0 and c0 out of range. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../support/expect.h"
#include "../support/model.h"

enum { INPUTS = 21, OUTPUTS = 5, STATE = 4096 };

static const model_part parts[] = {MODEL_LSTM_STATE(19), MODEL_LSTM(8), MODEL_LINEAR(OUTPUTS)};

typedef struct {
    pst_program *program;
    pst_engine *engine;
    pst_stream *stream;
    size_t state_bytes;
    uint32_t left; /* units of settle that it owes, after one more */
    unsigned char before[STATE];
} subject;

/* A stream that has done two steps, its second settle begun but not done. */
static void setup(subject *s, const char *format, uint64_t seed) {
    float x[2 * INPUTS], y[OUTPUTS];
    model_noise noise = {seed + 1};
    pst_model *m = model_make(INPUTS, parts, 3, seed, 1.5);
    for (int i = 0; i < 2 * INPUTS; i++)
        x[i] = model_normal(&noise);
    s->program = model_program(m, format);
    s->engine = model_engine(s->program, NULL);
    s->stream = model_stream(s->engine);
    s->state_bytes = pst_stream_state_size(s->stream);
    assert_true(s->state_bytes <= STATE);
    OK(pst_step(s->stream, x, INPUTS, y, OUTPUTS));
    OK(pst_step(s->stream, x + INPUTS, INPUTS, y, OUTPUTS));
    OK(pst_settle(s->stream, 2, &s->left));
    assert_true(s->left > 1);
    OK(pst_stream_save(s->stream, s->before, s->state_bytes));
    s->left = model_has_rest(s->program) ? 0 : s->left - 1; /* saving finishes the settle of those */
    pst_model_free(m);
}

/* Nothing was changed: neither the state, nor the settle owing, nor what the next step gives. */
static void untouched(const subject *s) {
    unsigned char now[STATE];
    float x[INPUTS], y[2][OUTPUTS];
    pst_stream *copy, *fresh;
    model_noise noise = {77};
    for (int i = 0; i < INPUTS; i++)
        x[i] = model_normal(&noise);
    OK(pst_stream_save(s->stream, now, s->state_bytes));
    assert_memory_equal(now, s->before, s->state_bytes);
    OK(pst_stream_clone(s->stream, &copy));
    uint32_t left = 0;
    OK(pst_settle(copy, 1, &left));
    assert_int_equal(left, s->left);
    fresh = model_stream(s->engine);
    OK(pst_stream_restore(fresh, s->before, s->state_bytes));
    OK(pst_step(copy, x, INPUTS, y[0], OUTPUTS));
    OK(pst_step(fresh, x, INPUTS, y[1], OUTPUTS));
    assert_memory_equal(y[0], y[1], sizeof y[0]);
    pst_stream_close(copy);
    pst_stream_close(fresh);
}

static void teardown(subject *s) {
    pst_stream_close(s->stream);
    pst_engine_close(s->engine);
    pst_program_free(s->program);
}

static void each_format(void (*test)(subject *s)) {
    static const char *const formats[] = {"f32", "bf16", "w8a16", "w8a8", "w4r", "ih=w6r,hh=w2a8"};
    for (size_t f = 0; f < sizeof formats / sizeof *formats; f++) {
        subject s;
        setup(&s, formats[f], 5 + (uint64_t)f);
        test(&s);
        untouched(&s);
        teardown(&s);
    }
}

/* ---- x and y ------------------------------------------------------------------------------------------------------
 */

static void bad_x(subject *s) {
    static const float bad[] = {NAN, -NAN, INFINITY, -INFINITY, 1e30f, -1e30f, 0x1.000002p60f};
    float x[INPUTS] = {0}, y[OUTPUTS], before[OUTPUTS];
    memset(y, 0xa5, sizeof y);
    memcpy(before, y, sizeof y);
    for (uint32_t i = 0; i < INPUTS; i++)
        for (size_t b = 0; b < sizeof bad / sizeof *bad; b++) {
            char name[32];
            x[i] = bad[b];
            x[INPUTS - 1] = i + 1 < INPUTS ? NAN : bad[b]; /* the first one is named */
            FAILS(PST_E_NONFINITE, pst_step(s->stream, x, INPUTS, y, OUTPUTS));
            x[i] = x[INPUTS - 1] = 0;
            assert_memory_equal(y, before, sizeof y);
            snprintf(name, sizeof name, "x[%u]", i);
            SAYS(name);
            assert_string_equal(expect_error().item, "x");
            assert_int_equal(expect_error().found, i);
        }
    untouched(s);
    for (uint32_t i = 0; i < INPUTS; i++) { /* 2^60 itself is taken */
        pst_stream *copy;
        OK(pst_stream_clone(s->stream, &copy));
        x[i] = i % 2 ? 0x1p60f : -0x1p60f;
        OK(pst_step(copy, x, INPUTS, y, OUTPUTS));
        for (uint32_t o = 0; o < OUTPUTS; o++)
            assert_true(isfinite(y[o]));
        x[i] = 0;
        pst_stream_close(copy);
    }
}

static void test_bad_x(void **unused) {
    (void)unused;
    each_format(bad_x);
}

/* pst_run stops at the step it names; those before it are done, those after it are not. */
static void bad_x_in_run(subject *s) {
    enum { STEPS = 6, BAD = 4 };
    float x[STEPS * INPUTS], y[STEPS * OUTPUTS], expect[OUTPUTS];
    unsigned char state[2][STATE];
    model_noise noise = {4};
    pst_stream *run, *steps;
    for (int i = 0; i < STEPS * INPUTS; i++)
        x[i] = model_normal(&noise);
    x[BAD * INPUTS + 3] = INFINITY;
    memset(y, 0xa5, sizeof y);
    OK(pst_stream_clone(s->stream, &run));
    OK(pst_stream_clone(s->stream, &steps));
    FAILS(PST_E_NONFINITE, pst_run(run, x, STEPS, y));
    SAYS("step 4");
    SAYS("x[3]");
    for (int t = 0; t < BAD; t++) {
        OK(pst_step(steps, x + t * INPUTS, INPUTS, expect, OUTPUTS));
        assert_memory_equal(expect, y + t * OUTPUTS, sizeof expect);
    }
    for (size_t i = BAD * OUTPUTS * sizeof *y; i < sizeof y; i++)
        assert_int_equal(((unsigned char *)y)[i], 0xa5);
    OK(pst_stream_save(run, state[0], STATE));
    OK(pst_stream_save(steps, state[1], STATE));
    assert_memory_equal(state[0], state[1], s->state_bytes);
    pst_stream_close(run);
    pst_stream_close(steps);
}

static void test_bad_x_in_run(void **unused) {
    (void)unused;
    each_format(bad_x_in_run);
}

static void widths(subject *s) {
    float x[INPUTS + 1] = {0}, y[OUTPUTS + 1];
    static const struct {
        size_t nx, ny;
        const char *item;
        int64_t expected;
    } wrong[] = {{INPUTS - 1, OUTPUTS, "x", INPUTS},  {INPUTS + 1, OUTPUTS, "x", INPUTS},  {0, OUTPUTS, "x", INPUTS},
                 {INPUTS, OUTPUTS - 1, "y", OUTPUTS}, {INPUTS, OUTPUTS + 1, "y", OUTPUTS}, {INPUTS, 0, "y", OUTPUTS}};
    memset(y, 0xa5, sizeof y);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        FAILS(PST_E_SHAPE, pst_step(s->stream, x, wrong[i].nx, y, wrong[i].ny));
        pst_error e = expect_error();
        assert_string_equal(e.item, wrong[i].item);
        assert_int_equal(e.expected, wrong[i].expected);
        assert_int_equal(e.found, wrong[i].item[0] == 'x' ? wrong[i].nx : wrong[i].ny);
    }
    FAILS(PST_E_ARGUMENT, pst_step(s->stream, NULL, INPUTS, y, OUTPUTS));
    FAILS(PST_E_ARGUMENT, pst_step(s->stream, x, INPUTS, NULL, OUTPUTS));
    FAILS(PST_E_ARGUMENT, pst_step(NULL, x, INPUTS, y, OUTPUTS));
    FAILS(PST_E_ARGUMENT, pst_run(s->stream, NULL, 1, y));
    FAILS(PST_E_ARGUMENT, pst_run(s->stream, x, 1, NULL));
    FAILS(PST_E_ARGUMENT, pst_settle(NULL, 0, NULL));
    FAILS(PST_E_ARGUMENT, pst_warm(NULL));
    for (size_t i = 0; i < sizeof y; i++)
        assert_int_equal(((unsigned char *)y)[i], 0xa5);
}

static void test_widths(void **unused) {
    (void)unused;
    each_format(widths);
}

/* ---- states -------------------------------------------------------------------------------------------------------
 */

static void altered(subject *s) {
    unsigned char *state = malloc(s->state_bytes);
    for (size_t i = 0; i < s->state_bytes; i++)
        for (int flip = 1; flip < 256; flip = flip < 128 ? flip * 2 : flip + 127) { /* each bit, and all of them */
            memcpy(state, s->before, s->state_bytes);
            state[i] ^= (unsigned char)flip;
            FAILS(PST_E_CORRUPT, pst_stream_restore(s->stream, state, s->state_bytes));
        }
    untouched(s);
    for (size_t n = 0; n < s->state_bytes; n++) {
        unsigned char *cut = malloc(n ? n : 1); /* of its own, so that a sanitizer sees a read beyond */
        memcpy(cut, s->before, n);
        FAILS(PST_E_CORRUPT, pst_stream_restore(s->stream, cut, n));
        free(cut);
    }
    FAILS(PST_E_ARGUMENT, pst_stream_restore(s->stream, NULL, s->state_bytes));
    free(state);
}

static void test_altered_state(void **unused) {
    (void)unused;
    each_format(altered);
}

/* Another format of the same model, another seed, another architecture: larger and smaller. */
static void other_program(subject *s) {
    static const model_part small[] = {MODEL_LSTM(2)}, large[] = {MODEL_LSTM(90)};
    pst_model *models[] = {model_make(INPUTS, parts, 3, 999, 1), model_make(INPUTS, small, 1, 1, 1),
                           model_make(INPUTS, large, 1, 1, 1)};
    for (size_t i = 0; i < sizeof models / sizeof *models; i++)
        for (int f = 0; f < MODEL_EVERY; f++) {
            pst_program *p = model_program_held(models[i], &model_every[f]);
            pst_engine *e = model_engine(p, NULL);
            pst_stream *other = model_stream(e);
            unsigned char state[STATE];
            OK(pst_stream_save(other, state, sizeof state));
            FAILS(PST_E_MISMATCH, pst_stream_restore(s->stream, state, pst_stream_state_size(other)));
            FAILS(PST_E_MISMATCH, pst_stream_restore(other, s->before, s->state_bytes));
            pst_stream_close(other);
            pst_engine_close(e);
            pst_program_free(p);
        }
    for (size_t i = 0; i < sizeof models / sizeof *models; i++)
        pst_model_free(models[i]);
}

static void test_other_program(void **unused) {
    (void)unused;
    each_format(other_program);
}

static void short_buffer(subject *s) {
    unsigned char state[STATE];
    memset(state, 0xa5, sizeof state);
    for (size_t n = 0; n < s->state_bytes; n++) {
        FAILS(PST_E_SHAPE, pst_stream_save(s->stream, state, n));
        assert_int_equal(expect_error().expected, s->state_bytes);
        assert_int_equal(expect_error().found, n);
    }
    for (size_t i = 0; i < sizeof state; i++)
        assert_int_equal(state[i], 0xa5);
    FAILS(PST_E_ARGUMENT, pst_stream_save(s->stream, NULL, s->state_bytes));
    FAILS(PST_E_ARGUMENT, pst_stream_save(NULL, state, s->state_bytes));
    FAILS(PST_E_ARGUMENT, pst_stream_restore(NULL, s->before, s->state_bytes));
    FAILS(PST_E_ARGUMENT, pst_stream_reset(NULL));
    pst_stream *out = (pst_stream *)state;
    FAILS(PST_E_ARGUMENT, pst_stream_clone(NULL, &out));
    FAILS(PST_E_ARGUMENT, pst_stream_clone(s->stream, NULL));
    assert_ptr_equal(out, state);
    assert_int_equal(pst_stream_state_size(NULL), 0);
    OK(pst_stream_save(s->stream, state, sizeof state)); /* more room than needed is left alone */
    for (size_t i = s->state_bytes; i < sizeof state; i++)
        assert_int_equal(state[i], 0xa5);
}

static void test_short_buffer(void **unused) {
    (void)unused;
    each_format(short_buffer);
}

/* ---- initial state ------------------------------------------------------------------------------------------------
 */

static void bad_initial(subject *s, int integer) {
    static const float never[] = {NAN, INFINITY, -INFINITY, 1e30f};
    float h0[27] = {0}, c0[27] = {0};
    pst_stream *out = (pst_stream *)h0;
    pst_stream_options o;
    PST_INIT(o);
    o.h0 = h0;
    o.c0 = c0;
    for (int which = 0; which < 2; which++)
        for (int u = 0; u < 27; u++)
            for (int b = 0; b < (integer && !which ? 6 : 4); b++) {
                float *at = which ? &c0[u] : &h0[u];
                char layer[32], unit[32];
                *at = b < 4 ? never[b] : b == 4 ? 1.0000001f : -1.5f;
                FAILS(PST_E_NONFINITE, pst_stream_open(s->engine, &o, &out));
                *at = 0;
                snprintf(layer, sizeof layer, "layer %d", u < 19 ? 0 : 1);
                snprintf(unit, sizeof unit, "unit %d", u < 19 ? u : u - 19);
                SAYS(layer);
                SAYS(unit);
                SAYS(which ? "c0" : "h0");
                assert_string_equal(expect_error().field, which ? "c0" : "h0");
                assert_int_equal(expect_error().found, u < 19 ? u : u - 19);
                assert_ptr_equal(out, h0);
            }
    h0[26] = integer ? -1 : 1000;
    c0[0] = -1e6f;
    OK(pst_stream_open(s->engine, &o, &out));
    pst_stream_close(out);
    o.c0 = NULL; /* the model's */
    OK(pst_stream_open(s->engine, &o, &out));
    pst_stream_close(out);
}

static void test_bad_initial(void **unused) {
    (void)unused;
    for (int f = 0; f < MODEL_FORMATS; f++) {
        subject s;
        setup(&s, model_formats[f], 50);
        bad_initial(&s, model_formats[f][0] == 'w');
        untouched(&s);
        teardown(&s);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_x),         cmocka_unit_test(test_bad_x_in_run),  cmocka_unit_test(test_widths),
        cmocka_unit_test(test_altered_state), cmocka_unit_test(test_other_program), cmocka_unit_test(test_short_buffer),
        cmocka_unit_test(test_bad_initial),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
