/* What W_ih's codes leave, added by settle: as a plain model in float64 has it, and with the same bits on any number of
 * cores, at every level, whether settled or not, in pieces, saved, restored, cloned or reset in between.
 *
 * PENSTOCK_SEED: the first seed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

#include "base/number.h"
#include "rests.h"
#include "stream/stream.h"
#include "support/sample.h"

enum { WIDTH = 24, STEPS = 40, LAYERS = 3, STATE = 8192 };

static const model_part parts[] = {MODEL_LSTM_STATE(40), MODEL_LSTM(23), MODEL_LINEAR(WIDTH)};
static uint64_t first_seed = 1;

static pst_engine *engine_on(const pst_program *p, const char *level, uint32_t cores, int caller) {
    pst_engine_options o;
    pst_engine *e;
    PST_INIT(o);
    o.level = level;
    o.cores = cores;
    o.caller = caller;
    o.idle = PST_IDLE_YIELD;
    o.flags = PST_ENGINE_OVERSUBSCRIBE | PST_ENGINE_NO_HUGE_PAGES;
    OK(pst_engine_open(p, &o, &e));
    return e;
}

/* ---- a model of it in float64 -------------------------------------------------------------------------------------
 */

enum { WIDEST = 64 };

/* Of one layer: what the last step has left. */
typedef struct {
    double h[WIDEST], c[WIDEST];
    double code[PSTI_OPERANDS][WIDEST]; /* what h's codes stand for */
    double rest[4 * WIDEST];            /* R x of the last step's x */
} plain_layer;

typedef struct {
    const pst_program *p;
    const psti_core *core; /* the engine's */
    const psti_part *part;
    plain_layer layer[LAYERS];
} plain_model;

/* The values that an operand's code of v[n] stands for. scale 0: the least power of two that holds all of them. */
static void encode(int operand, double scale, const double *v, uint32_t n, double *out) {
    double largest = 0, codes = operand == PSTI_OPERAND_A16 ? 32512 : 127;
    for (uint32_t i = 0; i < n; i++)
        largest = fmax(largest, fabs(v[i]));
    if (scale == 0) {
        scale = 0x1p-60;
        while (scale < largest)
            scale *= 2;
    }
    for (uint32_t i = 0; i < n; i++) {
        double code = fmin(fmax(nearbyint((double)((float)v[i] * (float)(codes / scale))), -codes), codes);
        out[i] = operand == PSTI_OPERAND_F32    ? (double)(float)v[i]
                 : operand == PSTI_OPERAND_BF16 ? (double)psti_from_bf16(psti_to_bf16((float)v[i]))
                                                : code * scale / codes;
    }
}

/* What the engine's codes of a layer's h stand for; 0 where it has none of that operand. */
static int coded(const plain_model *m, uint32_t i, int operand, double *out) {
    const psti_vector *v = &m->core->vectors[i + 1];
    size_t now = m->part->time & 1, at = v->code[now][operand];
    const char *slot = m->part->slot;
    double scale = (double)v->static_scale[operand] / (operand == PSTI_OPERAND_A16 ? 32512 : 127);
    for (uint32_t u = 0; at != PSTI_NOWHERE && u < v->width; u++) {
        const signed char *high = (const signed char *)slot + at, *low = (const signed char *)slot + v->low[now];
        if (operand == PSTI_OPERAND_F32)
            out[u] = (double)((const float *)(slot + at))[u];
        else if (operand == PSTI_OPERAND_BF16)
            out[u] = (double)psti_from_bf16(((const uint16_t *)(slot + at))[u]);
        else
            out[u] = scale * (operand == PSTI_OPERAND_A16 ? 256 * high[u] + low[u] : high[u]);
    }
    return at != PSTI_NOWHERE;
}

/* h in every code: the nearest one, but of two that are as near within fp32's errors the engine's. */
static void encode_h(plain_model *m, uint32_t i) {
    const psti_program_layer *l = &m->p->layers[i];
    plain_layer *s = &m->layer[i];
    for (int k = 0; k < PSTI_OPERANDS; k++) {
        double engine[WIDEST];
        encode(k, (double)(k == PSTI_OPERAND_A8 ? l->h_scale_8 : l->h_scale), s->h, l->outputs, s->code[k]);
        if (!coded(m, i, k, engine))
            continue;
        for (uint32_t u = 0; u < l->outputs; u++)
            if (fabs(engine[u] - s->h[u]) <= fabs(s->code[k][u] - s->h[u]) + 1e-6)
                s->code[k][u] = engine[u];
    }
}

