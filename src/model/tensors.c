/* A layer's tensors: names, shapes and values checked, values copied as fp32. */
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/number.h"
#include "base/status.h"
#include "base/text.h"
#include "model/make.h"

#define PSTI_ABSENT SIZE_MAX

/* The tensors as given, copied from structs of any size, and where each rule's tensor is among them. */
typedef struct {
    const psti_making *making;
    size_t at[PSTI_MAX_TENSORS];         /* number as given, or PSTI_ABSENT */
    pst_tensor tensor[PSTI_MAX_TENSORS]; /* by rule */
} psti_given;

static pst_status fail_rule(const psti_given *g, size_t rule, pst_status status, psti_where where, const char *text) {
    return psti_making_fail_tensor(g->making, g->at[rule], g->making->kind->tensors[rule].name, status, where, "%s",
                                   text);
}

static pst_status fail_unknown(const psti_making *making, const char *first, psti_text *unknown) {
    const psti_kind *kind = making->kind;
    psti_text takes = {0};
    for (size_t i = 0; i < kind->tensor_count; i++) {
        psti_text_item(&takes, "%s", kind->tensors[i].name);
    }
    return psti_making_fail(making, PST_E_UNSUPPORTED, (psti_where){.field = first},
                            "unknown tensors %s; this kind takes %s", psti_text_end(unknown),
                            takes.items ? psti_text_end(&takes) : "none");
}

/* Finds the tensor of each rule. */
static pst_status collect(psti_given *g) {
    const psti_making *making = g->making;
    const psti_kind *kind = making->kind;
    psti_text unknown = {0};
    char first[128] = "";
    for (size_t rule = 0; rule < PSTI_MAX_TENSORS; rule++) {
        g->at[rule] = PSTI_ABSENT;
    }
    for (size_t i = 0; i < making->given->tensor_count; i++) {
        if (!making->given->tensors || !making->given->tensors[i]) {
            return psti_making_fail(making, PST_E_ARGUMENT, (psti_where){.field = "tensors"}, "tensor %zu is NULL", i);
        }
        pst_tensor own;
        pst_status status = psti_take_options(making->given->tensors[i], &own, sizeof own, "pst_tensor");
        if (status) {
            return status;
        }
        if (!own.name) {
            return psti_making_fail(making, PST_E_ARGUMENT, (psti_where){.field = "tensors"}, "tensor %zu has no name",
                                    i);
        }
        int rule = psti_kind_tensor(kind, own.name);
        if (rule < 0) {
            if (!unknown.items) {
                (void)snprintf(first, sizeof first, "%s", own.name);
            }
            psti_text_item(&unknown, "%s", own.name);
        } else if (g->at[rule] != PSTI_ABSENT) {
            return psti_making_fail_tensor(making, i, own.name, PST_E_ARGUMENT, (psti_where){0}, "given twice");
        } else {
            g->at[rule] = i;
            g->tensor[rule] = own;
        }
    }
    if (unknown.items) {
        return fail_unknown(making, first, &unknown);
    }
    for (size_t rule = 0; rule < kind->tensor_count; rule++) {
        if (kind->tensors[rule].required && g->at[rule] == PSTI_ABSENT) {
            return psti_making_fail(making, PST_E_ARGUMENT, (psti_where){.field = kind->tensors[rule].name},
                                    "tensor %s is missing", kind->tensors[rule].name);
        }
    }
    return PST_OK;
}

