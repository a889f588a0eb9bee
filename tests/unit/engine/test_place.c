/* Where an engine puts things: the critical weights first and in one piece, vectors of a slot apart from each other and
 * aligned, only the forms that somebody reads. On several cores: the weights of all are the program's, and each reads
 * some of them again where they exceed its L2. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

#include "base/number.h"
#include "engine/engine.h"
#include "support/expect.h"
#include "support/model.h"

/* Stretches of memory, to be found apart. */
typedef struct {
    size_t from[256], to[256], count;
} stretches;

static void add(stretches *s, size_t from, size_t bytes) {
    assert_int_equal(from % 64, 0);
    assert_true(s->count < 256);
    for (size_t i = 0; i < s->count; i++)
        assert_true(from + bytes <= s->from[i] || s->to[i] <= from);
    s->from[s->count] = from;
    s->to[s->count++] = from + bytes;
}

static size_t round_up(size_t n, size_t unit) {
    return (n + unit - 1) / unit * unit;
}

/* A kernel stores 16 units at a time, from any multiple of 4 of a vector on: at most so far. */
static size_t most_stored(const psti_vector *v) {
    return round_up(v->width, PSTI_NARROW) + PSTI_LANES - PSTI_NARROW;
}

static void slot_is_apart(const psti_core *core) {
    static const size_t code[PSTI_OPERANDS] = {4, 2, 1, 1};
    const pst_engine *e = core->engine;
    stretches s = {.count = 0};
    for (uint32_t i = 0; i <= e->count; i++) {
        const psti_vector *v = &core->vectors[i];
        int is_h = i && core->layers[i - 1].kind == PSTI_KIND_lstm;
        int of_rest = i < e->count && core->layers[i].matrix[PSTI_MATRIX_INPUT_REST].shape.gates != 0;
        size_t padded = round_up(v->width, PSTI_RUN);
        padded = padded > most_stored(v) ? padded : most_stored(v);
        assert_int_equal(v->kept, is_h || of_rest); /* what a settle reads is kept for two steps */
        for (int time = 0; time < 2; time++) {
            int again = time && !v->kept;
            for (int k = 0; k < PSTI_OPERANDS; k++)
                if (again)
                    assert_int_equal(v->code[0][k], v->code[1][k]);
                else if (v->code[time][k] != PSTI_NOWHERE)
                    add(&s, v->code[time][k], padded * code[k]);
            assert_int_equal(v->low[time] != PSTI_NOWHERE, v->code[time][PSTI_OPERAND_A16] != PSTI_NOWHERE);
            if (v->low[time] != PSTI_NOWHERE && !again)
                add(&s, v->low[time], padded);
            assert_int_equal(v->exponent_scale[time] == PSTI_NOWHERE, is_h);
            if (again)
                assert_int_equal(v->exponent_scale[0], v->exponent_scale[1]);
            else if (!is_h)
                add(&s, v->exponent_scale[time], sizeof(float));
        }
        if (v->value != PSTI_NOWHERE)
            add(&s, v->value, most_stored(v) * sizeof(float));
    }
    for (uint32_t i = 0; i < e->count; i++) {
        const psti_placed *layer = &core->layers[i];
        if (!layer->settle_units)
            continue;
        for (int time = 0; time < 2; time++)
            add(&s, layer->c[time], round_up(layer->units, PSTI_LANES) * sizeof(float));
        size_t lanes = psti_shape_vectors(&layer->matrix[PSTI_MATRIX_RECURRENT].shape) * 64;
        add(&s, layer->bracket, lanes);
        for (int time = 0; layer->matrix[PSTI_MATRIX_INPUT_REST].tiles && time < 2; time++) {
            add(&s, layer->gates[time], lanes);
            add(&s, layer->rest[time], lanes);
        }
    }
    add(&s, core->partial, sizeof(psti_partial));
    for (size_t i = 0; i < s.count; i++)
        assert_true(s.to[i] <= core->slot_bytes);
}