/* What matrix k of layer i makes of v, or of h of layer `of` if that is one (-1: none); all rows in the model's order.
 */
static void multiply(const plain_model *m, uint32_t i, uint32_t k, int of, const double *v, double *out) {
    const psti_matrix *x = &m->p->layers[i].matrix[k];
    int operand = psti_encodings[x->encoding].operand;
    double own[WIDEST];
    const double *code = own;
    if (of >= 0 && m->p->layers[of].kind == PSTI_KIND_lstm)
        code = m->layer[of].code[operand];
    else
        encode(operand, 0, v, x->shape.inputs, own);
    for (uint32_t row = 0; row < x->shape.gates * x->shape.units; row++) {
        uint32_t lane = psti_shape_lane(&x->shape, row / x->shape.units, row % x->shape.units);
        double sum = 0;
        for (uint32_t c = 0; c < x->shape.inputs; c++)
            sum += (double)psti_unpack_weight(&x->shape, x->encoding, x->tiles, row, c) * code[c];
        out[row] = x->scale ? sum * (double)x->scale[lane] : sum;
    }
}

static double sigmoid(double v) {
    return 1 / (1 + exp(-v));
}

static double next_c(const double *gate, uint32_t units, uint32_t u, double c) {
    return sigmoid(gate[units + u]) * c + sigmoid(gate[u]) * tanh(gate[2 * units + u]);
}

static void step_lstm(plain_model *m, uint32_t i, const double *x) {
    const psti_program_layer *l = &m->p->layers[i];
    plain_layer *s = &m->layer[i];
    double gate[4 * WIDEST], part[4 * WIDEST], rest[4 * WIDEST] = {0};
    uint32_t n = l->outputs;
    multiply(m, i, PSTI_MATRIX_INPUT, (int)i - 1, x, gate);
    for (uint32_t row = 0; row < 4 * n; row++)
        gate[row] += (double)l->bias[psti_shape_lane(&l->matrix[0].shape, row / n, row % n)];
    for (uint32_t k = PSTI_MATRIX_RECURRENT; k <= PSTI_MATRIX_RECURRENT_REST; k++) {
        if (!psti_program_has(l, k))
            continue;
        multiply(m, i, k, (int)i, NULL, part);
        for (uint32_t row = 0; row < 4 * n; row++)
            gate[row] += part[row];
    }
    if (psti_program_has(l, PSTI_MATRIX_INPUT_REST))
        multiply(m, i, PSTI_MATRIX_INPUT_REST, (int)i - 1, x, rest);
    for (uint32_t row = 0; row < 4 * n; row++)
        gate[row] += (double)l->rho * s->rest[row];
    for (uint32_t u = 0; u < n; u++) {
        double c = next_c(gate, n, u, s->c[u]);
        s->h[u] = sigmoid(gate[3 * n + u]) * tanh(c);
        for (uint32_t g = 0; l->mends && g < 4; g++)
            gate[g * n + u] += rest[g * n + u] - (double)l->rho * s->rest[g * n + u];
        s->c[u] = l->mends ? next_c(gate, n, u, s->c[u]) : c;
    }
    encode_h(m, i);
    memcpy(s->rest, rest, sizeof rest);
}

static void begin(plain_model *m, const pst_program *p, const pst_engine *e, const pst_stream *s) {
    memset(m, 0, sizeof *m);
    m->p = p;
    m->core = e->caller;
    m->part = s->part;
    for (uint32_t i = 0; i < p->count; i++) {
        const psti_program_layer *l = &p->layers[i];
        for (uint32_t u = 0; u < l->outputs && l->h0; u++) {
            m->layer[i].h[u] = (double)l->h0[u];
            m->layer[i].c[u] = (double)l->c0[u];
        }
        if (l->kind == PSTI_KIND_lstm)
            encode_h(m, i);
        if (i && psti_program_has(l, PSTI_MATRIX_INPUT_REST)) /* the first layer's x is nothing; above it, h0 */
            multiply(m, i, PSTI_MATRIX_INPUT_REST, (int)i - 1, NULL, m->layer[i].rest);
    }
}

