/* No denormal on the path: on input that decays to nothing, on weights, biases and states that are tiny, no step ever
 * has a denormal operand or an underflowing result, on any core. The processor's own sticky flags say so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <limits.h>
#include <time.h>
#include <unistd.h>

#include "engine/engine.h"
#include "support/expect.h"
#include "support/model.h"
#include "support/modes.h"
#include "support/sample.h"
#include "unit/engine/rests.h"

enum { STEPS = 1000, INPUTS = 20 };

static const char *level;

/* ---- models with weights of every size ----------------------------------------------------------------------------
 */

typedef struct {
    const char *name;
    double weight, bias; /* largest; every other one is smaller by up to 2^spread */
    int spread;
    double forget; /* added to the forget gate's bias: how fast c decays */
    double input;  /* added to the other gates' */
} sizes;

static const sizes all_sizes[] = {
    {"ordinary weights", 0.3, 0.3, 0, 0, 0},
    {"no biases", 0.3, 0, 0, 0, 0},
    {"slow decay", 0.2, 0, 0, 1.5, 0},
    {"fast decay", 0.2, 0, 0, -100, -100},
    {"closed gates", 0.5, 1, 0, 100, -200},
    {"open gates", 0.5, 1e-25, 10, 100, 100},
    {"weights of all sizes", 1, 1, 60, 0, 0},
    {"tiny weights", 0x1p-38, 0x1p-78, 8, 0, 0},
    {"tiny weights, ordinary biases", 0x1p-46, 0.5, 30, 0, 0},
    {"weights far below what is kept", 0x1p-120, 0x1p-140, 20, 0, 0},
    {"large weights", 0x1p35, 1, 75, 0, 0},
};
enum { SIZES = sizeof all_sizes / sizeof *all_sizes };

static float draw(model_noise *noise, double most, int spread) {
    double v = (double)model_uniform(noise, most);
    return (float)ldexp(v, -(int)model_choose(noise, (uint32_t)spread + 1));
}

static const pst_tensor *tensor(const char *name, uint64_t rows, uint64_t columns, const sizes *z, model_noise *noise) {
    pst_tensor *t = calloc(1, sizeof *t);
    uint64_t *shape = calloc(2, sizeof *shape);
    float *data = calloc(rows * (columns ? columns : 1), sizeof *data);
    shape[0] = rows;
    shape[1] = columns;
    for (uint64_t r = 0; r < rows; r++)
        for (uint64_t c = 0; c < (columns ? columns : 1); c++) {
            float v = draw(noise, columns ? z->weight : z->bias, z->spread);
            if (strcmp(name, "bias_ih") == 0) /* gates i, f, g, o */
                v += (float)(r / (rows / 4) == 1 ? z->forget : z->input);
            if (name[1] == '0')
                v = draw(noise, 0.9, 130);
            data[r * (columns ? columns : 1) + c] = v;
        }
    PST_INIT(*t);
    t->name = name;
    t->rank = columns ? 2 : 1;
    t->shape = shape;
    t->data = data;
    return t;
}

static void free_tensor(const pst_tensor *t) {
    free((void *)(uintptr_t)t->data);
    free((void *)(uintptr_t)t->shape);
    free((void *)(uintptr_t)t);
}

/* lstm, function (or none), linear, lstm, linear, function, and softmax behind every third. */
static pst_model *model_of(const sizes *z, const char *function, uint64_t seed) {
    model_noise noise = {seed};
    const pst_tensor *given[4][6];
    pst_layer layer[7];
    const pst_layer *list[7];
    pst_attribute lowest = {sizeof lowest, "alpha", -0.5}, highest = {sizeof highest, "beta", 0x1p-100};
    const pst_attribute *clip[] = {&lowest, &highest};
    static const struct {
        const char *kind;
        uint32_t inputs, units;
    } bodies[] = {{"lstm", INPUTS, 37}, {"linear", 37, 18}, {"lstm", 18, 16}, {"linear", 16, 7}};
    size_t n = 0;
    for (int b = 0; b < 4; b++) {
        uint32_t in = bodies[b].inputs, h = bodies[b].units;
        int lstm = b % 2 == 0;
        PST_INIT(layer[n]);
        layer[n].kind = bodies[b].kind;
        layer[n].tensors = given[b];
        layer[n].tensor_count = lstm ? 6 : 2;
        given[b][0] = tensor(lstm ? "weight_ih" : "weight", lstm ? 4 * h : h, in, z, &noise);
        given[b][1] = lstm ? tensor("weight_hh", 4 * h, h, z, &noise) : tensor("bias", h, 0, z, &noise);
        if (lstm) {
            given[b][2] = tensor("bias_ih", 4 * h, 0, z, &noise);
            given[b][3] = tensor("bias_hh", 4 * h, 0, z, &noise);
            given[b][4] = tensor("h0", h, 0, z, &noise);
            given[b][5] = tensor("c0", h, 0, z, &noise);
        }
        list[n] = &layer[n];
        n++;
        if (!function || b == 1 || b == 2)
            continue;
        PST_INIT(layer[n]);
        layer[n].kind = "activation";
        layer[n].function = function;
        layer[n].attributes = clip;
        layer[n].attribute_count = strcmp(function, "clip") == 0 ? 2 : 0;
        list[n] = &layer[n];
        n++;
    }
    if (seed % 3 == 0) {
        PST_INIT(layer[n]);
        layer[n].kind = "softmax";
        list[n] = &layer[n];
        n++;
    }
    pst_model *m = NULL;
    if (pst_model_create(list, n, NULL, &m))
        model_die("pst_model_create");
    for (int b = 0; b < 4; b++)
        for (int t = 0; t < (b % 2 == 0 ? 6 : 2); t++)
            free_tensor(given[b][t]);
    return m;
}

