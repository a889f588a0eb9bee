/* Reading a checkpoint: file, header, the tensors asked for, one of two forms, model. */
#include "checkpoint/checkpoint.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/rounding.h"
#include "base/status.h"
#include "model/model.h"

const char *psti_checkpoint_name(const psti_checkpoint *c) {
    return c->file ? c->file : "checkpoint";
}

void psti_checkpoint_list(psti_text *list, const psti_entry *e) {
    psti_text shape = {0};
    psti_text_shape(&shape, e->rank, e->shape);
    psti_text_item(list, "%s %s %s", e->full, e->dtype, shape.text);
}

pst_status psti_checkpoint_leftovers(const psti_checkpoint *c) {
    psti_text list = {0};
    const psti_entry *first = NULL;
    for (size_t i = 0; i < c->count; i++) {
        if (!c->entries[i].used) {
            first = first ? first : &c->entries[i];
            psti_checkpoint_list(&list, &c->entries[i]);
        }
    }
    if (!first) {
        return PST_OK;
    }
    return psti_fail(PST_E_UNSUPPORTED,
                     (psti_where){.file = c->file, .item = first->full, .found = (int64_t)list.items},
                     "%s: %zu %s left over, not part of any layer that Penstock runs: %s", psti_checkpoint_name(c),
                     list.items, list.items == 1 ? "tensor is" : "tensors are", psti_text_end(&list));
}

pst_status psti_found_open(psti_checkpoint *c, size_t count, psti_found *found) {
    found->count = count;
    found->layers = psti_arena_take(&c->arena, count, sizeof *found->layers);
    found->names = psti_arena_take(&c->arena, count, sizeof *found->names);
    return found->layers && found->names ? PST_OK : PST_E_MEMORY;
}

pst_status psti_found_layer(psti_checkpoint *c, psti_found *found, size_t i, const char *kind, size_t tensors,
                            const char *const *roles, psti_entry *const *entries) {
    pst_layer *layer = psti_arena_take(&c->arena, 1, sizeof *layer);
    const char **names = psti_arena_take(&c->arena, tensors, sizeof *names);
    const pst_tensor **list = psti_arena_take(&c->arena, tensors, sizeof *list);
    pst_tensor *tensor = psti_arena_take(&c->arena, tensors, sizeof *tensor);
    if (!layer || !names || !list || !tensor) {
        return PST_E_MEMORY;
    }
    size_t count = 0;
    for (size_t k = 0; k < tensors; k++) {
        psti_entry *e = entries[k];
        if (!e) {
            continue;
        }
        if (e->element < 0) {
            return psti_fail(PST_E_UNSUPPORTED, (psti_where){.file = c->file, .item = e->full, .field = "dtype"},
                             "%s: tensor \"%s\" (layer %zu (%s), %s): dtype %s, expected F32, F64, F16 or BF16",
                             psti_checkpoint_name(c), e->full, i, kind, roles[k], e->dtype);
        }
        e->used = 1;
        tensor[count] = (pst_tensor){.size = sizeof *tensor,
                                     .name = roles[k],
                                     .dtype = e->element,
                                     .rank = e->rank > INT32_MAX ? INT32_MAX : (int)e->rank,
                                     .shape = e->shape,
                                     .data = e->data};
        list[count] = &tensor[count];
        names[count] = e->full;
        count++;
    }
    *layer = (pst_layer){.size = sizeof *layer, .kind = kind, .tensors = list, .tensor_count = count};
    found->layers[i] = layer;
    found->names[i] = names;
    return PST_OK;
}

/* Keeps the tensors whose names begin with the prefix, and cuts it off. */
static pst_status select_prefix(psti_checkpoint *c, const char *prefix) {
    size_t length = strlen(prefix), kept = 0;
    psti_text all = {0};
    for (size_t i = 0; i < c->count; i++) {
        psti_checkpoint_list(&all, &c->entries[i]);
        if (strncmp(c->entries[i].full, prefix, length) == 0) {
            c->entries[kept] = c->entries[i];
            c->entries[kept].name = c->entries[kept].full + length;
            kept++;
        }
    }
    if (kept == 0 && c->count > 0) {
        return psti_fail(PST_E_ARGUMENT, (psti_where){.file = c->file, .item = prefix, .field = "prefix"},
                         "%s: no tensor's name begins with the prefix \"%s\"; the tensors are %s",
                         psti_checkpoint_name(c), prefix, psti_text_end(&all));
    }
    c->count = kept;
    return PST_OK;
}

static pst_status read_model(const psti_origin *from, const unsigned char *bytes, size_t n, const char *prefix,
                             pst_model **out) {
    psti_checkpoint c = {.file = from->file};
    psti_found found = {0};
    unsigned rounding = psti_rounding_enter(); /* of the numbers in its JSON, and of F64 tensors */
    pst_status status = psti_safetensors_parse(bytes, n, &c);
    if (!status && prefix) {
        status = select_prefix(&c, prefix);
    }
    if (!status) {
        status = c.graph ? psti_graph_read(&c, &found) : psti_state_dict_read(&c, &found);
    }
    if (!status) {
        psti_origin origin = {.file = from->file, .names = found.names};
        status = psti_model_make(found.layers, found.count, found.readout, &origin, out);
    }
    psti_rounding_leave(rounding);
    psti_arena_free(&c.arena);
    return status;
}

pst_status pst_model_read(const char *path, const pst_read_options *o, pst_model **out) {
    pst_read_options own;
    pst_status status = psti_take_options(o, &own, sizeof own, "pst_read_options");
    if (status) {
        return status;
    }
    if (!out) {
        return psti_fail_null("out");
    }
    unsigned char *bytes;
    size_t n;
    status = psti_file_read(path, &bytes, &n);
    if (status) {
        return status;
    }
    status = read_model(&(psti_origin){.file = path}, bytes, n, own.prefix, out);
    free(bytes);
    return status;
}

pst_status pst_model_read_memory(const void *bytes, size_t n, const pst_read_options *o, pst_model **out) {
    pst_read_options own;
    pst_status status = psti_take_options(o, &own, sizeof own, "pst_read_options");
    if (status) {
        return status;
    }
    if (!out) {
        return psti_fail_null("out");
    }
    if (!bytes && n > 0) {
        return psti_fail_null("bytes");
    }
    return read_model(&(psti_origin){0}, bytes, n, own.prefix, out);
}