/* After the engine's. */
static void step(plain_model *m, const float *x, double *y) {
    double v[WIDEST];
    for (uint32_t i = 0; i < m->p->inputs; i++)
        v[i] = (double)x[i];
    for (uint32_t i = 0; i < m->p->count; i++) {
        const psti_program_layer *l = &m->p->layers[i];
        if (l->kind == PSTI_KIND_lstm) {
            step_lstm(m, i, v);
            continue;
        }
        multiply(m, i, PSTI_MATRIX_INPUT, (int)i - 1, NULL, y);
        for (uint32_t o = 0; o < l->outputs; o++)
            y[o] += (double)l->bias[psti_shape_lane(&l->matrix[0].shape, 0, o)];
    }
}

/* How far y differs at most, `worst` so far; NaN once one is no number. */
static double farthest(double worst, const float *y, const double *expect) {
    for (int o = 0; o < WIDTH; o++) {
        double off = fabs((double)y[o] - expect[o]);
        if (!(off <= worst))
            worst = off;
        if (isnan(off))
            break;
    }
    return worst;
}

/* Runs both over so many steps that an error would have grown, then compares their states too. */
static double compare(const pst_program *p, const pst_engine *e, pst_stream *s) {
    enum { MANY = 300 };
    float *x = model_normals(11, MANY * WIDTH), y[WIDTH], h[63], c[63];
    plain_model plain;
    double expect[WIDTH], worst = 0;
    begin(&plain, p, e, s);
    for (int t = 0; t < MANY && !isnan(worst); t++) {
        OK(pst_step(s, x + t * WIDTH, WIDTH, y, WIDTH));
        step(&plain, x + t * WIDTH, expect);
        worst = farthest(worst, y, expect);
    }
    free(x);
    OK(pst_stream_get_state(s, h, c, 63));
    for (int u = 0; u < 63; u++)
        assert_true(fabs((double)c[u] - (u < 40 ? plain.layer[0].c[u] : plain.layer[1].c[u - 40])) <= 1e-6);
    return worst;
}

static void test_plain_model(void **unused) {
    (void)unused;
    static const float rhos[] = {0, 0.75f, -0.5f};
    double largest = 0;
    for (int f = 0; f < RESTS; f++)
        for (unsigned mends = 0; mends < 4; mends++) {
            if (((unsigned)f + mends) % sample_of(3))
                continue;
            pst_model *m = model_make(WIDTH, parts, LAYERS, 7, 1.5);
            pst_program *p = rests_program(m, &rests_every[f], rhos[(f + (int)mends) % 3], mends);
            pst_engine *e = engine_on(p, NULL, 1, PST_CALLER_CORE);
            pst_stream *s = model_stream(e);
            double worst = compare(p, e, s);
            largest = fmax(largest, worst);
            if (!(worst <= 1e-6))
                fail_msg("%s, layers %s, mends %u: the model differs by %g", rests_every[f].format,
                         rests_every[f].layers ? rests_every[f].layers : "-", mends, worst);
            pst_stream_close(s);
            pst_engine_close(e);
            pst_program_free(p);
            pst_model_free(m);
        }
    print_message("differs by at most %.2g\n", largest);
}

/* ---- the first step -----------------------------------------------------------------------------------------------
 */

/* There is no input before it, so that rho changes nothing; nor does it after a reset. From the second step on it does.
 */
