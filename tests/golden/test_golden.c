/* Every golden through checkpoint, compile, engine and run, in every format of 8 bits and more, against PyTorch's
 * float64 answer. Runs at the level that PENSTOCK_ISA names, else at the machine's best; scalar must give the same
 * bits, in the formats of fewer bits, too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "support/golden.h"

/* What an engine adds to its format's rounding is the rounding of fp32 sums and functions: below 1e-7 in f32 over all
 * cases, rms, of answers of size 1. That moves a value across a rounding border now and then, which changes the figure
 * that the float64 simulation of the format gives, but by less than the band. An error below the band means that
 * something was not rounded, one above it that something was rounded twice, scaled wrongly or left out. */
#define FP32 3e-7
#define BAND 0.1

#define NO_FIGURE (-2) /* no float64 simulation was made: only the levels are compared */

typedef struct {
    const char *format;
    int column; /* of golden.rounding; -1: nothing is rounded but fp32 sums; NO_FIGURE */
    double worst;
    int cases;
} run;

static int told(const golden *g, const char *format, const char *call) {
    pst_error e;
    PST_INIT(e);
    pst_last_error(&e);
    fprintf(stderr, "golden %s, %s: %s: %s\n", g->name, format, call, e.message ? e.message : "no message");
    return -1;
}

static int answer(const golden *g, const char *format, const char *level, float *y) {
    pst_compile_options how;
    pst_engine_options where;
    pst_program *program = NULL;
    pst_engine *engine = NULL;
    int result = 0;
    PST_INIT(how);
    PST_INIT(where);
    how.format = format;
    how.flags = PST_COMPILE_UNCERTIFIED;
    where.level = level;
    if (pst_compile(g->model, &how, &program))
        result = told(g, format, "pst_compile");
    else if (pst_engine_open(program, &where, &engine))
        result = told(g, format, "pst_engine_open");
    for (uint64_t s = 0; s < g->sequences && !result; s++) {
        pst_stream *stream = NULL;
        if (pst_stream_open(engine, NULL, &stream))
            result = told(g, format, "pst_stream_open");
        else if (pst_run(stream, g->x.f32 + s * g->steps * g->inputs, g->steps, y + s * g->steps * g->outputs))
            result = told(g, format, "pst_run");
        pst_stream_close(stream);
    }
    pst_engine_close(engine);
    pst_program_free(program);
    return result;
}

static int compare(const golden *g, void *user) {
    run *r = user;
    pst_certificate c;
    PST_INIT(c);
    size_t bytes = g->y.count * sizeof(float);
    float *y = malloc(bytes), *scalar = malloc(bytes);
    int result = y && scalar ? answer(g, r->format, getenv("PENSTOCK_ISA"), y) : -1;
    if (!result)
        result = answer(g, r->format, "scalar", scalar);
    if (!result && memcmp(y, scalar, bytes) != 0)
        result = golden_fail(g, "scalar gives other bits");
    if (!result && pst_compare(y, g->y.f64, g->sequences, g->steps, g->outputs, &c))
        result = told(g, r->format, "pst_compare");
    free(scalar);
    free(y);
    if (result)
        return result;
    double largest = 1;
    for (size_t k = 0; k < g->y.count; k++)
        largest = fmax(largest, fabs(g->y.f64[k]));
    double rounding = r->column < 0 ? 0 : g->rounding[r->column], slack = FP32 * largest;
    double least = (1 - BAND) * rounding - slack, most = (1 + BAND) * rounding + slack;
    r->worst = fmax(r->worst, c.rms);
    r->cases++;
    if (getenv("PENSTOCK_GOLDEN_VERBOSE"))
        print_message("%-24s %-6s rms %.3g of %.3g to %.3g, max %.3g\n", g->name, r->format, c.rms, least, most,
                      c.max_abs);
    if (r->column == NO_FIGURE)
        return 0;
    if (!(c.rms >= least && c.rms <= most)) {
        fprintf(stderr, "golden %s, %s: rms error %g, expected %g to %g\n", g->name, r->format, c.rms, least, most);
        return 1;
    }
    return 0;
}

static void check(const char *format, int column) {
    run r = {.format = format, .column = column};
    int count = golden_each(compare, &r);
    print_message("%s: %d cases, largest rms error %.2g\n", format, r.cases, r.worst);
    assert_true(count > 0);
}

static void f32(void **unused) {
    (void)unused;
    check("f32", -1);
}

static void bf16(void **unused) {
    (void)unused;
    check("bf16", 0);
}

static void w8a16(void **unused) {
    (void)unused;
    check("w8a16", 1);
}

static void w8a8(void **unused) {
    (void)unused;
    check("w8a8", 2);
}

static void fewer_bits(void **unused) {
    (void)unused;
    static const char *const formats[] = {
        "w6a16", "w4a16", "w4a8", "w3a8", "w2a8", "w8r", "w6r", "w4r", "w3r", "w2r", "ih=w4r,hh=w16a16,linear=w2a8"};
    for (size_t f = 0; f < sizeof formats / sizeof *formats; f++)
        check(formats[f], NO_FIGURE);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(f32), cmocka_unit_test(bf16), cmocka_unit_test(w8a16),
                                       cmocka_unit_test(w8a8), cmocka_unit_test(fewer_bits)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
