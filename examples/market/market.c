/* Forecasts the size of the next daily move of the S&P 500, one step a day:
 *
 *     market market.pstk < returns.csv
 *
 * Reads lines "date,return in percent"; prints "date,forecast": the size, in percent, that the next day's return is
 * expected to have. The model reads a return and its size and answers with the logarithm of the next size. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <penstock.h>

static int fail(const char *what) {
    pst_error e;
    PST_INIT(e);
    pst_last_error(&e);
    fprintf(stderr, "market: %s: %s\n", what, e.message);
    return 1;
}

/* Streams standard input through s. 0, or 1 after a message. */
static int forecast(pst_stream *s) {
    char line[128];
    for (unsigned long number = 1; fgets(line, sizeof line, stdin); number++) {
        char *comma = strchr(line, ','), *end = comma;
        float x[2], y[1];
        if (comma)
            x[0] = strtof(comma + 1, &end);
        if (!comma || end == comma + 1 || (*end != '\n' && *end != '\0')) {
            fprintf(stderr, "market: line %lu is not \"date,return\"\n", number);
            return 1;
        }
        x[1] = fabsf(x[0]);
        if (pst_step(s, x, 2, y, 1))
            return fail("step");
        printf("%.*s,%.4f\n", (int)(comma - line), line, (double)expf(y[0]));
        if (pst_settle(s, 0, NULL)) /* until the next day comes there is time for what does not depend on it */
            return fail("settle");
    }
    return 0;
}

int main(int argc, char **argv) {
    pst_program *program = NULL;
    pst_engine *engine = NULL;
    pst_stream *stream = NULL;
    int failed;
    if (argc != 2) {
        fprintf(stderr, "usage: market PROGRAM.pstk < returns.csv\n");
        return 2;
    }
    if (pst_program_open(argv[1], &program) || pst_engine_open(program, NULL, &engine) ||
        pst_stream_open(engine, NULL, &stream))
        failed = fail("open");
    else
        failed = forecast(stream);
    pst_stream_close(stream);
    pst_engine_close(engine);
    pst_program_free(program);
    return failed;
}