static void test_first_step(void **unused) {
    (void)unused;
    for (int f = 0; f < 5; f++) {
        static const model_part one[] = {MODEL_LSTM_STATE(40), MODEL_LINEAR(WIDTH)};
        pst_model *m = model_make(WIDTH, one, 2, 9, 1.5);
        float *x = model_normals(5, 2 * WIDTH), y[2][2][2][WIDTH];
        for (int with = 0; with < 2; with++) {
            pst_program *p = rests_program(m, &rests_every[f], with ? 0.5f : 0, with);
            pst_engine *e = engine_on(p, NULL, 1 + (uint32_t)f % 3, PST_CALLER_CORE);
            pst_stream *s = model_stream(e);
            for (int again = 0; again < 2; again++) {
                for (int t = 0; t < 2; t++)
                    OK(pst_step(s, x + t * WIDTH, WIDTH, y[with][again][t], WIDTH));
                OK(pst_stream_reset(s));
            }
            pst_stream_close(s);
            pst_engine_close(e);
            pst_program_free(p);
        }
        for (int with = 0; with < 2; with++)
            assert_memory_equal(y[with][0], y[with][1], sizeof y[with][0]);
        assert_memory_equal(y[0][0][0], y[1][0][0], sizeof y[0][0][0]);
        assert_memory_not_equal(y[0][0][1], y[1][0][1], sizeof y[0][0][1]);
        pst_model_free(m);
        free(x);
    }
}

/* On input that changes slowly, a rest brings most of what the coarse codes have lost. */
static void test_it_helps(void **unused) {
    (void)unused;
    static const char *const coarse[] = {"ih=w4a8,hh=w8a16,linear=w8a16", "ih=w2a8,hh=w8a16,linear=w8a16"};
    static const model_part one[] = {MODEL_LSTM(40), MODEL_LINEAR(WIDTH)};
    enum { MANY = 200 };
    pst_model *m = model_make(WIDTH, one, 2, 3, 1.5);
    float *x = model_normals(5, MANY * WIDTH), *y = malloc(MANY * WIDTH * sizeof *y);
    double *expect = malloc(MANY * WIDTH * sizeof *expect);
    for (int i = WIDTH; i < MANY * WIDTH; i++)
        x[i] = 0.97f * x[i - WIDTH] + 0.2f * x[i];
    OK(pst_model_reference(m, x, 1, MANY, expect));
    for (int f = 0; f < 2; f++) {
        double rms[2];
        for (int rest = 0; rest < 2; rest++) {
            pst_program *p = rest ? rests_program(m, &rests_every[f], 0.97f, 1) : model_program(m, coarse[f]);
            pst_engine *e = engine_on(p, NULL, 1, PST_CALLER_CORE);
            pst_stream *s = model_stream(e);
            pst_certificate c;
            PST_INIT(c);
            OK(pst_run(s, x, MANY, y));
            OK(pst_compare(y, expect, 1, MANY, WIDTH, &c));
            rms[rest] = c.rms;
            pst_stream_close(s);
            pst_engine_close(e);
            pst_program_free(p);
        }
        print_message("%s: rms error %.2g, without the rest %.2g\n", rests_every[f].format, rms[1], rms[0]);
        assert_true(rms[1] < 0.4 * rms[0]);
    }
    free(expect);
    free(y);
    free(x);
    pst_model_free(m);
}

/* ---- the same bits ------------------------------------------------------------------------------------------------
 */

typedef struct {
    float y[2][STEPS][WIDTH];
    unsigned char state[2][STATE];
    size_t bytes;
} record;

/* Two streams in turn on two engines, in an order, with settles and with moves from engine to engine that `seed` draws;
 * what is drawn does not change the answers. */
