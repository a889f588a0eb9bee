/* The same program gives the same bits at every level of this machine, and in whatever rounding and flush modes the
 * caller has, which are as before after each call.
 *
 * PENSTOCK_MODELS: how many models of the first test at most (24), and six times those of the second. With 3, every
 * format still runs at every level. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../support/expect.h"
#include "../support/model.h"
#include "../support/modes.h"
#include "../support/sample.h"

enum { STEPS = 200 };

static uint64_t most_models = 24;

/* Mostly normal; sometimes 0, huge, tiny or itself denormal, for a value or for a whole step. */
static void draw_x(model_noise *noise, float *x, size_t steps, size_t inputs) {
    static const float factor[] = {0, 1e-40f, 1e-38f, 1e-14f, 1e-3f, 100, 1e6f, 1e17f};
    for (size_t t = 0; t < steps; t++) {
        uint32_t whole = model_choose(noise, 24);
        for (size_t i = 0; i < inputs; i++) {
            uint32_t one = model_choose(noise, 60);
            float v = model_normal(noise);
            v *= one < 8 ? factor[one] : 1;
            v *= whole < 8 ? factor[whole] : 1;
            x[t * inputs + i] = fabsf(v) > 0x1p60f ? 1 : v;
        }
    }
}

/* A chain with every activation in it, and softmax at the end. */
static pst_model *all_activations(void) {
    enum { ALL = 2 * MODEL_FUNCTIONS + 2 };
    model_part parts[ALL];
    size_t n = 0;
    for (size_t i = 0; i < MODEL_FUNCTIONS; i++) {
        model_part body = MODEL_LSTM((uint32_t)(5 + 7 * i)), activation = MODEL_ACTIVATION(model_functions[i]);
        if (i % 2)
            body.kind = "linear";
        if (strcmp(model_functions[i], "clip") == 0) {
            activation.alpha = -0.25;
            activation.beta = 0.125;
        }
        parts[n++] = body;
        parts[n++] = activation;
    }
    model_part last = MODEL_LINEAR(19), softmax = MODEL_SOFTMAX;
    parts[n++] = last;
    parts[n++] = softmax;
    return model_make(33, parts, n, 3, 2);
}

static pst_model *model_of(uint64_t seed) {
    static const model_part wide[] = {MODEL_LSTM_STATE(530), MODEL_LINEAR(9)};
    return seed == 0 ? all_activations() : seed == 1 ? model_make(140, wide, 2, 1, 1) : model_random(seed, 90);
}

typedef struct {
    pst_program *program;
    uint32_t inputs, outputs;
    size_t steps;
    float *x, *y; /* what scalar answers */
} known;

static known known_make(const pst_model *m, const model_held *held, size_t steps, uint64_t seed) {
    known k = {.program = model_program_held(m, held), .steps = steps};
    model_noise noise = {seed};
    pst_info info;
    PST_INIT(info);
    OK(pst_program_get_info(k.program, &info));
    k.inputs = info.inputs;
    k.outputs = info.outputs;
    k.x = malloc(steps * k.inputs * sizeof *k.x);
    k.y = malloc(steps * k.outputs * sizeof *k.y);
    draw_x(&noise, k.x, steps, k.inputs);
    pst_engine *e = model_engine(k.program, "scalar");
    pst_stream *s = model_stream(e);
    OK(pst_run(s, k.x, steps, k.y));
    pst_stream_close(s);
    pst_engine_close(e);
    for (size_t i = 0; i < steps * k.outputs; i++)
        assert_true(isfinite(k.y[i]));
    return k;
}

static void known_free(known *k) {
    free(k->y);
    free(k->x);
    pst_program_free(k->program);
}

static void differs(const known *k, const float *y, const char *level, const char *format, uint64_t seed) {
    for (size_t i = 0; i < k->steps * k->outputs; i++)
        if (memcmp(&y[i], &k->y[i], sizeof *y) != 0)
            fail_msg("model %d, %s, %s: step %zu, output %zu: %a, scalar %a", (int)seed, format, level, i / k->outputs,
                     i % k->outputs, (double)y[i], (double)k->y[i]);
}

