/* The bytes of a saved state, field by field, and states that are sound by their hash but not by their content. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/hash.h"
#include "base/number.h"
#include "stream/stream.h"
#include "support/expect.h"
#include "support/model.h"

enum { HEADER = 32, INPUTS = 4, UNITS = 19, ABOVE = 6, OUTPUTS = 2, STATE = 1024 };

static const model_part parts[] = {MODEL_LSTM_STATE(UNITS), MODEL_LSTM(ABOVE), MODEL_LINEAR(OUTPUTS)};

typedef struct {
    pst_program *program;
    pst_engine *engine;
    pst_stream *stream;
    size_t bytes;
    unsigned char state[STATE];
} subject;

/* The formats here: those of one encoding each first, by its number; then with rests, of x (w8r: of layer 1's h, too).
 */
static const char *const formats[] = {"f32", "bf16", "w8a16", "w8a8", "w4r", "w8r", "ih=w3r,hh=w4a8"};
enum { FORMATS = sizeof formats / sizeof *formats };
/* Bytes of a unit of h as W_hh reads it; of an input as a rest of W_ih reads it. */
static const size_t h_bytes[FORMATS] = {4, 2, 2, 1, 2, 2, 1}, x_bytes[FORMATS] = {0, 0, 0, 0, 1, 2, 1};

static subject make(int format) {
    subject s = {0};
    float x[4] = {0.5f, -1, 3, 0.25f}, y[OUTPUTS];
    pst_model *m = model_make(4, parts, 3, 21, 1.5);
    s.program = model_program(m, formats[format]);
    s.engine = model_engine(s.program, NULL);
    s.stream = model_stream(s.engine);
    s.bytes = pst_stream_state_size(s.stream);
    OK(pst_step(s.stream, x, 4, y, OUTPUTS));
    OK(pst_stream_save(s.stream, s.state, sizeof s.state));
    pst_model_free(m);
    return s;
}

static void drop(subject *s) {
    pst_stream_close(s->stream);
    pst_engine_close(s->engine);
    pst_program_free(s->program);
}

static size_t padded(size_t n) {
    return (n + 7) / 8 * 8;
}

static size_t input_bytes(int format, int layer) {
    return x_bytes[format] ? padded(x_bytes[format] * (layer ? UNITS : INPUTS) + 4) : 0;
}

/* Where layer 0's and layer 1's c and h stand, then its input: each of the two padded to 8. */
static size_t at_c(int format, int layer) {
    return layer ? HEADER + padded(UNITS * (4 + h_bytes[format])) + input_bytes(format, 0) : HEADER;
}

static size_t at_h(int format, int layer) {
    return at_c(format, layer) + 4 * (size_t)(layer ? ABOVE : UNITS);
}

static size_t at_input(int format, int layer) {
    return padded(at_h(format, layer) + (layer ? ABOVE : UNITS) * h_bytes[format]);
}

static void rehash(subject *s, unsigned char *state) {
    uint64_t hash = psti_hash(state, s->bytes - 8);
    memcpy(state + s->bytes - 8, &hash, 8);
}

/* The digits of what layer l has read in the last step, high ones first, and 2^e of x; h's scale is static. */
static void is_input(const subject *s, int f, int l) {
    static const float x[INPUTS] = {0.5f, -1, 3, 0.25f};
    const psti_part *part = s->stream->part;
    uint32_t width = l ? UNITS : INPUTS;
    psti_operand o = psti_vector_operand(s->engine->caller->layers[l].in, part->slot, (int)(part->time & 1),
                                         s->program->layers[l].matrix[PSTI_MATRIX_INPUT_REST].encoding);
    const unsigned char *in = s->state + at_input(f, l);
    assert_memory_equal(in, o.code, width);
    if (x_bytes[f] == 2)
        assert_memory_equal(in + width, o.low, width);
    float scale;
    memcpy(&scale, in + x_bytes[f] * width, sizeof scale);
    assert_true(scale == (l ? 0 : 4));
    for (size_t i = x_bytes[f] * width + 4; i < input_bytes(f, l); i++)
        assert_int_equal(in[i], 0);
    for (uint32_t i = 0; l == 0 && i < INPUTS; i++) {
        int code = x_bytes[f] == 2 ? 256 * (signed char)in[i] + (signed char)in[INPUTS + i] : (signed char)in[i];
        assert_int_equal(code, (int)lrintf(x[i] / 4 * (x_bytes[f] == 2 ? 32512.0f : 127.0f)));
    }
}

