/* A bare state_dict: layers found by PyTorch's tensor names, whatever module path stands before them. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "checkpoint/modules.h"
#include "model/model.h"

static const char *const role_names[PSTI_ROLES] = {"weight_ih", "weight_hh", "bias_ih", "bias_hh"};
enum { PSTI_ROLE_WEIGHT = PSTI_ROLES, PSTI_ROLE_BIAS, PSTI_ROLE_NONE };

/* A tensor's name taken apart: "model.lstm.weight_ih_l0" is path "model.lstm", role weight_ih, layer 0. */
typedef struct {
    psti_entry *entry;
    size_t path; /* bytes of the name */
    int role;
    size_t layer;
} psti_part;

/* A run of parts with the same path. */
typedef struct {
    psti_part *parts;
    size_t count;
} psti_group;

static pst_status fail_entry(const psti_checkpoint *c, const psti_entry *e, pst_status status, const char *field,
                             const char *text) {
    return psti_fail(status, (psti_where){.file = c->file, .item = e->full, .field = field}, "%s: tensor \"%s\": %s",
                     psti_checkpoint_name(c), e->full, text);
}

/* Digits without leading zeros, to the end or to "_reverse"; 0 if it is anything else. */
static int read_layer_number(const char *text, size_t *layer) {
    size_t value = 0, i = 0;
    for (; text[i] >= '0' && text[i] <= '9' && i < 5; i++) {
        value = value * 10 + (size_t)(text[i] - '0');
    }
    if (i == 0 || (i > 1 && text[0] == '0') || value >= PSTI_MAX_LAYERS) {
        return 0;
    }
    *layer = value;
    return text[i] == 0;
}

static int begins(const char *text, const char *with) {
    return strncmp(text, with, strlen(with)) == 0;
}

static int ends(const char *text, const char *with) {
    size_t n = strlen(text), m = strlen(with);
    return n >= m && strcmp(text + n - m, with) == 0;
}

static pst_status take_apart(const psti_checkpoint *c, psti_entry *e, psti_part *part) {
    const char *dot = strrchr(e->name, '.');
    const char *leaf = dot ? dot + 1 : e->name;
    *part = (psti_part){.entry = e, .path = dot ? (size_t)(dot - e->name) : 0, .role = PSTI_ROLE_NONE};
    if (begins(leaf, "weight_hr_l") || strcmp(leaf, "weight_hr") == 0) {
        return fail_entry(c, e, PST_E_UNSUPPORTED, "name", "an LSTM with a projection (proj_size) is not supported");
    }
    if (strcmp(leaf, "weight") == 0) {
        part->role = PSTI_ROLE_WEIGHT;
    } else if (strcmp(leaf, "bias") == 0) {
        part->role = PSTI_ROLE_BIAS;
    }
    for (int role = 0; role < PSTI_ROLES; role++) {
        size_t length = strlen(role_names[role]);
        if (strncmp(leaf, role_names[role], length) != 0) {
            continue;
        }
        if (ends(leaf, "_reverse")) {
            return fail_entry(c, e, PST_E_UNSUPPORTED, "name",
                              "a bidirectional LSTM is not supported: its second half needs the future");
        }
        /* nn.LSTMCell's names have no number. */
        if (leaf[length] == 0 || (begins(leaf + length, "_l") && read_layer_number(leaf + length + 2, &part->layer))) {
            part->role = role;
        }
    }
    return PST_OK;
}

static int by_path(const void *a, const void *b) {
    const psti_part *p = a, *q = b;
    int order = memcmp(p->entry->name, q->entry->name, p->path < q->path ? p->path : q->path);
    if (order != 0 || p->path != q->path) {
        return order != 0 ? order : p->path < q->path ? -1 : 1;
    }
    return strcmp(p->entry->name, q->entry->name);
}

static int same_path(const psti_part *p, const psti_part *q) {
    return p->path == q->path && memcmp(p->entry->name, q->entry->name, p->path) == 0;
}

