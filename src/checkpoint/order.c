/* The order of a state_dict's modules: names do not say it, so the sizes must. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "checkpoint/modules.h"
#include "model/model.h"

/* Modules tried in the search for a second order, before giving up on proving that there is none. */
#define PSTI_MAX_TRIES 4000000

/* What every refusal ends with. */
#define PSTI_ADVICE "give the layers in order in the metadata key penstock.graph (docs/format.md)"

typedef struct {
    const psti_module *modules;
    size_t count;
    size_t tries;
    size_t found; /* orders, counted up to 2 */
    unsigned char *taken;
    size_t *order, *first; /* the order being tried; the first one found */
} psti_search;

static void search(psti_search *s) {
    /* Iterative: order[depth] is the candidate tried at that place. */
    size_t depth = 0, next = 0;
    while (s->found < 2 && s->tries < PSTI_MAX_TRIES) {
        size_t i = next;
        for (; i < s->count; i++) {
            s->tries++;
            if (!s->taken[i] && (depth == 0 || s->modules[s->order[depth - 1]].outputs == s->modules[i].inputs)) {
                break;
            }
        }
        if (i < s->count) {
            s->order[depth++] = i;
            s->taken[i] = 1;
            next = 0;
            if (depth < s->count) {
                continue;
            }
            if (s->found++ == 0) {
                memcpy(s->first, s->order, s->count * sizeof *s->first);
            }
        } else if (depth == 0) {
            return;
        }
        depth--; /* back to the place below, and on from there */
        s->taken[s->order[depth]] = 0;
        next = s->order[depth] + 1;
    }
}

static void list_module(psti_text *list, const psti_module *m) {
    for (size_t k = 0; k < m->depth; k++) {
        for (int role = 0; role < PSTI_ROLES; role++) {
            if (m->lstm[k].tensor[role]) {
                psti_checkpoint_list(list, m->lstm[k].tensor[role]);
            }
        }
    }
    if (m->weight) {
        psti_checkpoint_list(list, m->weight);
    }
    if (m->bias) {
        psti_checkpoint_list(list, m->bias);
    }
}

static pst_status refuse(const psti_checkpoint *c, const psti_module *modules, size_t count, pst_status status,
                         const char *why) {
    psti_text list = {0};
    for (size_t i = 0; i < count; i++) {
        list_module(&list, &modules[i]);
    }
    return psti_fail(status, (psti_where){.file = c->file, .item = "state_dict", .field = "order"},
                     "%s: %s; " PSTI_ADVICE "; the tensors are %s", psti_checkpoint_name(c), why, psti_text_end(&list));
}

/* One LSTM and one Linear is the form that this reader is for: the Linear reads the LSTM, also where the opposite would
 * fit as well (it does whenever the model has as many outputs as inputs). */
static int is_usual(const psti_module *modules, size_t count, size_t *lstm) {
    if (count != 2 || !modules[0].depth == !modules[1].depth) {
        return 0;
    }
    *lstm = modules[0].depth ? 0 : 1;
    return modules[*lstm].outputs == modules[1 - *lstm].inputs;
}

static pst_status no_order(const psti_checkpoint *c, const psti_module *modules, size_t count) {
    if (count != 2 || !modules[0].depth == !modules[1].depth) {
        return refuse(c, modules, count, PST_E_SHAPE, "no order of the modules fits their sizes");
    }
    const psti_module *lstm = &modules[modules[0].depth ? 0 : 1], *linear = &modules[modules[0].depth ? 1 : 0];
    psti_text shape = {0};
    psti_text_shape(&shape, linear->weight->rank, linear->weight->shape);
    return psti_fail(PST_E_SHAPE,
                     (psti_where){.file = c->file,
                                  .item = linear->weight->full,
                                  .field = "shape",
                                  .expected = (int64_t)(lstm->outputs & INT64_MAX),
                                  .found = (int64_t)(linear->inputs & INT64_MAX)},
                     "%s: tensor \"%s\": shape %s, expected %" PRIu64 " columns, the units of the LSTM of \"%s\"",
                     psti_checkpoint_name(c), linear->weight->full, shape.text, lstm->outputs,
                     lstm->lstm[lstm->depth - 1].tensor[PSTI_ROLE_W_HH]->full);
}

/* Between two Linears there is nearly always an activation, which a state_dict does not show. */
static int hides_activation(const psti_module *modules, const size_t *order, size_t count) {
    for (size_t i = 1; i < count; i++) {
        if (!modules[order[i - 1]].depth && !modules[order[i]].depth) {
            return 1;
        }
    }
    return 0;
}

pst_status psti_modules_order(psti_checkpoint *c, psti_module *modules, size_t count) {
    if (count > PSTI_MAX_LAYERS) {
        return psti_fail(
            PST_E_UNSUPPORTED, (psti_where){.file = c->file, .expected = PSTI_MAX_LAYERS, .found = (int64_t)count},
            "%s: %zu modules, at most %d layers expected", psti_checkpoint_name(c), count, PSTI_MAX_LAYERS);
    }
    psti_search s = {.modules = modules,
                     .count = count,
                     .taken = psti_arena_take(&c->arena, count, 1),
                     .order = psti_arena_take(&c->arena, count, sizeof(size_t)),
                     .first = psti_arena_take(&c->arena, count, sizeof(size_t))};
    psti_module *sorted = psti_arena_take(&c->arena, count, sizeof *sorted);
    if (!s.taken || !s.order || !s.first || !sorted) {
        return PST_E_MEMORY;
    }
    size_t lstm;
    if (is_usual(modules, count, &lstm)) {
        s.first[0] = lstm;
        s.first[1] = 1 - lstm;
    } else {
        search(&s);
        if (s.tries >= PSTI_MAX_TRIES && s.found < 2) {
            return refuse(c, modules, count, PST_E_UNSUPPORTED, "ambiguous: too many modules to order by size");
        }
        if (s.found == 0) {
            return no_order(c, modules, count);
        }
        if (s.found > 1) {
            return refuse(c, modules, count, PST_E_UNSUPPORTED, "ambiguous: more than one order fits the sizes");
        }
        if (hides_activation(modules, s.first, count)) {
            return refuse(c, modules, count, PST_E_UNSUPPORTED,
                          "ambiguous: one Linear follows another, and a state_dict does not show the activation that "
                          "may stand between them");
        }
    }
    for (size_t i = 0; i < count; i++) {
        sorted[i] = modules[s.first[i]];
    }
    memcpy(modules, sorted, count * sizeof *sorted);
    return PST_OK;
}