static void test_layout(void **unused) {
    (void)unused;
    for (int f = 0; f < FORMATS; f++) {
        subject s = make(f);
        uint32_t version;
        uint64_t program, bytes, hash;
        memcpy(&version, s.state + 8, 4);
        memcpy(&program, s.state + 16, 8);
        memcpy(&bytes, s.state + 24, 8);
        memcpy(&hash, s.state + s.bytes - 8, 8);
        assert_memory_equal(s.state, "PSTSTATE", 8);
        assert_int_equal(version, 1);
        assert_memory_equal(s.state + 12, "\0\0\0", 4);
        assert_true(program == s.program->hash);
        assert_int_equal(bytes, s.bytes);
        assert_true(hash == psti_hash(s.state, s.bytes - 8));
        assert_int_equal(s.bytes, at_input(f, 1) + input_bytes(f, 1) + 8);
        for (int l = 0; l < 2; l++) {
            const psti_part *part = s.stream->part;
            const psti_placed *layer = &s.engine->caller->layers[l];
            uint32_t units = l ? ABOVE : UNITS;
            psti_h_code h = psti_stream_h_code(part, layer);
            assert_memory_equal(s.state + at_c(f, l), part->slot + layer->c[part->time & 1], 4 * units);
            assert_memory_equal(s.state + at_h(f, l), h.part[0], h.bytes[0]);
            assert_int_equal(h.bytes[0] + h.bytes[1], units * h_bytes[f]);
            if (h.bytes[1])
                assert_memory_equal(s.state + at_h(f, l) + h.bytes[0], h.part[1], h.bytes[1]);
            for (size_t i = at_h(f, l) + units * h_bytes[f]; i < at_input(f, l); i++)
                assert_int_equal(s.state[i], 0);
            if (x_bytes[f])
                is_input(&s, f, l);
        }
        drop(&s);
    }
}

static void refused(subject *s, pst_status status, size_t at, const void *value, size_t n, const char *says) {
    unsigned char state[STATE], now[STATE];
    memcpy(state, s->state, s->bytes);
    memcpy(state + at, value, n);
    rehash(s, state);
    FAILS(status, pst_stream_restore(s->stream, state, s->bytes));
    SAYS(says);
    OK(pst_stream_save(s->stream, now, sizeof now));
    assert_memory_equal(now, s->state, s->bytes);
    int mends = 0; /* there a save finishes the settle */
    for (uint32_t i = 0; i < s->engine->count; i++)
        mends |= s->engine->caller->layers[i].mends;
    assert_true(mends || s->stream->part->owing);
}

static void test_values(void **unused) {
    (void)unused;
    static const float bad[] = {NAN, INFINITY, -INFINITY, 0x1p62f};
    static const uint16_t bad_bf16[] = {0x7fc0, 0x7f80, 0xff80, 0x5f00};
    const signed char least = -128;
    for (int f = 0; f < FORMATS; f++) {
        subject s = make(f);
        for (int l = 0; l < 2; l++)
            for (size_t u = 0; u < (l ? ABOVE : UNITS); u++) {
                for (size_t b = 0; b < 4; b++) {
                    refused(&s, PST_E_CORRUPT, at_c(f, l) + 4 * u, &bad[b], 4, "c:");
                    if (f == 0)
                        refused(&s, PST_E_CORRUPT, at_h(f, l) + 4 * u, &bad[b], 4, "h:");
                    if (f == 1)
                        refused(&s, PST_E_CORRUPT, at_h(f, l) + 2 * u, &bad_bf16[b], 2, "h:");
                }
                if (f >= 2) /* the high or only digit; a low one may be -128 */
                    refused(&s, PST_E_CORRUPT, at_h(f, l) + u, &least, 1, "h:");
            }
        drop(&s);
    }
}

/* Of a layer's last input: digits that no step writes, scales that are no 2^e or out of range, padding. */
static void test_inputs(void **unused) {
    (void)unused;
    const signed char least = -128, most = 127, low = 127;
    static const float bad[] = {0, -1, 3, 0x1p-61f, 0x1p62f, NAN, INFINITY};
    for (int f = 0; f < FORMATS; f++) {
        if (!x_bytes[f])
            continue;
        subject s = make(f);
        for (int l = 0; l < 2; l++) {
            size_t width = l ? UNITS : INPUTS, at = at_input(f, l), scale = at + x_bytes[f] * width;
            for (size_t i = 0; i < width; i++) {
                refused(&s, PST_E_CORRUPT, at + i, &least, 1, "input: a value");
                if (x_bytes[f] == 2) { /* 256 * 127 + 127 */
                    unsigned char both[2 * UNITS];
                    memcpy(both, s.state + at, 2 * width);
                    both[i] = (unsigned char)most;
                    both[width + i] = (unsigned char)low;
                    refused(&s, PST_E_CORRUPT, at, both, 2 * width, "input: a value");
                }
            }
            for (size_t b = 0; b < sizeof bad / sizeof *bad; b++)
                if (l == 0 || bad[b] != 0)
                    refused(&s, PST_E_CORRUPT, scale, &bad[b], 4, "input: its scale");
            if (scale + 4 < at + input_bytes(f, l))
                refused(&s, PST_E_CORRUPT, scale + 4, &most, 1, "padding");
        }
        drop(&s);
    }
}