/* The parts of a tensor that can be judged alone: element type, rank, pointers. */
static pst_status check_alone(const psti_given *g, size_t rule) {
    const pst_tensor *t = &g->tensor[rule];
    int rank = g->making->kind->tensors[rule].rank;
    psti_text text = {0};
    if (t->dtype != PST_F32 && t->dtype != PST_F64 && t->dtype != PST_F16 && t->dtype != PST_BF16) {
        psti_text_add(&text, "unknown element type %d", t->dtype);
        return fail_rule(g, rule, PST_E_ARGUMENT, (psti_where){.field = "dtype", .found = t->dtype}, text.text);
    }
    if (t->rank != rank) {
        psti_text_add(&text, "%d dimensions", t->rank);
        if (t->shape && t->rank > 0) {
            psti_text_add(&text, ", shape ");
            psti_text_shape(&text, (size_t)t->rank, t->shape);
        }
        psti_text_add(&text, ", %d expected", rank);
        return fail_rule(g, rule, PST_E_SHAPE, (psti_where){.field = "rank", .expected = rank, .found = t->rank},
                         text.text);
    }
    if (!t->shape || !t->data) {
        const char *field = t->shape ? "data" : "shape";
        psti_text_add(&text, "%s is NULL", field);
        return fail_rule(g, rule, PST_E_ARGUMENT, (psti_where){.field = field}, text.text);
    }
    return PST_OK;
}

static int64_t as_signed(uint64_t v) {
    return v > INT64_MAX ? INT64_MAX : (int64_t)v;
}

/* A width must be 1 to 65,536; `dimension` of the tensor of `rule` says it. */
static pst_status check_width(const psti_given *g, size_t rule, uint64_t width, const char *what) {
    if (width >= 1 && width <= PSTI_MAX_WIDTH) {
        return PST_OK;
    }
    psti_text text = {0};
    psti_text_add(&text, "shape ");
    psti_text_shape(&text, 2, g->tensor[rule].shape);
    psti_text_add(&text, " means %" PRIu64 " %s, 1 to %d expected", width, what, PSTI_MAX_WIDTH);
    return fail_rule(g, rule, width ? PST_E_UNSUPPORTED : PST_E_SHAPE,
                     (psti_where){.field = "shape", .expected = PSTI_MAX_WIDTH, .found = as_signed(width)}, text.text);
}

/* Inputs come from the columns of the first matrix. Outputs come from a square-ish recurrent matrix if there is one
 * (its columns are the units, whatever number of gates its rows are for), else from the first matrix's rows. */
static pst_status find_widths(const psti_given *g, psti_layer *layer) {
    const psti_tensor_rule *rules = g->making->kind->tensors;
    size_t in = 0, out = 0;
    for (size_t rule = 0; rule < g->making->kind->tensor_count; rule++) {
        if (rules[rule].columns == 'H') {
            out = rule;
        }
    }
    uint64_t inputs = g->tensor[in].shape[1];
    uint64_t outputs = rules[out].columns == 'H' ? g->tensor[out].shape[1]
                                                 : g->tensor[out].shape[0] / (uint64_t)rules[out].rows_of_outputs;
    pst_status status = check_width(g, in, inputs, "inputs");
    if (!status) {
        status = check_width(g, out, outputs, rules[out].columns == 'H' ? "units" : "outputs");
    }
    if (status) {
        return status;
    }
    layer->inputs = (uint32_t)inputs;
    layer->outputs = (uint32_t)outputs;
    return PST_OK;
}

static pst_status check_shape(const psti_given *g, size_t rule, const psti_layer *layer) {
    const psti_tensor_rule *r = &g->making->kind->tensors[rule];
    uint64_t expected[2] = {(uint64_t)r->rows_of_outputs * layer->outputs,
                            r->columns == 'n' ? layer->inputs : layer->outputs};
    const uint64_t *shape = g->tensor[rule].shape;
    for (int i = 0; i < r->rank; i++) {
        if (shape[i] != expected[i]) {
            psti_text text = {0};
            psti_text_add(&text, "shape ");
            psti_text_shape(&text, (size_t)r->rank, shape);
            psti_text_add(&text, ", expected ");
            psti_text_shape(&text, (size_t)r->rank, expected);
            psti_text_add(&text, " for %" PRIu32 " inputs and %" PRIu32 " %s", layer->inputs, layer->outputs,
                          layer->kind == PSTI_KIND_lstm ? "units" : "outputs");
            return fail_rule(
                g, rule, PST_E_SHAPE,
                (psti_where){.field = "shape", .expected = as_signed(expected[i]), .found = as_signed(shape[i])},
                text.text);
        }
    }
    return PST_OK;
}

