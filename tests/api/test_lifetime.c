/* Who outlives whom, and what is left behind: closed engines, freed programs, forked children, threads, leaks, and a
 * step whose x and y are one array. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <malloc.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../support/expect.h"
#include "../support/model.h"

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

enum { WIDTH = 24, STEPS = 20 };

/* As wide at the end as at the beginning, so that x and y can be one array. */
static const model_part parts[] = {MODEL_LSTM_STATE(40), MODEL_LSTM(23), MODEL_LINEAR(WIDTH)};

static pst_program *make(const char *format, uint64_t seed) {
    pst_model *m = model_make(WIDTH, parts, 3, seed, 1.5);
    pst_program *p = model_program(m, format);
    pst_model_free(m); /* a program outlives its model */
    return p;
}

static void answer(pst_engine *e, const float *x, float *y) {
    pst_stream *s = model_stream(e);
    OK(pst_run(s, x, STEPS, y));
    pst_stream_close(s);
}

/* ---- one array ----------------------------------------------------------------------------------------------------
 */

static void test_x_is_y(void **unused) {
    (void)unused;
    float *x = model_normals(1, STEPS * WIDTH), y[STEPS * WIDTH];
    for (int f = 0; f < MODEL_FORMATS; f++) {
        pst_program *p = make(model_formats[f], 1);
        pst_engine *e = model_engine(p, NULL);
        pst_stream *s = model_stream(e);
        answer(e, x, y);
        for (int t = 0; t < STEPS; t++) {
            float room[WIDTH + 16], *both = room + t % 16; /* aligned to a float, and no further */
            memcpy(both, x + t * WIDTH, WIDTH * sizeof *both);
            OK(pst_step(s, both, WIDTH, both, WIDTH));
            assert_memory_equal(both, y + t * WIDTH, WIDTH * sizeof *both);
        }
        pst_stream_close(s);
        pst_engine_close(e);
        pst_program_free(p);
    }
    free(x);
}

/* ---- lifetimes ----------------------------------------------------------------------------------------------------
 */

/* An engine copies what it needs of a program. */
static void test_outlives_program(void **unused) {
    (void)unused;
    float *x = model_normals(1, STEPS * WIDTH), y[2][STEPS * WIDTH];
    for (int f = 0; f < MODEL_FORMATS; f++) {
        pst_program *p = make(model_formats[f], 2);
        pst_engine *e = model_engine(p, NULL);
        answer(e, x, y[0]);
        pst_program_free(p);
        answer(e, x, y[1]);
        assert_memory_equal(y[0], y[1], sizeof y[0]);
        pst_engine_info info;
        PST_INIT(info);
        OK(pst_engine_get_info(e, &info));
        assert_true(strlen(info.level) > 0);
        for (size_t i = 0; i < info.shortfall_count; i++)
            assert_true(strlen(info.shortfalls[i]) > 0);
        pst_engine_close(e);
    }
    free(x);
}

/* The first call on s that does not answer `status`, or NULL. Nothing here asserts: a forked child runs it too. */
static const char *answers(pst_stream *s, pst_status status) {
    float x[WIDTH] = {0}, y[WIDTH];
    char state[4096];
    uint32_t left = 1;
    pst_stream *out = NULL;
#define ANSWERS(call)                                                                                                  \
    if ((call) != status)                                                                                              \
        return #call;
    ANSWERS(pst_step(s, x, WIDTH, y, WIDTH))
    ANSWERS(pst_run(s, x, 1, y))
    ANSWERS(pst_settle(s, 0, &left))
    ANSWERS(pst_warm(s))
    ANSWERS(pst_stream_reset(s))
    ANSWERS(pst_stream_save(s, state, sizeof state))
    ANSWERS(pst_stream_restore(s, state, sizeof state))
    ANSWERS(pst_stream_get_state(s, x, y, WIDTH))
    ANSWERS(pst_stream_clone(s, &out))
    return left != 1 || out ? "an output was written" : NULL;
}

static void test_closed_engine(void **unused) {
    (void)unused;
    pst_program *p = make("bf16", 3);
    for (int streams = 0; streams < 4; streams++) {
        pst_engine *e = model_engine(p, NULL);
        pst_stream *s[4];
        float x[WIDTH] = {0}, y[WIDTH];
        for (int i = 0; i < streams; i++)
            s[i] = model_stream(e);
        if (streams > 1)
            OK(pst_step(s[1], x, WIDTH, y, WIDTH)); /* with settle owing */
        pst_engine_close(e);
        for (int i = 0; i < streams; i++) {
            const char *wrong = answers(s[i], PST_E_CLOSED);
            if (wrong)
                fail_msg("after the engine was closed: %s", wrong);
        }
        for (int i = 0; i < streams; i++) {
            if (i + 1 < streams)
                assert_null(answers(s[i + 1], PST_E_CLOSED)); /* until each is closed itself */
            pst_stream_close(s[i]);
        }
    }
    pst_program_free(p);
}