static pst_status fail_missing(const psti_checkpoint *c, const psti_group *g, int role, size_t layer) {
    const psti_part *p = &g->parts[0];
    psti_text name = {0};
    psti_text_add(&name, "%.*s%.*s%s%s_l%zu", (int)(p->entry->name - p->entry->full), p->entry->full, (int)p->path,
                  p->entry->name, p->path || p->entry->name[0] == '.' ? "." : "", role_names[role], layer);
    return psti_fail(PST_E_UNSUPPORTED, (psti_where){.file = c->file, .item = name.text},
                     "%s: tensor \"%s\" is missing: other tensors of the same LSTM need it", psti_checkpoint_name(c),
                     name.text);
}

/* weight_hh has as many columns as units, and a row for each unit and gate. */
static pst_status check_gates(const psti_checkpoint *c, const psti_entry *ih, const psti_entry *hh) {
    psti_text text = {0};
    const psti_entry *const both[2] = {ih, hh};
    for (int i = 0; i < 2; i++) {
        if (both[i]->rank != 2) {
            psti_text_add(&text, "shape ");
            psti_text_shape(&text, both[i]->rank, both[i]->shape);
            psti_text_add(&text, ", 2 dimensions expected");
            return fail_entry(c, both[i], PST_E_SHAPE, "shape", text.text);
        }
    }
    uint64_t rows = hh->shape[0], units = hh->shape[1];
    const char *kind = units > 0 && rows == units ? "a plain RNN" : NULL;
    if (units > 0 && rows % 3 == 0 && rows / 3 == units) {
        kind = "a GRU";
    }
    if (kind) {
        psti_text_add(&text, "shape ");
        psti_text_shape(&text, 2, hh->shape);
        psti_text_add(&text, " is that of %s, which is not supported: an LSTM has 4 rows for each column", kind);
        return fail_entry(c, hh, PST_E_UNSUPPORTED, "shape", text.text);
    }
    return PST_OK;
}

static pst_status check_lstm(const psti_checkpoint *c, const psti_group *g, psti_module *m) {
    for (size_t k = 0; k < m->depth; k++) {
        psti_entry *const *t = m->lstm[k].tensor;
        for (int role = 0; role < PSTI_ROLES; role++) {
            /* PyTorch gives all layers of a module both biases or none. */
            int needed = role == PSTI_ROLE_W_IH || role == PSTI_ROLE_W_HH;
            for (size_t other = 0; other < m->depth && !needed; other++) {
                needed = m->lstm[other].tensor[PSTI_ROLE_B_IH] || m->lstm[other].tensor[PSTI_ROLE_B_HH];
            }
            if (needed && !t[role]) {
                return fail_missing(c, g, role, k);
            }
        }
        pst_status status = check_gates(c, t[PSTI_ROLE_W_IH], t[PSTI_ROLE_W_HH]);
        if (status) {
            return status;
        }
    }
    m->inputs = m->lstm[0].tensor[PSTI_ROLE_W_IH]->shape[1];
    m->outputs = m->lstm[m->depth - 1].tensor[PSTI_ROLE_W_HH]->shape[1];
    return PST_OK;
}

/* The LSTM among a group's tensors; m->depth stays 0 if there is none. */
static pst_status find_lstm(psti_checkpoint *c, const psti_group *g, psti_module *m) {
    size_t depth = 0, count = 0;
    for (size_t i = 0; i < g->count; i++) {
        if (g->parts[i].role < PSTI_ROLES) {
            depth = depth > g->parts[i].layer ? depth : g->parts[i].layer + 1;
            count++;
        }
    }
    if (depth == 0) {
        return PST_OK;
    }
    /* Not more memory than tensors justify, whatever number a name claims. A layer needs two, so where `room` is less
     * than depth some layer below it lacks one, and the check says which. */
    size_t room = depth < count / 2 + 1 ? depth : count / 2 + 1;
    m->lstm = psti_arena_take(&c->arena, room, sizeof *m->lstm);
    if (!m->lstm) {
        return PST_E_MEMORY;
    }
    for (size_t i = 0; i < g->count; i++) {
        const psti_part *p = &g->parts[i];
        if (p->role < PSTI_ROLES && p->layer < room && !m->lstm[p->layer].tensor[p->role]) {
            m->lstm[p->layer].tensor[p->role] = p->entry;
            p->entry->used = 1;
        }
    }
    m->depth = room;
    return check_lstm(c, g, m);
}