/* What settle mends is mended before it is saved, wherever the settle stood: the same bytes, and the same answers. */
static void test_mended(void **unused) {
    (void)unused;
    for (int f = 4; f < FORMATS; f++) {
        subject s = make(f);
        for (uint32_t i = 0; i < 2; i++) {
            s.program->layers[i].mends = 1;
            s.program->layers[i].rho = 0.5f;
        }
        pst_engine *e = model_engine(s.program, NULL);
        pst_stream *one = model_stream(e), *two = model_stream(e);
        unsigned char settled[STATE], state[STATE];
        for (uint32_t units = 0; units < e->caller->settle_units + 2; units++) {
            float x[INPUTS] = {0.5f, -1, (float)units, 0.25f}, y[2][OUTPUTS];
            OK(pst_step(one, x, 4, y[0], OUTPUTS));
            OK(pst_step(two, x, 4, y[1], OUTPUTS));
            assert_memory_equal(y[0], y[1], sizeof y[0]);
            if (units)
                OK(pst_settle(one, units, NULL));
            OK(pst_settle(two, 0, NULL));
            const psti_placed *layer = &e->caller->layers[0];
            OK(pst_stream_save(one, state, STATE));
            assert_memory_equal(two->part->slot + layer->c[two->part->time & 1], state + at_c(f, 0), 4 * UNITS);
            OK(pst_stream_save(two, settled, STATE));
            assert_memory_equal(settled, state, s.bytes);
            float c[UNITS + ABOVE], h[UNITS + ABOVE];
            OK(pst_stream_get_state(one, h, c, UNITS + ABOVE));
            assert_memory_equal(c, state + at_c(f, 0), 4 * UNITS);
            assert_memory_equal(c + UNITS, state + at_c(f, 1), 4 * ABOVE);
            if (units % 3 == 1) { /* a third stream goes on from there */
                pst_stream_close(two);
                two = model_stream(e);
                OK(pst_stream_restore(two, state, s.bytes));
            }
        }
        pst_stream_close(one);
        pst_stream_close(two);
        pst_engine_close(e);
        drop(&s);
    }
}

static void test_header(void **unused) {
    (void)unused;
    for (int f = 0; f < FORMATS; f++) {
        subject s = make(f);
        const uint32_t version = 2;
        const uint64_t other = 12345, bytes[] = {0, 39, s.bytes - 8, s.bytes + 8, UINT64_MAX};
        refused(&s, PST_E_UNSUPPORTED, 8, &version, 4, "version 2");
        refused(&s, PST_E_MISMATCH, 16, &other, 8, "saved under program");
        for (size_t i = 0; i < 5; i++)
            refused(&s, PST_E_CORRUPT, 24, &bytes[i], 8, "state");
        drop(&s);
    }
}

/* Every value that passes gives a stream that answers with finite numbers: seeded noise in c and h. */
static void test_any_content(void **unused) {
    (void)unused;
    model_noise noise = {5};
    for (int f = 0; f < FORMATS; f++) {
        subject s = make(f);
        int taken = 0;
        for (int round = 0; round < 400; round++) {
            unsigned char state[STATE];
            float x[4] = {1, 2, 3, 4}, y[OUTPUTS];
            memcpy(state, s.state, s.bytes);
            for (size_t i = HEADER; i < s.bytes - 8; i++)
                if (model_choose(&noise, 24) == 0)
                    state[i] = (unsigned char)model_next(&noise);
            rehash(&s, state);
            if (pst_stream_restore(s.stream, state, s.bytes))
                continue;
            taken++;
            for (int t = 0; t < 3; t++) {
                OK(pst_step(s.stream, x, 4, y, OUTPUTS));
                assert_true(isfinite(y[0]) && isfinite(y[1]));
            }
        }
        assert_true(taken > 20);
        drop(&s);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_layout), cmocka_unit_test(test_values),
                                       cmocka_unit_test(test_header), cmocka_unit_test(test_any_content),
                                       cmocka_unit_test(test_inputs), cmocka_unit_test(test_mended)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
