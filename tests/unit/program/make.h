/* Small programs for the tests of src/program, made from seeded models. */
#ifndef TESTS_PROGRAM_MAKE_H
#define TESTS_PROGRAM_MAKE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/number.h"
#include "base/status.h"
#include "program/program.h"

/* One layer to make: an lstm or linear of `outputs` units, or an activation of `function`, or softmax. */
typedef struct {
    const char *kind, *function;
    uint32_t outputs;
    int with_state; /* h0 and c0 */
    int without_bias;
} make_layer;

/* Every kind; widths that give wide and narrow blocks and padding of units and inputs. */
static const make_layer make_all[] = {
    {"lstm", NULL, 23, 1, 0},   {"activation", "clip", 0, 0, 0}, {"linear", NULL, 18, 0, 0},
    {"lstm", NULL, 4, 0, 1},    {"activation", "elu", 0, 0, 0},  {"linear", NULL, 3, 0, 1},
    {"softmax", NULL, 0, 0, 0},
};
#define MAKE_ALL (sizeof make_all / sizeof *make_all)
#define MAKE_INPUTS 5

static float *make_values(psti_random *random, size_t n, double width) {
    float *v = malloc(n * sizeof *v);
    for (size_t i = 0; i < n; i++)
        v[i] = (float)(width * (2 * psti_random_uniform(random) - 1));
    return v;
}

static pst_model *make_model(const make_layer *layers, size_t count, uint32_t inputs, uint64_t seed) {
    psti_random random;
    psti_random_seed(&random, seed);
    pst_layer *given = calloc(count, sizeof *given);
    const pst_layer **list = calloc(count, sizeof *list);
    pst_tensor(*tensor)[6] = calloc(count, sizeof *tensor);
    const pst_tensor *(*tensors)[6] = calloc(count, sizeof *tensors);
    uint64_t(*shape)[6][2] = calloc(count, sizeof *shape);
    static const char *const lstm_names[6] = {"weight_ih", "weight_hh", "bias_ih", "bias_hh", "h0", "c0"};
    static const char *const linear_names[2] = {"weight", "bias"};
    static pst_attribute alpha = {sizeof alpha, "alpha", -0.75}, beta = {sizeof beta, "beta", 0.5};
    static const pst_attribute *const clip[2] = {&alpha, &beta};
    uint32_t width = inputs;
    for (size_t i = 0; i < count; i++) {
        const make_layer *l = &layers[i];
        int lstm = strcmp(l->kind, "lstm") == 0, linear = strcmp(l->kind, "linear") == 0;
        size_t n = 0;
        for (int t = 0; t < (lstm ? 6 : linear ? 2 : 0); t++) {
            const char *name = lstm ? lstm_names[t] : linear_names[t];
            int bias = strncmp(name, "bias", 4) == 0, state = name[1] == '0';
            if ((bias && l->without_bias) || (state && !l->with_state))
                continue;
            uint64_t rows = lstm && !state ? 4 * (uint64_t)l->outputs : l->outputs;
            uint64_t columns = bias || state ? 1 : t == 1 ? l->outputs : width;
            shape[i][n][0] = rows;
            shape[i][n][1] = columns;
            tensor[i][n] = (pst_tensor){.size = sizeof(pst_tensor),
                                        .name = name,
                                        .dtype = PST_F32,
                                        .rank = bias || state ? 1 : 2,
                                        .shape = shape[i][n],
                                        .data = make_values(&random, rows * columns, 0.4)};
            tensors[i][n] = &tensor[i][n];
            n++;
        }
        given[i] = (pst_layer){.size = sizeof(pst_layer),
                               .kind = l->kind,
                               .function = l->function,
                               .tensors = tensors[i],
                               .tensor_count = n};
        if (l->function && strcmp(l->function, "clip") == 0) {
            given[i].attributes = clip;
            given[i].attribute_count = 2;
        }
        list[i] = &given[i];
        width = l->outputs ? l->outputs : width;
    }
    pst_model *m = NULL;
    if (pst_model_create(list, count, NULL, &m)) {
        pst_error e;
        PST_INIT(e);
        pst_last_error(&e);
        fprintf(stderr, "pst_model_create: %s\n", e.message);
        abort();
    }
    for (size_t i = 0; i < count; i++) {
        for (size_t t = 0; t < given[i].tensor_count; t++)
            free((void *)(uintptr_t)tensor[i][t].data);
    }
    free(shape);
    free(tensors);
    free(tensor);
    free(list);
    free(given);
    return m;
}

/* As pst_compile does it, without the certificate. `format` may be a recipe. */
static pst_status make_try(const pst_model *m, const char *format, float h_scale, pst_program **out) {
    pst_program *p;
    psti_packing packing = {.h_scale = h_scale, .h_scale_8 = h_scale};
    pst_status status = psti_recipe_parse(format, "format", &packing.recipe);
    if (!status)
        status = psti_program_new(m->count, &p);
    if (status)
        return status;
    snprintf(p->format, sizeof p->format, "%s", format);
    for (uint32_t i = 0; i < m->count && !status; i++)
        status = psti_program_kinds[m->layers[i].kind]->build(&p->arena, &m->layers[i], &packing, &p->layers[i]);
    if (!status)
        status = psti_program_finish(p);
    if (status) {
        pst_program_free(p);
        return status;
    }
    *out = p;
    return PST_OK;
}

/* What the layers of a format are held as. */
static inline psti_recipe make_recipe(const char *format) {
    psti_recipe recipe;
    if (psti_recipe_parse(format, "format", &recipe))
        abort();
    return recipe;
}

static inline pst_program *make_program(const char *format) {
    pst_model *m = make_model(make_all, MAKE_ALL, MAKE_INPUTS, 7);
    pst_program *p;
    if (make_try(m, format, 1.0f, &p))
        abort();
    pst_model_free(m);
    return p;
}

static inline const char *make_message(void) {
    static pst_error e;
    PST_INIT(e);
    pst_last_error(&e);
    return e.message ? e.message : "";
}

#endif