/* ---- input that decays ------------------------------------------------------------------------------------------- */

/* Ordinary; then smaller and smaller to the least normal number; then nothing; then ordinary and nothing by turns. */
static void draw_x(model_noise *noise, size_t t, float x[INPUTS]) {
    for (int i = 0; i < INPUTS; i++) {
        double v = (double)model_normal(noise);
        if (t >= 20 && t < 200)
            v = ldexp(v, -(int)(t - 20));
        else if (t >= 200 && t < 900)
            v = 0;
        else if (t >= 900)
            v = t % 10 ? 0 : ldexp(v, -(int)model_choose(noise, 125));
        x[i] = fabs(v) < 0x1p-126 ? 0 : (float)v;
    }
}

/* One of each encoding, then fewer bits, and rests, which mend c here. */
static const char *const formats[] = {
    "f32", "bf16", "w8a16", "w8a8", "w4r", "ih=w6r,hh=w16a16,linear=w4a16", "ih=w3r,hh=w2a8,linear=w6a16", "w8r"};
enum { FORMATS = sizeof formats / sizeof *formats };

static int bad; /* so that one run names them all */

static void check(const pst_model *m, const char *format, const char *name) {
    static float y[INPUTS];
    float x[INPUTS];
    pst_program *p = model_program(m, format);
    rests_set(p, 0.5f, UINT_MAX);
    pst_engine *e = model_engine(p, level);
    pst_stream *s = model_stream(e);
    pst_info info;
    model_noise noise = {17};
    PST_INIT(info);
    OK(pst_program_get_info(p, &info));
    for (size_t t = 0; t < STEPS; t++) {
        draw_x(&noise, t, x);
        modes_clear_flags();
        int wrong = pst_step(s, x, INPUTS, y, info.outputs);
        int flags = modes_flags();
        modes_clear_flags();
        wrong |= pst_settle(s, (uint32_t)t % 3, NULL);
        int settle_flags = modes_flags();
        modes_clear_flags();
        wrong |= pst_warm(s);
        int warm_flags = modes_flags();
        assert_int_equal(wrong, 0);
        for (uint32_t o = 0; o < info.outputs; o++)
            if (!(y[o] == 0 || (isfinite(y[o]) && fabsf(y[o]) >= 0x1p-80f)))
                fail_msg("%s, %s: step %zu: y[%u] is %a", format, name, t, o, (double)y[o]);
        if (flags | settle_flags | warm_flags) {
            print_error("%s, %s: step %zu:%s%s in respond,%s%s in settle,%s%s in warm\n", format, name, t,
                        flags & MODES_DENORMAL ? " denormal operand" : "", flags & MODES_UNDERFLOW ? " underflow" : "",
                        settle_flags & MODES_DENORMAL ? " denormal operand" : "",
                        settle_flags & MODES_UNDERFLOW ? " underflow" : "",
                        warm_flags & MODES_DENORMAL ? " denormal operand" : "",
                        warm_flags & MODES_UNDERFLOW ? " underflow" : "");
            bad++;
            break;
        }
    }
    pst_stream_close(s);
    pst_engine_close(e);
    pst_program_free(p);
}

static void test_sizes(void **unused) {
    (void)unused;
    bad = 0;
    for (int z = 0; z < SIZES; z++) {
        pst_model *m = model_of(&all_sizes[z], NULL, (uint64_t)z + 1);
        for (int f = 0; f < FORMATS; f++)
            if ((unsigned)(f + z) % sample_of(3) == 0)
                check(m, formats[f], all_sizes[z].name);
        pst_model_free(m);
    }
    assert_int_equal(bad, 0);
}

static void test_activations(void **unused) {
    (void)unused;
    bad = 0;
    for (int a = 0; a < MODEL_FUNCTIONS; a++)
        for (int z = 0; z < SIZES; z++) {
            if ((unsigned)(a + z) % sample_of(3))
                continue;
            char name[96];
            pst_model *m = model_of(&all_sizes[z], model_functions[a], (uint64_t)(a + z));
            snprintf(name, sizeof name, "%s, %s", model_functions[a], all_sizes[z].name);
            check(m, formats[(a + z) % FORMATS], name);
            pst_model_free(m);
        }
    assert_int_equal(bad, 0);
}

