/* What calibration says: an f32 program of the model is run over it on this host, since the float64 reference would
 * take too long, and the vectors that matrices read are looked at in every step. f32 gives the same bits at every
 * level, so nothing that comes of it depends on the host. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "compile/compile.h"
#include "stream/stream.h"

#define MOST_FEATURE_SHIFT 20  /* of 2^-k */
#define LARGEST_FOLDED 0x1p38f /* of a weight of a feature that is made smaller by 2^k */
#define LEAST_UNEVEN 4.0f      /* ranges that differ by less are even enough */

static float largest_of(const float *v, uint32_t n, float largest) {
    for (uint32_t i = 0; v && i < n; i++)
        largest = fmaxf(largest, fabsf(v[i]));
    return largest;
}

/* ---- features of x ------------------------------------------------------------------------------------------------
 */

static const float *first_weight(const pst_model *m, uint32_t *rows) {
    const psti_layer *layer = &m->layers[0];
    *rows = layer->kind == PSTI_KIND_lstm ? PSTI_GATES * layer->outputs : layer->outputs;
    return layer->kind == PSTI_KIND_lstm     ? layer->tensor[PSTI_LSTM_W_IH]
           : layer->kind == PSTI_KIND_linear ? layer->tensor[PSTI_LINEAR_WEIGHT]
                                             : NULL;
}

/* The powers of two that bring every feature's range down to that of the smallest, as far as its weights can grow. */
static void even_out(const pst_model *m, const float *largest, float *feature) {
    uint32_t rows;
    const float *w = first_weight(m, &rows);
    float smallest = INFINITY;
    for (uint32_t i = 0; i < m->inputs; i++)
        if (largest[i] > 0)
            smallest = fminf(smallest, largest[i]);
    for (uint32_t i = 0; i < m->inputs; i++) {
        float of_weights = 0;
        for (uint32_t row = 0; row < rows; row++)
            of_weights = fmaxf(of_weights, fabsf(w[(size_t)row * m->inputs + i]));
        feature[i] = 1;
        for (int k = 0; k < MOST_FEATURE_SHIFT && largest[i] * feature[i] >= 2 * smallest &&
                        of_weights / feature[i] < LARGEST_FOLDED;
             k++)
            feature[i] *= 0.5f;
    }
}

static pst_status find_features(const pst_model *m, const psti_data *data, psti_calibration *c) {
    float *largest = psti_arena_take(&c->arena, m->inputs, sizeof *largest);
    float *feature = psti_arena_take(&c->arena, m->inputs, sizeof *feature), least = 1;
    uint32_t rows;
    if (!largest || !feature)
        return PST_E_MEMORY;
    if (!first_weight(m, &rows))
        return PST_OK;
    for (uint64_t s = 0; s < data->sequences; s++)
        for (uint64_t t = 0; t < data->steps; t++)
            for (uint32_t i = 0; i < m->inputs; i++)
                largest[i] = fmaxf(largest[i], fabsf(data->x[((size_t)(s * data->stride + t)) * m->inputs + i]));
    even_out(m, largest, feature);
    for (uint32_t i = 0; i < m->inputs; i++)
        least = fminf(least, feature[i]);
    c->feature = least <= 1 / LEAST_UNEVEN ? feature : NULL;
    return PST_OK;
}

/* ---- the run ------------------------------------------------------------------------------------------------------
 */

/* Values of the vector that a layer of the f32 program makes. */
static const float *output_of(const pst_stream *s, uint32_t layer) {
    const psti_vector *v = s->engine->caller->layers[layer].out;
    size_t code = v->code[s->part->time & 1][PSTI_OPERAND_F32];
    return (const float *)(s->part->slot + (code != PSTI_NOWHERE ? code : v->value));
}

static int has_matrix(const psti_layer *layer) {
    return layer->kind == PSTI_KIND_lstm || layer->kind == PSTI_KIND_linear;
}

/* What a run keeps of a step. */
typedef struct {
    float *y;
    float *scaled;   /* x times the features */
    float **before;  /* [layers]: an lstm's own h of the step before */
    float **earlier; /* [layers]: an lstm's input of the step before */
} vectors;

static void take_vectors(const pst_stream *s, const pst_model *m, const float *x, const vectors *v, int first,
                         psti_calibration *c) {
    for (uint32_t i = 0; c->feature && i < m->inputs; i++)
        v->scaled[i] = x[i] * c->feature[i];
    for (uint32_t i = 0; i < m->count; i++) {
        const float *in = i ? output_of(s, i - 1) : c->feature ? v->scaled : x;
        if (has_matrix(&m->layers[i]))
            psti_statistics_add(&c->input[i], in);
        if (m->layers[i].kind != PSTI_KIND_lstm)
            continue;
        if (c->pairs)
            psti_pairs_add(&c->pairs[i], in, v->before[i], first ? NULL : v->earlier[i]);
        memcpy(v->earlier[i], in, m->layers[i].inputs * sizeof(float));
        memcpy(v->before[i], output_of(s, i), m->layers[i].outputs * sizeof(float));
        psti_statistics_add(&c->h[i], output_of(s, i));
        c->largest_h[i] = largest_of(output_of(s, i), m->layers[i].outputs, c->largest_h[i]);
    }
}

static void start_sequence(const pst_model *m, const vectors *v, psti_calibration *c) {
    for (uint32_t i = 0; i < m->count; i++) {
        const psti_layer *layer = &m->layers[i];
        if (has_matrix(layer))
            psti_statistics_start(&c->input[i]);
        if (layer->kind != PSTI_KIND_lstm)
            continue;
        psti_statistics_start(&c->h[i]);
        for (uint32_t k = 0; k < layer->outputs; k++)
            v->before[i][k] = layer->tensor[PSTI_LSTM_H0] ? layer->tensor[PSTI_LSTM_H0][k] : 0;
    }
}