static void test_freeing_nothing(void **unused) {
    (void)unused;
    pst_model_free(NULL);
    pst_program_free(NULL);
    pst_engine_close(NULL);
    pst_stream_close(NULL);
}

/* ---- fork ---------------------------------------------------------------------------------------------------------
 */

/* What the child finds wrong, or NULL. */
static const char *in_child(pst_engine *e, pst_stream *s, const pst_program *p, const float *x, const float *expect) {
    const char *wrong = answers(s, PST_E_FORKED);
    pst_stream *out = NULL;
    pst_engine_info info;
    pst_floor floor;
    float y[STEPS * WIDTH];
    PST_INIT(info);
    PST_INIT(floor);
    if (wrong)
        return wrong;
    if (pst_stream_open(e, NULL, &out) != PST_E_FORKED || out)
        return "pst_stream_open";
    if (pst_engine_get_info(e, &info) != PST_E_FORKED)
        return "pst_engine_get_info";
    if (pst_engine_floor(e, 3, 0, &floor) != PST_E_FORKED)
        return "pst_engine_floor";
    pst_engine *own = model_engine(p, NULL); /* but one of its own works */
    answer(own, x, y);
    if (memcmp(y, expect, sizeof y) != 0)
        return "the bits of the child's own engine";
    pst_engine_close(own);
    pst_stream_close(s);
    pst_engine_close(e);
    return NULL;
}

static void test_fork(void **unused) {
    (void)unused;
    if (getenv("PENSTOCK_EMULATED"))
        skip();
    float *x = model_normals(1, STEPS * WIDTH), expect[STEPS * WIDTH], y[WIDTH];
    for (int owing = 0; owing < 2; owing++) {
        pst_program *p = make("w8a16", 4);
        pst_engine *e = model_engine(p, NULL);
        pst_stream *s = model_stream(e);
        answer(e, x, expect);
        OK(pst_step(s, x, WIDTH, y, WIDTH));
        OK(pst_settle(s, owing ? 1 : 0, NULL));
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            alarm(30); /* a hang is a death by SIGALRM */
            const char *wrong = in_child(e, s, p, x, expect);
            if (wrong)
                fprintf(stderr, "in the forked child: %s\n", wrong);
            _exit(wrong != NULL);
        }
        for (int t = 1; t < STEPS; t++) { /* the parent goes on meanwhile */
            OK(pst_step(s, x + t * WIDTH, WIDTH, y, WIDTH));
            assert_memory_equal(y, expect + t * WIDTH, sizeof y);
        }
        int status = 0;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
        pst_stream_close(s);
        pst_engine_close(e);
        pst_program_free(p);
    }
    free(x);
}

/* ---- leaks --------------------------------------------------------------------------------------------------------
 */

/* Everything that is opened and closed, and everything that fails half-way. */
static void open_and_close(const pst_program *p, const pst_model *m) {
    pst_engine *e = model_engine(p, NULL), *none = NULL;
    pst_stream *s = model_stream(e), *clone, *bad = NULL;
    pst_stream_options initial;
    pst_engine_options o;
    pst_compile_options compile;
    pst_program *program = NULL;
    float x[WIDTH] = {0}, y[WIDTH], h0[63] = {NAN};
    char state[4096];
    PST_INIT(o);
    PST_INIT(initial);
    PST_INIT(compile);
    OK(pst_step(s, x, WIDTH, y, WIDTH));
    OK(pst_stream_clone(s, &clone));
    OK(pst_stream_save(s, state, sizeof state));
    OK(pst_stream_restore(clone, state, sizeof state));
    initial.h0 = h0;
    FAILS(PST_E_NONFINITE, pst_stream_open(e, &initial, &bad));
    o.level = "none";
    FAILS(PST_E_ARGUMENT, pst_engine_open(p, &o, &none));
    compile.certificate_steps = 2;
    compile.tolerance_abs = 1e-30;
    FAILS(PST_E_TOLERANCE, pst_compile(m, &compile, &program));
    pst_stream_close(s);
    pst_engine_close(e);
    pst_stream_close(clone);
}

static size_t mapped_pages(void) {
    size_t pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f && fscanf(f, "%zu", &pages) != 1)
        pages = 0;
    if (f)
        fclose(f);
    return pages;
}