static void weights_are_apart(const psti_core *core) {
    const pst_engine *e = core->engine;
    stretches critical = {.count = 0}, settle = {.count = 0};
    const unsigned char *pages = core->pages.address;
    assert_int_equal((uintptr_t)pages % core->pages.page_bytes, 0);
    for (uint32_t i = 0; i < e->count; i++) {
        const psti_placed *layer = &core->layers[i];
        for (int m = 0; m < PSTI_MATRICES; m++) {
            const psti_placed_matrix *matrix = &layer->matrix[m];
            stretches *half = m == PSTI_MATRIX_INPUT ? &critical : &settle;
            if (!matrix->tiles)
                continue;
            add(half, (size_t)(matrix->tiles - pages), psti_tiles_bytes(&matrix->shape, matrix->encoding));
            assert_int_equal(matrix->scale != NULL, psti_encoding_scaled(matrix->encoding));
            size_t lanes = PSTI_LANES * psti_shape_vectors(&matrix->shape) * sizeof(float);
            if (matrix->scale)
                add(half, (size_t)((const unsigned char *)matrix->scale - pages), lanes);
            if (m == 0)
                add(layer->settle_units ? &settle : &critical, (size_t)((const unsigned char *)layer->bias - pages),
                    lanes);
        }
    }
    for (size_t i = 0; i < critical.count; i++)
        assert_true(critical.to[i] <= core->critical_bytes);
    for (size_t i = 0; i < settle.count; i++)
        assert_true(settle.from[i] >= core->critical_bytes &&
                    settle.to[i] <= core->critical_bytes + core->settle_bytes);
    assert_true(core->critical_bytes + core->settle_bytes <= core->pages.mapped || !critical.count);
}

static void test_random(void **unused) {
    (void)unused;
    for (uint64_t seed = 0; seed < 60; seed++) {
        pst_model *m = model_random(seed, 120);
        for (int f = 0; f < MODEL_EVERY; f++) {
            pst_program *p = model_program_held(m, &model_every[f]);
            pst_engine *e = model_engine(p, NULL);
            slot_is_apart(e->caller);
            weights_are_apart(e->caller);
            pst_engine_close(e);
            pst_program_free(p);
        }
        pst_model_free(m);
    }
}

/* ---- which forms --------------------------------------------------------------------------------------------------
 */

static int has(const psti_vector *v, int operand) {
    return v->code[0][operand] != PSTI_NOWHERE;
}

/* h in the codes of its two readers, and as a value only where one is read: w8a8's Linear takes 16-bit activations. */
static void test_forms(void **unused) {
    (void)unused;
    static const model_part parts[] = {MODEL_LSTM(20), MODEL_LSTM(20), MODEL_LINEAR(5), MODEL_SOFTMAX};
    pst_model *m = model_make(8, parts, 4, 1, 1);
    pst_program *p = model_program(m, "w8a8");
    pst_engine *e = model_engine(p, NULL);
    const psti_vector *v = e->caller->vectors;
    assert_true(has(&v[0], PSTI_OPERAND_A8) && !has(&v[0], PSTI_OPERAND_A16));
    assert_true(has(&v[1], PSTI_OPERAND_A8) && !has(&v[1], PSTI_OPERAND_A16));
    assert_true(has(&v[2], PSTI_OPERAND_A8) && has(&v[2], PSTI_OPERAND_A16));
    for (int i = 0; i < 3; i++)
        assert_true(v[i].value == PSTI_NOWHERE);
    assert_true(v[3].value != PSTI_NOWHERE && v[4].value != PSTI_NOWHERE);
    for (int k = 0; k < PSTI_OPERANDS; k++)
        assert_true(!has(&v[3], k) && !has(&v[4], k));
    pst_engine_close(e);
    pst_program_free(p);
    /* W_ih reads 8 bits, W_hh 16; encodings of one operand share its code; h's scale is of the operand */
    p = model_program_held(m, &(model_held){"ih=w4r,hh=w6a16,linear=w2a8", NULL});
    p->layers[0].h_scale = 0.5f;
    p->layers[0].h_scale_8 = 0.375f;
    e = model_engine(p, NULL);
    v = e->caller->vectors;
    assert_true(has(&v[0], PSTI_OPERAND_A8) && !has(&v[0], PSTI_OPERAND_A16));
    assert_true(has(&v[1], PSTI_OPERAND_A8) && has(&v[1], PSTI_OPERAND_A16));
    assert_true(has(&v[2], PSTI_OPERAND_A8) && has(&v[2], PSTI_OPERAND_A16));
    assert_true(v[1].static_scale[PSTI_OPERAND_A16] == 0.5f && v[1].static_scale[PSTI_OPERAND_A8] == 0.375f);
    assert_true(e->caller->layers[0].h_limit == 0.5f); /* W_hh's own */
    assert_true(v[0].kept && v[1].kept && v[2].kept && !v[3].kept);
    pst_engine_close(e);
    pst_program_free(p);
    pst_model_free(m);
}

