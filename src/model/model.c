/* Models: made from layers, asked about, freed. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rounding.h"
#include "base/status.h"
#include "base/text.h"
#include "model/make.h"

/* "m.safetensors: ", "checkpoint: " or nothing. */
static void add_file(psti_text *t, const psti_origin *origin) {
    if (origin) {
        psti_text_add(t, "%s: ", origin->file ? origin->file : "checkpoint");
    }
}

static pst_status fail_with(const psti_making *making, pst_status status, psti_where where, psti_text *begin,
                            const char *format, va_list arguments) {
    char rest[2048];
    if (vsnprintf(rest, sizeof rest, format, arguments) < 0) {
        rest[0] = 0;
    }
    where.file = making->origin ? making->origin->file : NULL;
    return psti_fail(status, where, "%s: %s", begin->text, rest);
}

pst_status psti_making_fail(const psti_making *making, pst_status status, psti_where where, const char *format, ...) {
    psti_text begin = {0};
    add_file(&begin, making->origin);
    psti_text_add(&begin, "%s", making->name);
    where.item = making->name;
    va_list arguments;
    va_start(arguments, format);
    status = fail_with(making, status, where, &begin, format, arguments);
    va_end(arguments);
    return status;
}

pst_status psti_making_fail_tensor(const psti_making *making, size_t tensor, const char *name, pst_status status,
                                   psti_where where, const char *format, ...) {
    psti_text begin = {0}, item = {0};
    add_file(&begin, making->origin);
    psti_text_add(&item, "%s, %s", making->name, name);
    if (making->origin) { /* the name in the file, then the part it plays */
        const char *own = making->origin->names[making->index][tensor];
        psti_text_add(&begin, "tensor \"%s\" (%s)", own, item.text);
        where.item = own;
    } else {
        psti_text_add(&begin, "%s", item.text);
        where.item = item.text;
    }
    va_list arguments;
    va_start(arguments, format);
    status = fail_with(making, status, where, &begin, format, arguments);
    va_end(arguments);
    return status;
}

static pst_status find_kind(psti_making *making, psti_layer *layer) {
    const char *kind = making->given->kind;
    (void)snprintf(making->name, sizeof making->name, "layer %zu", making->index);
    layer->kind = kind ? psti_kind_find(kind) : -1;
    if (layer->kind < 0) {
        psti_text known = {0};
        for (int i = 0; i < PSTI_KINDS; i++) {
            psti_text_item(&known, "%s", psti_kinds[i]->name);
        }
        psti_where where = {.field = "kind"};
        if (!kind) {
            return psti_making_fail(making, PST_E_ARGUMENT, where, "kind is missing, one of %s expected",
                                    psti_text_end(&known));
        }
        return psti_making_fail(making, PST_E_UNSUPPORTED, where, "unknown kind \"%s\", one of %s expected", kind,
                                psti_text_end(&known));
    }
    making->kind = psti_kinds[layer->kind];
    (void)snprintf(making->name, sizeof making->name, "layer %zu (%s)", making->index, making->kind->name);
    return PST_OK;
}

/* Function and attributes on a kind that takes neither. */
static pst_status refuse_settings(const psti_making *making) {
    const pst_layer *given = making->given;
    if (given->function) {
        return psti_making_fail(making, PST_E_ARGUMENT, (psti_where){.field = "function"},
                                "function \"%s\" given, but only an activation takes one", given->function);
    }
    if (given->attribute_count == 0) {
        return PST_OK;
    }
    psti_text list = {0};
    for (size_t i = 0; i < given->attribute_count; i++) {
        const pst_attribute *a = given->attributes ? given->attributes[i] : NULL;
        psti_text_item(&list, "%s", a && a->name ? a->name : "NULL");
    }
    return psti_making_fail(making, PST_E_UNSUPPORTED, (psti_where){.field = "attributes"},
                            "unknown attributes %s; this kind takes none", psti_text_end(&list));
}

static pst_status make_layer(psti_making *making, int last, psti_layer *layer) {
    pst_status status = find_kind(making, layer);
    if (status) {
        return status;
    }
    if (making->kind->keeps_width && !making->below) {
        return psti_making_fail(making, PST_E_UNSUPPORTED, (psti_where){0},
                                "is the first layer, but needs an lstm or linear below it");
    }
    if (making->kind->only_last && !last) {
        return psti_making_fail(making, PST_E_UNSUPPORTED, (psti_where){0},
                                "has a layer above it, but may only be the last layer");
    }
    if (!making->kind->takes_function) {
        status = refuse_settings(making);
    }
    if (!status && making->kind->keeps_width) {
        layer->inputs = layer->outputs = making->below->outputs;
    }
    if (!status) {
        status = psti_making_tensors(making, layer);
    }
    if (!status && making->kind->finish) {
        status = making->kind->finish(layer, making);
    }
    return status;
}

static pst_status make_layers(pst_model *m, const pst_layer *const *layers, const psti_origin *origin) {
    for (uint32_t i = 0; i < m->count; i++) {
        if (!layers[i]) {
            return psti_fail(PST_E_ARGUMENT, (psti_where){.item = "layers", .found = i}, "layers[%" PRIu32 "] is NULL",
                             i);
        }
        pst_layer own;
        pst_status status = psti_take_options(layers[i], &own, sizeof own, "pst_layer");
        if (status) {
            return status;
        }
        psti_making making = {
            .arena = &m->arena, .origin = origin, .index = i, .given = &own, .below = i ? &m->layers[i - 1] : NULL};
        status = make_layer(&making, i + 1 == m->count, &m->layers[i]);
        if (status) {
            return status;
        }
        m->parameters += m->layers[i].parameters;
    }
    m->inputs = m->layers[0].inputs;
    m->outputs = m->layers[m->count - 1].outputs;
    return PST_OK;
}

