/* How long a step of a program takes on this host. */
#include "base/status.h"
#include "compile/compile.h"
#include "engine/idle.h"
#include "host/host.h"

#define SPACING_NS 20000u /* of steps, at least: a settle and some rest */

static pst_status step(pst_stream *stream, const float *x, uint32_t inputs, float *y, uint32_t outputs, double *us) {
    uint64_t begin = psti_now();
    pst_status status = pst_step(stream, x, inputs, y, outputs);
    uint64_t end = psti_now();
    *us = 1e-3 * (double)(end - begin);
    if (!status)
        status = pst_settle(stream, 0, NULL);
    while (psti_now() < begin + SPACING_NS + 2 * (end - begin))
        ;
    return status;
}

pst_status psti_time_steps(const pst_program *p, const psti_data *data, const pst_compile_options *o, uint32_t steps,
                           double *us) {
    pst_engine_options options;
    PST_INIT(options);
    options.level = o->level;
    options.cores = o->cores;
    pst_engine *e = NULL;
    pst_stream *stream = NULL;
    psti_arena arena = {0};
    double *took = psti_arena_take(&arena, steps, sizeof *took);
    float *y = psti_arena_take(&arena, p->outputs, sizeof *y);
    pst_status status = took && y ? pst_engine_open(p, &options, &e) : PST_E_MEMORY;
    if (!status)
        status = pst_stream_open(e, NULL, &stream);
    for (uint32_t i = 0; i < steps && !status; i++)
        status = step(stream, data->x + i % data->steps * p->inputs, p->inputs, y, p->outputs, &took[i]);
    if (!status)
        *us = psti_host_median(took, steps);
    pst_stream_close(stream);
    pst_engine_close(e);
    psti_arena_free(&arena);
    return status;
}