/* ---- several cores ------------------------------------------------------------------------------------------------
 */

/* At level scalar, which leaves tiles as they are in the program. */
static pst_engine *engine_on(const pst_program *p, uint32_t cores, const uint32_t *cpus, int caller, uint32_t flags) {
    pst_engine_options o;
    pst_engine *e;
    PST_INIT(o);
    o.level = "scalar";
    o.cores = cores;
    o.cpus = cpus;
    o.caller = caller;
    o.flags = PST_ENGINE_OVERSUBSCRIBE | flags;
    OK(pst_engine_open(p, &o, &e));
    return e;
}

/* Every weight, scale and bias of the program stands on exactly one core, in the place of its unit. */
static void all_weights_are_there(const pst_engine *e, const pst_program *p) {
    for (uint32_t i = 0; i < p->count; i++)
        for (uint32_t k = 0; k < PSTI_MATRICES; k++) {
            const psti_matrix *from = &p->layers[i].matrix[k];
            if (!psti_program_has(&p->layers[i], k))
                continue;
            uint32_t rows = from->shape.gates * from->shape.units, found = 0;
            for (uint32_t m = 0; m < e->cores; m++) {
                const psti_placed *layer = &e->core[m]->layers[i];
                const psti_placed_matrix *to = &layer->matrix[k];
                for (uint32_t row = 0; layer->units && row < rows; row++) {
                    uint32_t gate = row / from->shape.units, unit = row % from->shape.units;
                    if (unit < layer->first || unit >= layer->first + layer->units)
                        continue;
                    uint32_t at = psti_shape_lane(&from->shape, gate, unit);
                    uint32_t here = psti_shape_lane(&to->shape, gate, unit - layer->first);
                    for (uint32_t input = 0; input < from->shape.inputs; input++)
                        assert_int_equal(
                            psti_bits(psti_unpack_weight(&to->shape, to->encoding, to->tiles,
                                                         gate * layer->units + unit - layer->first, input)),
                            psti_bits(psti_unpack_weight(&from->shape, from->encoding, from->tiles, row, input)));
                    if (from->scale)
                        assert_int_equal(psti_bits(to->scale[here]), psti_bits(from->scale[at]));
                    if (k == 0)
                        assert_int_equal(psti_bits(layer->bias[here]), psti_bits(p->layers[i].bias[at]));
                    found++;
                }
            }
            assert_int_equal(found, rows);
        }
}