static pst_status fail_value(const psti_given *g, size_t rule, size_t index, double value) {
    const pst_tensor *t = &g->tensor[rule];
    psti_text text = {0};
    uint64_t place[2] = {index, 0};
    if (t->rank == 2) {
        place[0] = index / t->shape[1];
        place[1] = index % t->shape[1];
    }
    psti_text_add(&text, "element ");
    psti_text_shape(&text, (size_t)t->rank, place);
    if (isnan(value)) {
        psti_text_add(&text, " is NaN");
    } else if (isinf(value)) {
        psti_text_add(&text, " is %sinfinity", value < 0 ? "-" : "");
    } else {
        psti_text_add(&text, " is %.9g", value);
    }
    psti_text_add(&text, ", finite and at most 2^40 in magnitude expected");
    return fail_rule(g, rule, PST_E_NONFINITE, (psti_where){.field = "data", .found = as_signed(index)}, text.text);
}

/* Element i of data that may lie at any address. */
static double element(const pst_tensor *t, size_t i) {
    const unsigned char *data = t->data;
    uint16_t half;
    float single;
    double value;
    switch (t->dtype) {
    case PST_F64:
        memcpy(&value, data + i * sizeof value, sizeof value);
        return value;
    case PST_F16:
        memcpy(&half, data + i * sizeof half, sizeof half);
        return (double)psti_from_f16(half);
    case PST_BF16:
        memcpy(&half, data + i * sizeof half, sizeof half);
        return (double)psti_from_bf16(half);
    default:
        memcpy(&single, data + i * sizeof single, sizeof single);
        return (double)single;
    }
}

static pst_status copy_values(const psti_given *g, size_t rule, psti_layer *layer) {
    const pst_tensor *t = &g->tensor[rule];
    size_t count = (size_t)t->shape[0];
    if (t->rank == 2 && !psti_multiply(count, (size_t)t->shape[1], &count)) {
        return psti_fail_memory(SIZE_MAX);
    }
    float *values = psti_arena_take(g->making->arena, count, sizeof *values);
    if (!values) {
        return PST_E_MEMORY;
    }
    for (size_t i = 0; i < count; i++) {
        double value = element(t, i);
        if (!(fabs(value) <= (double)PSTI_MAX_WEIGHT)) { /* NaN too */
            return fail_value(g, rule, i, value);
        }
        values[i] = (float)value;
    }
    layer->tensor[rule] = values;
    layer->shape[rule][0] = t->shape[0];
    layer->shape[rule][1] = t->rank == 2 ? t->shape[1] : 1;
    return PST_OK;
}

pst_status psti_making_tensors(const psti_making *making, psti_layer *layer) {
    psti_given g = {.making = making};
    pst_status status = collect(&g);
    size_t count = making->kind->tensor_count;
    for (size_t rule = 0; rule < count && !status; rule++) {
        if (g.at[rule] != PSTI_ABSENT) {
            status = check_alone(&g, rule);
        }
    }
    if (status || count == 0) {
        return status;
    }
    status = find_widths(&g, layer);
    for (size_t rule = 0; rule < count && !status; rule++) {
        if (g.at[rule] != PSTI_ABSENT) {
            status = check_shape(&g, rule, layer);
        }
    }
    if (!status && making->below && making->below->outputs != layer->inputs) {
        psti_text text = {0};
        psti_text_add(&text, "takes %" PRIu32 " inputs, but layer %zu (%s) below has %" PRIu32 " outputs",
                      layer->inputs, making->index - 1, psti_kinds[making->below->kind]->name, making->below->outputs);
        status = fail_rule(&g, 0, PST_E_SHAPE,
                           (psti_where){.field = "shape", .expected = making->below->outputs, .found = layer->inputs},
                           text.text);
    }
    for (size_t rule = 0; rule < count && !status; rule++) {
        if (g.at[rule] != PSTI_ABSENT) {
            status = copy_values(&g, rule, layer);
        }
    }
    return status;
}