pst_status psti_model_make(const pst_layer *const *layers, size_t count, int readout, const psti_origin *origin,
                           pst_model **out) {
    if (count < 1 || count > PSTI_MAX_LAYERS) {
        return psti_fail(PST_E_ARGUMENT,
                         (psti_where){.file = origin ? origin->file : NULL,
                                      .item = "layers",
                                      .expected = PSTI_MAX_LAYERS,
                                      .found = count > INT64_MAX ? INT64_MAX : (int64_t)count},
                         "%s%s%zu layers, 1 to %d expected", origin ? (origin->file ? origin->file : "checkpoint") : "",
                         origin ? ": " : "", count, PSTI_MAX_LAYERS);
    }
    pst_model *m = psti_allocate(1, sizeof *m);
    if (!m) {
        return PST_E_MEMORY;
    }
    m->count = (uint32_t)count;
    m->readout = readout;
    m->layers = psti_arena_take(&m->arena, count, sizeof *m->layers);
    pst_status status = m->layers ? make_layers(m, layers, origin) : PST_E_MEMORY;
    if (status) {
        pst_model_free(m);
        return status;
    }
    *out = m;
    return PST_OK;
}

pst_status pst_model_create(const pst_layer *const *layers, size_t count, const pst_model_options *o, pst_model **out) {
    pst_model_options own;
    pst_status status = psti_take_options(o, &own, sizeof own, "pst_model_options");
    if (status) {
        return status;
    }
    if (!out) {
        return psti_fail_null("out");
    }
    if (!layers) {
        return psti_fail_null("layers");
    }
    int readout = own.readout ? psti_readout_find(own.readout) : PSTI_READOUT_ALL;
    if (readout < 0) {
        return psti_fail(PST_E_UNSUPPORTED, (psti_where){.item = own.readout, .field = "readout"},
                         "pst_model_options: readout: \"all\" or \"last\" expected, found \"%s\"", own.readout);
    }
    unsigned rounding = psti_rounding_enter(); /* of F64 tensors */
    status = psti_model_make(layers, count, readout, NULL, out);
    psti_rounding_leave(rounding);
    return status;
}

pst_status pst_model_get_info(const pst_model *m, pst_info *out) {
    if (!m) {
        return psti_fail_null("m");
    }
    pst_status status = psti_check_info(out, sizeof(size_t), "pst_info");
    if (status) {
        return status;
    }
    pst_info own = {.layers = m->count,
                    .inputs = m->inputs,
                    .outputs = m->outputs,
                    .parameters = m->parameters,
                    .readout = psti_readout_names[m->readout]};
    psti_give_info(out, &own, sizeof own);
    return PST_OK;
}

/* A layer's number, which the caller's argument `name` gave. */
static pst_status check_index(const pst_model *m, uint32_t index, const char *name) {
    if (index < m->count) {
        return PST_OK;
    }
    return psti_fail(PST_E_ARGUMENT, (psti_where){.item = name, .expected = (int64_t)m->count - 1, .found = index},
                     "%s is %" PRIu32 ", but the model has layers 0 to %" PRIu32, name, index, m->count - 1);
}

pst_status pst_model_get_layer(const pst_model *m, uint32_t index, pst_layer_info *out) {
    if (!m) {
        return psti_fail_null("m");
    }
    pst_status status = psti_check_info(out, sizeof(size_t), "pst_layer_info");
    if (!status) {
        status = check_index(m, index, "index");
    }
    if (status) {
        return status;
    }
    const psti_layer *layer = &m->layers[index];
    pst_layer_info own = {.kind = psti_kinds[layer->kind]->name,
                          .function =
                              psti_kinds[layer->kind]->takes_function ? psti_activation_names[layer->function] : NULL,
                          .inputs = layer->inputs,
                          .outputs = layer->outputs,
                          .parameters = layer->parameters,
                          .alpha = (double)layer->alpha,
                          .beta = (double)layer->beta};
    psti_give_info(out, &own, sizeof own);
    return PST_OK;
}

pst_status pst_model_get_tensor(const pst_model *m, uint32_t layer, const char *name, pst_tensor *out) {
    if (!m || !name) {
        return psti_fail_null(m ? "name" : "m");
    }
    pst_status status = psti_check_info(out, sizeof(size_t), "pst_tensor");
    if (!status) {
        status = check_index(m, layer, "layer");
    }
    if (status) {
        return status;
    }
    const psti_layer *of = &m->layers[layer];
    const psti_kind *kind = psti_kinds[of->kind];
    int which = psti_kind_tensor(kind, name);
    char item[64];
    (void)snprintf(item, sizeof item, "layer %" PRIu32 " (%s)", layer, kind->name);
    psti_where where = {.item = item, .field = name};
    if (which < 0) {
        psti_text known = {0};
        for (size_t i = 0; i < kind->tensor_count; i++) {
            psti_text_item(&known, "%s", kind->tensors[i].name);
        }
        return psti_fail(PST_E_ARGUMENT, where, "%s: unknown tensor %s; this kind has %s", item, name,
                         known.items ? psti_text_end(&known) : "none");
    }
    if (!of->tensor[which]) {
        return psti_fail(PST_E_EMPTY, where, "%s, %s: absent, which means zeros", item, name);
    }
    pst_tensor own = {.name = kind->tensors[which].name,
                      .dtype = PST_F32,
                      .rank = kind->tensors[which].rank,
                      .shape = of->shape[which],
                      .data = of->tensor[which]};
    psti_give_info(out, &own, sizeof own);
    return PST_OK;
}

void pst_model_free(pst_model *m) {
    if (m) {
        psti_arena_free(&m->arena);
        free(m);
    }
}