static void test_no_leak(void **unused) {
    (void)unused;
    enum { ROUNDS = 1000, FIRST = 20 };
    pst_model *m = model_make(WIDTH, parts, 3, 6, 1.5);
    pst_program *p = model_program(m, "w8a8");
    for (int i = 0; i < FIRST; i++)
        open_and_close(p, m);
    struct mallinfo2 before = mallinfo2();
    size_t pages = mapped_pages();
    for (int i = 0; i < (SANITIZED ? 20 : ROUNDS); i++)
        open_and_close(p, m);
    if (!SANITIZED) { /* whose own memory grows; it has its own way of counting */
        struct mallinfo2 after = mallinfo2();
        /* one block a round would be 16,000 bytes at least; what the allocator keeps for itself varies by less */
        assert_true(after.uordblks < before.uordblks + 16 * ROUNDS);
        assert_int_equal(after.hblkhd, before.hblkhd);
        assert_int_equal(mapped_pages(), pages);
    }
    pst_program_free(p);
    pst_model_free(m);
}

/* ---- threads ------------------------------------------------------------------------------------------------------
 */

typedef struct {
    const pst_program *program; /* shared */
    const pst_model *model;
    const float *x;
    const float *expect;
    int wrong;
} job;

static void *drive(void *user) {
    job *j = user;
    float y[STEPS * WIDTH];
    for (int i = 0; i < 30 && !j->wrong; i++) {
        pst_engine *e = model_engine(j->program, NULL);
        pst_stream *s = model_stream(e);
        for (int t = 0; t < STEPS; t++)
            j->wrong |= pst_step(s, j->x + t * WIDTH, WIDTH, y + t * WIDTH, WIDTH) || pst_settle(s, i % 4, NULL) ||
                        (t % 7 == 0 && pst_warm(s));
        j->wrong |= memcmp(y, j->expect, sizeof y) != 0;
        pst_stream_close(s);
        pst_engine_close(e);
        if (i % 10 == 0)
            pst_program_free(model_program(j->model, "bf16"));
    }
    return NULL;
}

/* Two engines of one program, side by side, while each thread also compiles the shared model. */
static void test_two_threads(void **unused) {
    (void)unused;
    float *x = model_normals(1, STEPS * WIDTH), expect[STEPS * WIDTH];
    pst_model *m = model_make(WIDTH, parts, 3, 7, 1.5);
    for (int f = 0; f < MODEL_FORMATS; f++) {
        pst_program *p = model_program(m, model_formats[f]);
        pst_engine *e = model_engine(p, NULL);
        answer(e, x, expect);
        job jobs[2] = {{p, m, x, expect, 0}, {p, m, x, expect, 0}};
        pthread_t thread[2];
        for (int i = 0; i < 2; i++)
            assert_int_equal(pthread_create(&thread[i], NULL, drive, &jobs[i]), 0);
        for (int i = 0; i < 2; i++)
            pthread_join(thread[i], NULL);
        assert_false(jobs[0].wrong);
        assert_false(jobs[1].wrong);
        pst_engine_close(e);
        pst_program_free(p);
    }
    pst_model_free(m);
    free(x);
}

static void *other_error(void *user) {
    pst_stream *s = user;
    float x[WIDTH] = {0}, y[WIDTH];
    if (expect_error().status != PST_OK) /* none yet in this thread */
        return "an error before any";
    if (pst_step(s, x, WIDTH + 1, y, WIDTH) != PST_E_SHAPE || expect_error().found != WIDTH + 1)
        return "this thread's own error";
    return NULL;
}

/* One thread at a time drives the stream; each keeps its own last error. */
static void test_error_of_thread(void **unused) {
    (void)unused;
    pst_program *p = make("f32", 8);
    pst_engine *e = model_engine(p, NULL);
    pst_stream *s = model_stream(e);
    float x[WIDTH] = {0}, y[WIDTH];
    pthread_t thread;
    void *wrong;
    x[5] = NAN;
    FAILS(PST_E_NONFINITE, pst_step(s, x, WIDTH, y, WIDTH));
    const char *message = expect_error().message;
    assert_int_equal(pthread_create(&thread, NULL, other_error, s), 0);
    pthread_join(thread, &wrong);
    assert_null(wrong);
    assert_int_equal(expect_error().found, 5);
    assert_ptr_equal(expect_error().message, message);
    SAYS("x[5]");
    x[5] = 0;
    OK(pst_step(s, x, WIDTH, y, WIDTH)); /* a call that succeeds leaves it */
    assert_int_equal(expect_error().status, PST_E_NONFINITE);
    SAYS("x[5]");
    pst_stream_close(s);
    pst_engine_close(e);
    pst_program_free(p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_x_is_y),        cmocka_unit_test(test_outlives_program),
        cmocka_unit_test(test_closed_engine), cmocka_unit_test(test_freeing_nothing),
        cmocka_unit_test(test_fork),          cmocka_unit_test(test_no_leak),
        cmocka_unit_test(test_two_threads),   cmocka_unit_test(test_error_of_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
