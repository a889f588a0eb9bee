/* The layer graph in a checkpoint's metadata, schema version 1: docs/format.md. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "checkpoint/checkpoint.h"
#include "model/model.h"

static pst_status fail_graph(const psti_checkpoint *c, pst_status status, psti_where where, const char *text) {
    where.file = c->file;
    where.item = "penstock.graph";
    return psti_fail(status, where, "%s: penstock.graph%s%s: %s", psti_checkpoint_name(c), where.field ? ", " : "",
                     where.field ? where.field : "", text);
}

static pst_status fail_layer(const psti_checkpoint *c, size_t index, pst_status status, const char *field,
                             const char *text) {
    psti_text place = {0};
    psti_text_add(&place, "layer %zu%s%s", index, field ? ", " : "", field ? field : "");
    return fail_graph(c, status, (psti_where){.field = place.text}, text);
}

/* Lists the keys of an object that are not among `known`; 0 if all are. */
static size_t unknown_keys(json_t *object, const char *const *known, size_t count, psti_text *list) {
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value) {
        size_t i = 0;
        while (i < count && strcmp(key, known[i]) != 0) {
            i++;
        }
        if (i == count) {
            psti_text_item(list, "\"%s\"", key);
        }
    }
    return list->items;
}

static int by_name(const void *name, const void *entry) {
    return strcmp(name, ((const psti_entry *)entry)->name);
}

static psti_entry *find_entry(const psti_checkpoint *c, const char *name) {
    return c->count ? bsearch(name, c->entries, c->count, sizeof *c->entries, by_name) : NULL;
}

/* The object "tensors" of a layer: roles to names in the file. */
static pst_status read_tensors(psti_checkpoint *c, size_t index, json_t *tensors, size_t *count, const char **roles,
                               psti_entry **entries) {
    *count = 0;
    if (!tensors) {
        return PST_OK;
    }
    if (!json_is_object(tensors)) {
        return fail_layer(c, index, PST_E_CORRUPT, "tensors", "not an object");
    }
    if (json_object_size(tensors) > PSTI_MAX_TENSORS) {
        return fail_layer(c, index, PST_E_UNSUPPORTED, "tensors", "more tensors than any kind of layer takes");
    }
    const char *role;
    json_t *value;
    json_object_foreach(tensors, role, value) {
        psti_text text = {0};
        const char *name = json_string_value(value);
        psti_text place = {0};
        psti_text_add(&place, "tensors, \"%s\"", role);
        if (!name) {
            return fail_layer(c, index, PST_E_CORRUPT, place.text, "not a string");
        }
        entries[*count] = find_entry(c, name);
        if (!entries[*count]) {
            psti_text_add(&text, "the file has no tensor \"%s\"", name);
            return fail_layer(c, index, PST_E_CORRUPT, place.text, text.text);
        }
        roles[*count] = psti_arena_string(&c->arena, role);
        if (!roles[*count]) {
            return PST_E_MEMORY;
        }
        (*count)++;
    }
    return PST_OK;
}

/* Function and attributes; which of them fit the kind is judged when the model is made. */
static pst_status read_settings(psti_checkpoint *c, size_t index, json_t *object, pst_layer *layer) {
    json_t *function = json_object_get(object, "function");
    if (function) {
        if (!json_is_string(function)) {
            return fail_layer(c, index, PST_E_CORRUPT, "function", "not a string");
        }
        layer->function = psti_arena_string(&c->arena, json_string_value(function));
        if (!layer->function) {
            return PST_E_MEMORY;
        }
    }
    static const char *const names[2] = {"alpha", "beta"};
    pst_attribute *values = psti_arena_take(&c->arena, 2, sizeof *values);
    const pst_attribute **list = psti_arena_take(&c->arena, 2, sizeof(pst_attribute *));
    if (!values || !list) {
        return PST_E_MEMORY;
    }
    for (int i = 0; i < 2; i++) {
        json_t *number = json_object_get(object, names[i]);
        if (!number) {
            continue;
        }
        if (!json_is_number(number)) {
            return fail_layer(c, index, PST_E_CORRUPT, names[i], "not a number");
        }
        pst_attribute *value = &values[layer->attribute_count];
        value->size = sizeof *value;
        value->name = names[i];
        value->value = json_number_value(number);
        list[layer->attribute_count++] = value;
    }
    layer->attributes = list;
    return PST_OK;
}