/* What the engine tells of its memory is what its members have. */
static void sums_are_right(pst_engine *e) {
    pst_engine_info info;
    uint64_t weights = 0, stream = 0;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    PST_INIT(info);
    OK(pst_engine_get_info(e, &info));
    for (uint32_t m = 0; m < e->members; m++) {
        const psti_core *core = e->core[m];
        weights += core->critical_bytes + core->settle_bytes;
        stream += round_up(core->slot_bytes, page);
        assert_true(core->slot_bytes > 0 && core->practice.pages.mapped >= core->slot_bytes);
        assert_int_equal((uintptr_t)core->practice.slot % core->practice.pages.page_bytes, 0);
    }
    assert_int_equal(info.weight_bytes, weights);
    assert_int_equal(info.stream_bytes, stream);
    assert_int_equal(info.settle_units, e->caller->settle_units + e->caller->touch_units);
    if (e->members > e->cores) /* apart */
        assert_true(e->caller->critical_bytes + e->caller->settle_bytes == 0 && info.settle_units == 0);
}

static void test_several_cores(void **unused) {
    (void)unused;
    for (uint64_t seed = 0; seed < 16; seed++) {
        pst_model *m = model_random(seed, 120);
        for (int f = 0; f < MODEL_EVERY; f++) {
            pst_program *p = model_program_held(m, &model_every[f]);
            uint32_t cores = 2 + (uint32_t)(seed + (uint64_t)f) % 4;
            pst_engine *e = engine_on(p, cores, NULL, seed % 2 ? PST_CALLER_APART : PST_CALLER_CORE, 0);
            pst_stream *s = model_stream(e); /* all cores are done with opening */
            for (uint32_t k = 0; k < e->members; k++) {
                slot_is_apart(e->core[k]);
                weights_are_apart(e->core[k]);
            }
            all_weights_are_there(e, p);
            sums_are_right(e);
            pst_stream_close(s);
            pst_engine_close(e);
            pst_program_free(p);
        }
        pst_model_free(m);
    }
}

/* ---- weights beyond L2 --------------------------------------------------------------------------------------------
 */

/* min(critical, L2 / 2) in whole cache lines of a core whose share, both halves, exceeds its L2; else nothing. */
static void touches_are_right(pst_engine *e, uint64_t l2) {
    pst_engine_info info;
    PST_INIT(info);
    OK(pst_engine_get_info(e, &info));
    uint64_t most = 0;
    for (uint32_t m = 0; m < e->members; m++) {
        const psti_core *core = e->core[m];
        uint64_t half = l2 / 2 / 64 * 64, expect = core->critical_bytes < half ? core->critical_bytes : half;
        if (!core->settle_bytes || core->critical_bytes + core->settle_bytes <= l2)
            expect = 0;
        assert_int_equal(core->touch_bytes, expect);
        assert_int_equal(core->touch_units, (expect + PSTI_UNIT_BYTES - 1) / PSTI_UNIT_BYTES);
        most = expect > most ? expect : most;
    }
    assert_int_equal(info.retouched_bytes, most);
}

/* pst_settle goes through all of the caller's units one by one, those that touch at the end, and a step in between
 * needs none of these. */
static void units_count_down(pst_engine *e, const pst_program *p) {
    pst_engine_info info;
    PST_INIT(info);
    OK(pst_engine_get_info(e, &info));
    pst_stream *s = model_stream(e);
    float *x = model_normals(1, p->inputs), *y = calloc(p->outputs, sizeof *y);
    for (int t = 0; t < 3; t++) {
        uint32_t left = 0;
        OK(pst_step(s, x, p->inputs, y, p->outputs));
        for (uint64_t expect = info.settle_units; expect > (t == 1 ? e->caller->touch_units / 2 : 0);) {
            OK(pst_settle(s, 1, &left));
            assert_int_equal(left, --expect);
        }
    }
    uint32_t left = 1;
    OK(pst_settle(s, 1, &left));
    assert_int_equal(left, 0);
    pst_stream_close(s);
    free(x);
    free(y);
}

enum { DISTINCT, TOGETHER, ANYWHERE }; /* CPUs: one each, one for all, not said */

typedef struct {
    const char *name;
    model_part part;
    uint32_t inputs, cores;
    int where, caller;
    uint32_t flags;
    int touches; /* the core with the most does */
} large;

