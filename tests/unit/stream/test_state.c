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

enum { HEADER = 32, UNITS = 19, ABOVE = 6, OUTPUTS = 2, STATE = 1024 };

static const model_part parts[] = {MODEL_LSTM_STATE(UNITS), MODEL_LSTM(ABOVE), MODEL_LINEAR(OUTPUTS)};

typedef struct {
    pst_program *program;
    pst_engine *engine;
    pst_stream *stream;
    size_t bytes;
    unsigned char state[STATE];
} subject;

static subject make(int format) {
    subject s = {0};
    float x[4] = {0.5f, -1, 3, 0.25f}, y[OUTPUTS];
    pst_model *m = model_make(4, parts, 3, 21, 1.5);
    s.program = model_program(m, model_formats[format]);
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

static const size_t h_bytes[PSTI_ENCODINGS] = {4, 2, 2, 1};

/* Where layer 0's and layer 1's c and h stand: each layer padded to 8. */
static size_t at_c(int format, int layer) {
    return layer ? HEADER + (UNITS * (4 + h_bytes[format]) + 7) / 8 * 8 : HEADER;
}

static size_t at_h(int format, int layer) {
    return at_c(format, layer) + 4 * (size_t)(layer ? ABOVE : UNITS);
}

static void rehash(subject *s, unsigned char *state) {
    uint64_t hash = psti_hash(state, s->bytes - 8);
    memcpy(state + s->bytes - 8, &hash, 8);
}

static void test_layout(void **unused) {
    (void)unused;
    for (int f = 0; f < MODEL_FORMATS; f++) {
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
        size_t end = at_h(f, 1) + ABOVE * h_bytes[f];
        assert_int_equal(s.bytes, (end + 7) / 8 * 8 + 8);
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
            size_t next = l ? s.bytes - 8 : at_c(f, 1);
            for (size_t i = at_h(f, l) + units * h_bytes[f]; i < next; i++)
                assert_int_equal(s.state[i], 0);
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
    assert_true(s->stream->part->owing);
}

static void test_values(void **unused) {
    (void)unused;
    static const float bad[] = {NAN, INFINITY, -INFINITY, 0x1p62f};
    static const uint16_t bad_bf16[] = {0x7fc0, 0x7f80, 0xff80, 0x5f00};
    const signed char least = -128;
    for (int f = 0; f < MODEL_FORMATS; f++) {
        subject s = make(f);
        for (int l = 0; l < 2; l++)
            for (size_t u = 0; u < (l ? ABOVE : UNITS); u++) {
                for (size_t b = 0; b < 4; b++) {
                    refused(&s, PST_E_CORRUPT, at_c(f, l) + 4 * u, &bad[b], 4, "c:");
                    if (f == PSTI_F32)
                        refused(&s, PST_E_CORRUPT, at_h(f, l) + 4 * u, &bad[b], 4, "h:");
                    if (f == PSTI_BF16)
                        refused(&s, PST_E_CORRUPT, at_h(f, l) + 2 * u, &bad_bf16[b], 2, "h:");
                }
                if (f >= PSTI_W8A16) /* the high or only digit; a low one may be -128 */
                    refused(&s, PST_E_CORRUPT, at_h(f, l) + u, &least, 1, "h:");
            }
        drop(&s);
    }
}

static void test_header(void **unused) {
    (void)unused;
    for (int f = 0; f < MODEL_FORMATS; f++) {
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
    for (int f = 0; f < MODEL_FORMATS; f++) {
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
                                       cmocka_unit_test(test_header), cmocka_unit_test(test_any_content)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