static pst_status take_memory(const pst_model *m, psti_calibration *c, vectors *v) {
    v->y = psti_arena_take(&c->arena, m->outputs, sizeof *v->y);
    v->scaled = psti_arena_take(&c->arena, m->inputs, sizeof *v->scaled);
    v->before = psti_arena_take(&c->arena, m->count, sizeof *v->before);
    v->earlier = psti_arena_take(&c->arena, m->count, sizeof *v->earlier);
    int taken = v->y && v->scaled && v->before && v->earlier;
    for (uint32_t i = 0; i < m->count && taken; i++)
        if (m->layers[i].kind == PSTI_KIND_lstm) {
            v->before[i] = psti_arena_take(&c->arena, m->layers[i].outputs, sizeof(float));
            v->earlier[i] = psti_arena_take(&c->arena, m->layers[i].inputs, sizeof(float));
            taken = v->before[i] && v->earlier[i];
        }
    return taken ? PST_OK : PST_E_MEMORY;
}

static pst_status run(pst_engine *e, const pst_model *m, const psti_data *data, const psti_stage *stage,
                      psti_calibration *c) {
    pst_stream *s = NULL;
    vectors v;
    pst_status status = take_memory(m, c, &v);
    if (!status)
        status = pst_stream_open(e, NULL, &s);
    uint64_t all = data->sequences * data->steps;
    for (uint64_t at = 0; at < all && !status; at++) {
        uint64_t sequence = at / data->steps, step = at % data->steps;
        if (step == 0) {
            status = at ? pst_stream_reset(s) : PST_OK;
            start_sequence(m, &v, c);
        }
        const float *x = data->x + (size_t)(sequence * data->stride + step) * m->inputs;
        if (!status)
            status = pst_step(s, x, m->inputs, v.y, m->outputs);
        if (!status)
            take_vectors(s, m, x, &v, step == 0, c);
        if (!status && at % 64 == 0)
            status = psti_report(stage, (double)at / (double)all, "calibration");
    }
    pst_stream_close(s);
    return status;
}

static pst_status open_statistics(const pst_model *m, const psti_data *data, int refits, psti_calibration *c) {
    c->layers = m->count;
    c->input = psti_arena_take(&c->arena, m->count, sizeof *c->input);
    c->h = psti_arena_take(&c->arena, m->count, sizeof *c->h);
    c->largest_h = psti_arena_take(&c->arena, m->count, sizeof *c->largest_h);
    if (refits)
        c->pairs = psti_arena_take(&c->arena, m->count, sizeof *c->pairs);
    if (!c->input || !c->h || !c->largest_h || (refits && !c->pairs))
        return PST_E_MEMORY;
    pst_status status = PST_OK;
    for (uint32_t i = 0; i < m->count && !status; i++) {
        const psti_layer *layer = &m->layers[i];
        if (has_matrix(layer))
            status = psti_statistics_open(layer->inputs, &c->input[i]);
        if (!status && layer->kind == PSTI_KIND_lstm) {
            c->largest_h[i] = largest_of(layer->tensor[PSTI_LSTM_H0], layer->outputs, 0);
            status = psti_statistics_open(layer->outputs, &c->h[i]);
        }
        if (!status && layer->kind == PSTI_KIND_lstm && refits)
            status = psti_pairs_open(layer->inputs, layer->outputs, data->sequences * data->steps, &c->pairs[i]);
    }
    return status;
}

static pst_status finish(const pst_model *m, psti_calibration *c) {
    pst_status status = PST_OK;
    for (uint32_t i = 0; i < m->count && !status; i++) {
        if (has_matrix(&m->layers[i]))
            status = psti_statistics_finish(&c->input[i]);
        if (!status && m->layers[i].kind == PSTI_KIND_lstm)
            status = psti_statistics_finish(&c->h[i]);
        if (c->pairs)
            psti_pairs_finish(&c->pairs[i]);
    }
    return status;
}

/* The model in f32, on an engine of one core. */
static pst_status open_engine(const pst_model *m, const pst_compile_options *o, pst_program **p, pst_engine **e) {
    pst_engine_options options;
    PST_INIT(options);
    options.level = o->level;
    psti_recipe *recipes;
    pst_status status = psti_recipes(m, "f32", NULL, 0, &recipes);
    if (status)
        return status;
    status = psti_build(m, &(psti_plan){.recipes = recipes, .format = "f32"}, &(psti_stage){0}, p);
    if (!status)
        status = pst_engine_open(*p, &options, e);
    free(recipes);
    return status;
}

pst_status psti_calibrate(const pst_model *m, const psti_data *data, const pst_compile_options *o,
                          const psti_stage *stage, psti_calibration *out) {
    *out = (psti_calibration){0};
    pst_program *p = NULL;
    pst_engine *e = NULL;
    pst_status status = open_statistics(m, data, !(o->flags & PST_COMPILE_NEAREST), out);
    if (!status)
        status = find_features(m, data, out);
    if (!status)
        status = open_engine(m, o, &p, &e);
    if (!status)
        status = run(e, m, data, stage, out);
    if (!status)
        status = finish(m, out);
    pst_engine_close(e);
    pst_program_free(p);
    if (status)
        psti_calibration_free(out);
    return status;
}

void psti_calibration_free(psti_calibration *c) {
    for (uint32_t i = 0; i < c->layers; i++) {
        if (c->input)
            psti_statistics_free(&c->input[i]);
        if (c->h)
            psti_statistics_free(&c->h[i]);
        if (c->pairs)
            psti_pairs_free(&c->pairs[i]);
    }
    psti_arena_free(&c->arena);
    *c = (psti_calibration){0};
}