static void check_large(const large *l, const uint32_t cpus[2]) {
    const uint32_t same[] = {cpus[0], cpus[0], cpus[0]};
    const uint32_t *const seats[] = {[DISTINCT] = cpus, [TOGETHER] = same, [ANYWHERE] = NULL};
    pst_model *m = model_make(l->inputs, &l->part, 1, 1, 1);
    pst_program *p = model_program(m, "f32");
    pst_engine *e = engine_on(p, l->cores, seats[l->where], l->caller, l->flags);
    const psti_core *last = e->core[e->cores - 1];
    print_message("%s: %zu + %zu bytes on the last core, its L2 %llu, %zu read again\n", l->name, last->critical_bytes,
                  last->settle_bytes, (unsigned long long)e->l2_bytes, last->touch_bytes);
    assert_true(e->l2_bytes || l->where == ANYWHERE);
    touches_are_right(e, e->l2_bytes && !(l->flags & PST_ENGINE_NO_TOUCH) ? e->l2_bytes : UINT64_MAX);
    assert_int_equal(last->touch_bytes != 0, l->touches);
    units_count_down(e, p);
    pst_engine_close(e);
    pst_program_free(p);
    pst_model_free(m);
}

/* A core of two has 8 (inputs + units) bytes of each unit of a layer: half of 4 gates of 4 bytes. */
static uint32_t units_for(double bytes) {
    return 4 * (uint32_t)(sqrt(bytes) / 4);
}

static void test_touch(void **unused) {
    (void)unused;
    static const model_part small = MODEL_LSTM(8);
    pst_model *m = model_make(4, &small, 1, 1, 1);
    pst_program *p = model_program(m, "f32");
    pst_engine *e = engine_on(p, 2, NULL, PST_CALLER_CORE, 0);
    const uint32_t cpus[2] = {e->cpus[0], e->cpus[1]};
    uint64_t l2 = e->l2_bytes;
    touches_are_right(e, UINT64_MAX);
    pst_engine_close(e);
    pst_program_free(p);
    pst_model_free(m);
    if (!l2 || l2 > (uint64_t)16 << 20) {
        print_message("skipped: the L2 of a core is not known, or more than a test can exceed\n");
        skip();
    }
    double bytes = (double)l2;
    uint32_t square = units_for(1.5 * bytes / 16), tall = units_for(1.5 * bytes / 8),
             fits = units_for(0.6 * bytes / 16);
    uint32_t between = (uint32_t)(0.92 * bytes / (16 * 20)) - 44; /* 44 units: 20 of them just fit in L2, 24 do not */
    const large all[] = {
        {"more than L2", MODEL_LSTM(square), square, 2, DISTINCT, PST_CALLER_CORE, 0, 1},
        {"caller apart", MODEL_LSTM(square), square, 2, DISTINCT, PST_CALLER_APART, 0, 1},
        {"a third of an L2", MODEL_LSTM(square), square, 3, TOGETHER, PST_CALLER_CORE, 0, 1},
        {"little of it critical", MODEL_LSTM(tall), 7, 2, DISTINCT, PST_CALLER_CORE, 0, 1},
        {"too much for one core only", MODEL_LSTM(44), between, 2, DISTINCT, PST_CALLER_CORE, 0, 1},
        {"not asked for", MODEL_LSTM(square), square, 2, DISTINCT, PST_CALLER_CORE, PST_ENGINE_NO_TOUCH, 0},
        {"less than L2", MODEL_LSTM(fits), fits, 2, DISTINCT, PST_CALLER_CORE, 0, 0},
        {"nothing to settle", MODEL_LINEAR(3 * square), 3 * square, 2, DISTINCT, PST_CALLER_CORE, 0, 0},
        {"L2 not known", MODEL_LSTM(square), square, 1, ANYWHERE, PST_CALLER_CORE, 0, 0},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        check_large(&all[i], cpus);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_several_cores),
        cmocka_unit_test(test_touch),
    };
    alarm(250); /* a hang is a failure */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