static pst_status read_layer(psti_checkpoint *c, psti_found *found, size_t index, json_t *object) {
    static const char *const known[] = {"kind", "tensors", "function", "alpha", "beta"};
    if (!json_is_object(object)) {
        return fail_layer(c, index, PST_E_CORRUPT, NULL, "not an object");
    }
    psti_text unknown = {0};
    if (unknown_keys(object, known, sizeof known / sizeof *known, &unknown)) {
        psti_text text = {0};
        psti_text_add(&text, "unknown fields %s", psti_text_end(&unknown));
        return fail_layer(c, index, PST_E_UNSUPPORTED, NULL, text.text);
    }
    json_t *kind = json_object_get(object, "kind");
    if (!json_is_string(kind)) {
        return fail_layer(c, index, PST_E_CORRUPT, "kind", kind ? "not a string" : "missing");
    }
    const char *own_kind = psti_arena_string(&c->arena, json_string_value(kind));
    if (!own_kind) {
        return PST_E_MEMORY;
    }
    size_t count;
    const char *roles[PSTI_MAX_TENSORS];
    psti_entry *entries[PSTI_MAX_TENSORS];
    pst_status status = read_tensors(c, index, json_object_get(object, "tensors"), &count, roles, entries);
    if (!status) {
        status = psti_found_layer(c, found, index, own_kind, count, roles, entries);
    }
    if (!status) { /* psti_found_layer made it in the arena */
        status = read_settings(c, index, object, (pst_layer *)found->layers[index]);
    }
    return status;
}

/* Optional: "all" is the default. */
static pst_status read_readout(const psti_checkpoint *c, const json_t *value, int *readout) {
    psti_where where = {.field = "readout"};
    *readout = PSTI_READOUT_ALL;
    if (!value) {
        return PST_OK;
    }
    const char *name = json_string_value(value);
    if (!name) {
        return fail_graph(c, PST_E_CORRUPT, where, "not a string");
    }
    *readout = psti_readout_find(name);
    if (*readout < 0) {
        psti_text text = {0};
        psti_text_add(&text, "\"all\" or \"last\" expected, found \"%s\"", name);
        return fail_graph(c, PST_E_UNSUPPORTED, where, text.text);
    }
    return PST_OK;
}

static pst_status read_graph(psti_checkpoint *c, json_t *graph, psti_found *found) {
    static const char *const known[] = {"version", "readout", "layers"};
    psti_text text = {0}, unknown = {0};
    if (!json_is_object(graph)) {
        return fail_graph(c, PST_E_CORRUPT, (psti_where){0}, "not a JSON object");
    }
    json_t *version = json_object_get(graph, "version"); /* first: it decides what the rest means */
    if (!json_is_integer(version)) {
        return fail_graph(c, PST_E_CORRUPT, (psti_where){.field = "version"},
                          version ? "not a whole number" : "missing");
    }
    if (json_integer_value(version) != PSTI_GRAPH_VERSION) {
        psti_text_add(&text, "%lld, this version of Penstock reads %d", (long long)json_integer_value(version),
                      PSTI_GRAPH_VERSION);
        return fail_graph(
            c, PST_E_UNSUPPORTED,
            (psti_where){.field = "version", .expected = PSTI_GRAPH_VERSION, .found = json_integer_value(version)},
            text.text);
    }
    if (unknown_keys(graph, known, sizeof known / sizeof *known, &unknown)) {
        psti_text_add(&text, "unknown fields %s", psti_text_end(&unknown));
        return fail_graph(c, PST_E_UNSUPPORTED, (psti_where){0}, text.text);
    }
    pst_status status = read_readout(c, json_object_get(graph, "readout"), &found->readout);
    if (status) {
        return status;
    }
    json_t *layers = json_object_get(graph, "layers");
    if (!json_is_array(layers)) {
        return fail_graph(c, PST_E_CORRUPT, (psti_where){.field = "layers"}, layers ? "not an array" : "missing");
    }
    size_t count = json_array_size(layers);
    if (count < 1 || count > PSTI_MAX_LAYERS) {
        psti_text_add(&text, "%zu layers, 1 to %d expected", count, PSTI_MAX_LAYERS);
        return fail_graph(c, count ? PST_E_UNSUPPORTED : PST_E_CORRUPT,
                          (psti_where){.field = "layers", .expected = PSTI_MAX_LAYERS, .found = (int64_t)count},
                          text.text);
    }
    status = psti_found_open(c, count, found);
    for (size_t i = 0; i < count && !status; i++) {
        status = read_layer(c, found, i, json_array_get(layers, i));
    }
    return status ? status : psti_checkpoint_leftovers(c);
}

pst_status psti_graph_read(psti_checkpoint *c, psti_found *found) {
    json_error_t error;
    json_t *graph = json_loadb(c->graph, strlen(c->graph), JSON_REJECT_DUPLICATES, &error);
    if (!graph) {
        if (json_error_code(&error) == json_error_out_of_memory) {
            return psti_fail_memory(strlen(c->graph));
        }
        psti_text text = {0};
        psti_text_add(&text, "not valid JSON at byte %d: %s", error.position, error.text);
        return fail_graph(c, PST_E_CORRUPT, (psti_where){0}, text.text);
    }
    pst_status status = read_graph(c, graph, found);
    json_decref(graph);
    return status;
}