static void test_same_bits(void **unused) {
    (void)unused;
    const char *const *levels;
    size_t count;
    pst_levels(&levels, &count);
    for (uint64_t seed = 0; seed < most_models; seed++) {
        pst_model *m = model_of(seed);
        for (int f = 0; f < MODEL_EVERY; f++) {
            if (!model_takes(f, seed))
                continue;
            known k = known_make(m, &model_every[f], STEPS, seed);
            float *y = malloc((size_t)STEPS * k.outputs * sizeof *y);
            for (size_t i = 1; i < count; i++) {
                pst_engine *e = model_engine(k.program, levels[i]);
                pst_stream *s = model_stream(e);
                OK(pst_run(s, k.x, STEPS, y));
                differs(&k, y, levels[i], model_every[f].format, seed);
                pst_stream_close(s);
                pst_engine_close(e);
            }
            free(y);
            known_free(&k);
        }
        pst_model_free(m);
    }
}

/* ---- the caller's modes -------------------------------------------------------------------------------------------
 */

#define KEEPS(call)                                                                                                    \
    do {                                                                                                               \
        pst_status status_ = (call);                                                                                   \
        uint64_t now_ = modes_get();                                                                                   \
        modes_set(ordinary);                                                                                           \
        if (now_ != modes)                                                                                             \
            fail_msg("%s: modes %#llx became %#llx", #call, (unsigned long long)modes, (unsigned long long)now_);      \
        OK(status_);                                                                                                   \
        modes_set(modes);                                                                                              \
    } while (0)

/* Compiling and the reference in these modes: the program is that of ordinary modes. */
static pst_program *compiled_in_modes(const pst_model *m, const known *k, const model_held *held, uint64_t modes) {
    uint64_t ordinary = modes_get();
    double *reference = malloc(k->steps * k->outputs * sizeof *reference);
    pst_compile_options compile;
    pst_info info, expected;
    pst_program *p;
    PST_INIT(compile);
    PST_INIT(info);
    PST_INIT(expected);
    compile.format = held->format;
    compile.layer_formats = held->layers;
    compile.certificate_steps = 2;
    modes_set(modes);
    KEEPS(pst_compile(m, &compile, &p));
    KEEPS(pst_model_reference(m, k->x, 1, 1, reference));
    modes_set(ordinary);
    OK(pst_program_get_info(p, &info));
    OK(pst_program_get_info(k->program, &expected));
    assert_true(info.hash == expected.hash);
    free(reference);
    return p;
}

/* Everything that runs, in these modes; the bits are those of ordinary modes. */
static void run_in_modes(const pst_program *p, const known *k, const char *level, const char *format, uint64_t modes) {
    uint64_t ordinary = modes_get();
    float *y = malloc(k->steps * k->outputs * sizeof *y);
    pst_engine_options options;
    pst_engine *e;
    pst_stream *s, *clone;
    PST_INIT(options);
    options.level = level;
    modes_set(modes);
    KEEPS(pst_engine_open(p, &options, &e));
    KEEPS(pst_stream_open(e, NULL, &s));
    KEEPS(pst_stream_clone(s, &clone));
    size_t state_bytes = pst_stream_state_size(s);
    unsigned char *state = malloc(state_bytes);
    for (size_t t = 0; t < k->steps; t++) {
        KEEPS(pst_step(s, k->x + t * k->inputs, k->inputs, y + t * k->outputs, k->outputs));
        if (t % 3)
            KEEPS(pst_settle(s, (uint32_t)t % 4, NULL));
        if (t % 10 == 4)
            KEEPS(pst_warm(s));
        if (t % 10 == 7) {
            KEEPS(pst_stream_save(s, state, state_bytes));
            KEEPS(pst_stream_reset(s));
            KEEPS(pst_stream_restore(s, state, state_bytes));
        }
    }
    float x = NAN;
    pst_status refused = k->inputs == 1 ? pst_step(s, &x, 1, y, k->outputs) : PST_E_NONFINITE;
    modes_set(ordinary);
    assert_int_equal(refused, PST_E_NONFINITE);
    differs(k, y, level, format, modes);
    modes_set(modes);
    KEEPS(pst_run(clone, k->x, k->steps, y));
    modes_set(ordinary);
    differs(k, y, level, format, modes);
    pst_stream_close(clone);
    pst_stream_close(s);
    pst_engine_close(e);
    free(state);
    free(y);
}

static void test_modes(void **unused) {
    (void)unused;
    const char *const *levels;
    size_t count;
    pst_levels(&levels, &count);
    for (uint64_t seed = 0; seed == 0 || seed < most_models / 6; seed++) {
        pst_model *m = seed == 1 ? model_random(40, 60) : model_of(seed);
        for (int f = 0; f < MODEL_EVERY; f++) {
            if (!model_takes(f, seed))
                continue;
            known k = known_make(m, &model_every[f], 24, seed + 9);
            for (int mode = 0; mode < 8; mode++) {
                if ((unsigned)(f + mode) % sample_of(2))
                    continue;
                uint64_t modes = modes_rounding(mode % 4);
                modes = mode < 4 ? modes : modes_flushing(modes);
                pst_program *p = compiled_in_modes(m, &k, &model_every[f], modes);
                for (size_t i = 0; i < count; i++)
                    run_in_modes(p, &k, levels[i], model_every[f].format, modes);
                pst_program_free(p);
            }
            known_free(&k);
        }
        pst_model_free(m);
    }
}

/* Tensors of other types become fp32 to nearest even, in any mode. */
static void test_modes_of_create(void **unused) {
    (void)unused;
    static const double weight[] = {1.0 / 3, -1.0 / 3, 0x1.0000010000001p0, 0x1.000001p0, 0x1.000003p0, -0x1.000003p0};
    static const float expect[] = {(float)(1.0 / 3), (float)(-1.0 / 3), 0x1.000002p0f, 1,
                                   0x1.000004p0f,    -0x1.000004p0f};
    enum { N = sizeof weight / sizeof *weight };
    uint64_t ordinary = modes_get(), shape[] = {N, 1};
    pst_tensor tensor;
    pst_layer layer;
    const pst_tensor *tensors[] = {&tensor};
    const pst_layer *layers[] = {&layer};
    PST_INIT(tensor);
    PST_INIT(layer);
    tensor.name = "weight";
    tensor.dtype = PST_F64;
    tensor.rank = 2;
    tensor.shape = shape;
    tensor.data = weight;
    layer.kind = "linear";
    layer.tensors = tensors;
    layer.tensor_count = 1;
    for (int mode = 0; mode < 8; mode++) {
        uint64_t modes = modes_rounding(mode % 4);
        pst_model *m;
        double y[N];
        float x = 1;
        modes = mode < 4 ? modes : modes_flushing(modes);
        modes_set(modes);
        KEEPS(pst_model_create(layers, 1, NULL, &m));
        modes_set(ordinary);
        OK(pst_model_reference(m, &x, 1, 1, y));
        for (int i = 0; i < N; i++)
            if (y[i] != (double)expect[i])
                fail_msg("mode %d: %a became %a, expected %a", mode, weight[i], y[i], (double)expect[i]);
        pst_model_free(m);
    }
}

/* The reference too is one answer, whatever the modes. */
static void test_modes_of_reference(void **unused) {
    (void)unused;
    pst_model *m = model_random(12, 30);
    pst_info info;
    pst_certificate c[2];
    PST_INIT(info);
    OK(pst_model_get_info(m, &info));
    enum { N = 5 };
    float *x = model_normals(8, (size_t)N * info.inputs), *y = model_normals(9, (size_t)N * info.outputs);
    double *expect = calloc((size_t)N * info.outputs, sizeof *expect);
    double *found = calloc((size_t)N * info.outputs, sizeof *found);
    uint64_t ordinary = modes_get();
    PST_INIT(c[0]);
    OK(pst_model_reference(m, x, 1, N, expect));
    OK(pst_compare(y, expect, 1, N, info.outputs, &c[0]));
    for (int mode = 1; mode < 4; mode++) {
        uint64_t modes = modes_rounding(mode);
        PST_INIT(c[1]);
        modes_set(modes);
        KEEPS(pst_model_reference(m, x, 1, N, found));
        KEEPS(pst_compare(y, expect, 1, N, info.outputs, &c[1]));
        modes_set(ordinary);
        assert_memory_equal(found, expect, (size_t)N * info.outputs * sizeof *found);
        assert_memory_equal(&c[0], &c[1], sizeof c[0]);
    }
    free(found);
    free(expect);
    free(y);
    free(x);
    pst_model_free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_bits),
        cmocka_unit_test(test_modes),
        cmocka_unit_test(test_modes_of_create),
        cmocka_unit_test(test_modes_of_reference),
    };
    const char *models = getenv("PENSTOCK_MODELS");
    most_models = models ? strtoull(models, NULL, 10) : most_models;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