/* ---- two cores ----------------------------------------------------------------------------------------------------
 */

/* Where there are too few CPUs, every exchange in a step may wait for time slices: after so many seconds in all, only
 * every so many steps are done. */
enum { CORES = 2, PATIENCE_S = 15, HURRY = 47 };

static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Jobs: the flags are each thread's own. */
static pst_status clear_flags(psti_core *core, void *argument) {
    (void)core;
    (void)argument;
    modes_clear_flags();
    return PST_OK;
}

static pst_status take_flags(psti_core *core, void *flags) {
    ((int *)flags)[core->index] = modes_flags();
    return PST_OK;
}

static pst_status set_flags(psti_core *core, void *argument) {
    (void)core;
    (void)argument;
    volatile float tiny = 0x1p-100f;
    tiny = tiny * tiny;
    return PST_OK;
}

static pst_engine *engine_on_two(const pst_program *p) {
    pst_engine_options o;
    pst_engine *e;
    PST_INIT(o);
    o.level = level;
    o.cores = CORES;
    o.idle = PST_IDLE_SPIN; /* cores rehearse meanwhile */
    o.flags = PST_ENGINE_OVERSUBSCRIBE;
    OK(pst_engine_open(p, &o, &e));
    OK(pst_engine_bind_caller(e));
    return e;
}

/* All steps, then one look at the flags of both cores, as they are sticky. */
static void check_on_two(const pst_model *m, const char *format, const char *name, double until) {
    static float y[INPUTS];
    float x[INPUTS];
    int flags[CORES] = {0, 0};
    pst_program *p = model_program(m, format);
    rests_set(p, 0.5f, UINT_MAX);
    pst_engine *e = engine_on_two(p);
    pst_stream *s = model_stream(e);
    pst_info info;
    model_noise noise = {17};
    PST_INIT(info);
    OK(pst_program_get_info(p, &info));
    OK(psti_on_all_cores(e, clear_flags, NULL));
    for (size_t t = 0; t < STEPS; t += now_s() < until ? 1 : HURRY) {
        draw_x(&noise, t, x);
        OK(pst_step(s, x, INPUTS, y, info.outputs));
        OK(pst_settle(s, (uint32_t)t % 3, NULL));
        if (t % 5 == 2)
            OK(pst_warm(s));
        if (t % 50 == 49 && now_s() < until)
            usleep(200); /* for some rehearsals */
    }
    OK(psti_on_all_cores(e, take_flags, flags));
    for (int k = 0; k < CORES; k++)
        if (flags[k]) {
            print_error("%s, %s: core %d of %d:%s%s\n", format, name, k, CORES,
                        flags[k] & MODES_DENORMAL ? " denormal operand" : "",
                        flags[k] & MODES_UNDERFLOW ? " underflow" : "");
            bad++;
        }
    OK(psti_on_all_cores(e, set_flags, NULL)); /* they are seen on each */
    OK(psti_on_all_cores(e, take_flags, flags));
    for (int k = 0; k < CORES; k++)
        assert_true(flags[k] & MODES_UNDERFLOW);
    modes_clear_flags();
    pst_stream_close(s);
    OK(pst_engine_unbind_caller(e));
    pst_engine_close(e);
    pst_program_free(p);
}

/* The sizes and activations by turns: what a core computes does not depend on their number. */
static void test_two_cores(void **unused) {
    (void)unused;
    enum { MODELS = SIZES + MODEL_FUNCTIONS };
    double begin = now_s();
    bad = 0;
    for (int i = 0; i < MODELS; i++) {
        const char *function = i < SIZES ? NULL : model_functions[i - SIZES];
        const sizes *z = &all_sizes[i % SIZES];
        char name[96];
        pst_model *m = model_of(z, function, (uint64_t)i);
        snprintf(name, sizeof name, "%s, %s", function ? function : "no activation", z->name);
        check_on_two(m, formats[i % FORMATS], name, begin + (double)PATIENCE_S * (i + 1) / MODELS);
        pst_model_free(m);
    }
    assert_int_equal(bad, 0);
}

/* The flags are seen at all. */
static void test_flags(void **unused) {
    (void)unused;
    volatile float tiny = 0x1p-100f, denormal = 0x1p-140f, product;
    modes_clear_flags();
    assert_int_equal(modes_flags(), 0);
    product = tiny * tiny;
    assert_true(modes_flags() & MODES_UNDERFLOW);
#if defined(__x86_64__)
    product = denormal * 2;
    assert_true(modes_flags() & MODES_DENORMAL);
#endif
    (void)denormal;
    (void)product;
    modes_clear_flags();
}

int main(void) {
    level = getenv("PENSTOCK_ISA");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flags),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_activations),
        cmocka_unit_test(test_two_cores),
    };
    alarm(110); /* a hang is a failure */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