static void find_linear(const psti_group *g, psti_module *m) {
    for (size_t i = 0; i < g->count; i++) {
        psti_entry *e = g->parts[i].entry;
        if (g->parts[i].role == PSTI_ROLE_WEIGHT && e->rank == 2) {
            m->weight = e;
        }
        if (g->parts[i].role == PSTI_ROLE_BIAS && e->rank == 1) {
            m->bias = e;
        }
    }
    if (m->weight) {
        m->weight->used = 1;
        if (m->bias) {
            m->bias->used = 1;
        }
        m->inputs = m->weight->shape[1];
        m->outputs = m->weight->shape[0];
    }
}

/* Groups the parts by path and makes modules of them: never more than there are parts, as each takes one or more. */
static pst_status find_modules(psti_checkpoint *c, psti_part *parts, psti_module *modules, size_t *count) {
    for (size_t i = 0; i < c->count;) {
        psti_group g = {.parts = &parts[i], .count = 1};
        while (i + g.count < c->count && same_path(&parts[i], &parts[i + g.count])) {
            g.count++;
        }
        psti_module lstm = {0}, linear = {0};
        pst_status status = find_lstm(c, &g, &lstm);
        if (status) {
            return status;
        }
        find_linear(&g, &linear);
        if (lstm.depth) {
            modules[(*count)++] = lstm;
        }
        if (linear.weight) {
            modules[(*count)++] = linear;
        }
        i += g.count;
    }
    return PST_OK;
}

static pst_status give_layers(psti_checkpoint *c, const psti_module *modules, size_t count, psti_found *found) {
    static const char *const linear_roles[2] = {"weight", "bias"};
    size_t layers = 0, at = 0;
    for (size_t i = 0; i < count; i++) {
        layers += modules[i].depth ? modules[i].depth : 1;
    }
    pst_status status = psti_found_open(c, layers, found);
    for (size_t i = 0; i < count && !status; i++) {
        const psti_module *m = &modules[i];
        for (size_t k = 0; k < m->depth && !status; k++) {
            status = psti_found_layer(c, found, at++, "lstm", PSTI_ROLES, role_names, m->lstm[k].tensor);
        }
        if (!m->depth) {
            psti_entry *const entries[2] = {m->weight, m->bias};
            status = psti_found_layer(c, found, at++, "linear", 2, linear_roles, entries);
        }
    }
    return status;
}

pst_status psti_state_dict_read(psti_checkpoint *c, psti_found *found) {
    if (c->count == 0) {
        return psti_fail(PST_E_UNSUPPORTED, (psti_where){.file = c->file}, "%s: no tensors", psti_checkpoint_name(c));
    }
    psti_part *parts = psti_arena_take(&c->arena, c->count, sizeof *parts);
    psti_module *modules = psti_arena_take(&c->arena, c->count, sizeof *modules);
    if (!parts || !modules) {
        return PST_E_MEMORY;
    }
    for (size_t i = 0; i < c->count; i++) {
        pst_status status = take_apart(c, &c->entries[i], &parts[i]);
        if (status) {
            return status;
        }
    }
    qsort(parts, c->count, sizeof *parts, by_path);
    size_t count = 0;
    pst_status status = find_modules(c, parts, modules, &count);
    if (!status) {
        status = psti_checkpoint_leftovers(c);
    }
    if (!status) {
        status = psti_modules_order(c, modules, count);
    }
    return status ? status : give_layers(c, modules, count, found);
}