static void run(pst_engine *e[2], const float *x, record *r, uint64_t seed) {
    model_noise noise = {seed};
    pst_stream *s[2] = {model_stream(e[0]), model_stream(e[1])}, *other;
    int done[2] = {0, 0}, on[2] = {0, 1};
    unsigned char state[STATE];
    r->bytes = pst_stream_state_size(s[0]);
    assert_true(r->bytes <= STATE);
    while (done[0] + done[1] < 2 * STEPS) {
        int k = (int)model_choose(&noise, 2);
        if (done[k] == STEPS)
            continue;
        int t = done[k]++;
        OK(pst_step(s[k], x + (k * STEPS + t) * WIDTH, WIDTH, r->y[k][t], WIDTH));
        uint32_t left = 1;
        switch (model_choose(&noise, 12)) {
        case 0: /* saved while settle owes, restored where it came from */
            OK(pst_stream_save(s[k], state, STATE));
            OK(pst_stream_reset(s[k]));
            OK(pst_stream_restore(s[k], state, r->bytes));
            break;
        case 1: /* or on the other engine, after some of its settle */
            OK(pst_settle(s[k], model_choose(&noise, 5), NULL));
            OK(pst_stream_save(s[k], state, STATE));
            pst_stream_close(s[k]);
            on[k] = !on[k];
            s[k] = model_stream(e[on[k]]);
            OK(pst_stream_restore(s[k], state, r->bytes));
            break;
        case 2: /* a clone goes on; what it is of goes elsewhere */
            OK(pst_settle(s[k], model_choose(&noise, 5), NULL));
            OK(pst_stream_clone(s[k], &other));
            OK(pst_step(s[k], x, WIDTH, (float[WIDTH]){0}, WIDTH));
            pst_stream_close(s[k]);
            s[k] = other;
            break;
        case 3:
            OK(pst_warm(s[k]));
            break;
        case 4: /* saving alone changes nothing */
            OK(pst_stream_save(s[k], state, STATE));
            break;
        case 5:
        case 6:
            break;
        case 7:
            while (left)
                OK(pst_settle(s[k], 1 + model_choose(&noise, 3), &left));
            break;
        default:
            OK(pst_settle(s[k], model_choose(&noise, 6), NULL));
        }
    }
    for (int k = 0; k < 2; k++) {
        OK(pst_stream_save(s[k], r->state[k], STATE));
        pst_stream_close(s[k]);
    }
}

static void same(const record *a, const record *b, const char *what) {
    for (int k = 0; k < 2; k++) {
        for (int t = 0; t < STEPS; t++)
            if (memcmp(a->y[k][t], b->y[k][t], sizeof a->y[k][t]) != 0)
                fail_msg("%s: stream %d differs from step %d on", what, k, t);
        if (a->bytes != b->bytes || memcmp(a->state[k], b->state[k], a->bytes) != 0)
            fail_msg("%s: the state of stream %d differs", what, k);
    }
}

static void test_same_bits(void **unused) {
    (void)unused;
    static record expect, found;
    const char *const *levels;
    size_t count;
    pst_levels(&levels, &count);
    print_message("seeds from %llu on\n", (unsigned long long)first_seed);
    for (int f = 0; f < RESTS; f++)
        for (unsigned mends = 0; mends < 4; mends++) {
            if (((unsigned)f + mends) % sample_of(3))
                continue;
            uint64_t seed = first_seed + 4 * (uint64_t)f + mends;
            pst_model *m = model_make(WIDTH, parts, LAYERS, seed, 1.5);
            pst_program *p = rests_program(m, &rests_every[f], 0.5f, mends);
            float *x = model_normals(seed, 2 * STEPS * WIDTH);
            pst_engine *one = engine_on(p, "scalar", 1, PST_CALLER_CORE);
            pst_engine *ones[2] = {one, one};
            run(ones, x, &expect, seed);
            for (size_t i = 0; i < count + 4; i++) { /* every level on one core and another; then 1 to 4 cores */
                uint32_t cores = i < count ? 1 : 1 + (uint32_t)(i - count), others = 1 + (uint32_t)(seed + i) % 4;
                const char *level = levels[i < count ? i : (seed + i) % count];
                char what[128];
                snprintf(what, sizeof what, "%s, layers %s, mends %u, seed %llu: %s on %u and %u cores",
                         rests_every[f].format, rests_every[f].layers ? rests_every[f].layers : "-", mends,
                         (unsigned long long)seed, level, cores, others);
                pst_engine *e[2] = {engine_on(p, level, cores, PST_CALLER_CORE),
                                    engine_on(p, level, others, (int)(i % 2))};
                run(e, x, &found, seed + i);
                same(&expect, &found, what);
                pst_engine_close(e[0]);
                pst_engine_close(e[1]);
            }
            pst_engine_close(one);
            free(x);
            pst_program_free(p);
            pst_model_free(m);
        }
}

int main(void) {
    const char *given = getenv("PENSTOCK_SEED");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_model),
        cmocka_unit_test(test_first_step),
        cmocka_unit_test(test_it_helps),
        cmocka_unit_test(test_same_bits),
    };
    first_seed = given ? strtoull(given, NULL, 10) : first_seed;
    alarm(250); /* a hang is a failure */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
