/* The activation layer: its function, and the attributes alpha and beta that some functions take. */
#include <math.h>
#include <string.h>

#include "base/number.h"
#include "base/status.h"
#include "base/text.h"
#include "model/make.h"

#define PSTI_ACTIVATION(name, alpha, beta) #name,
const char *const psti_activation_names[PSTI_ACTIVATIONS] = {
#include "model/activations.def"
};
#undef PSTI_ACTIVATION

/* Alpha and beta: NaN must be given, -infinity must not. */
#define PSTI_ACTIVATION(name, alpha, beta) {alpha, beta},
static const double defaults[PSTI_ACTIVATIONS][2] = {
#include "model/activations.def"
};
#undef PSTI_ACTIVATION

const char *const psti_attribute_names[2] = {"alpha", "beta"};

int psti_activation_find(const char *name) {
    for (int i = 0; i < PSTI_ACTIVATIONS; i++) {
        if (strcmp(name, psti_activation_names[i]) == 0) {
            return i;
        }
    }
    return -1;
}

int psti_activation_takes(int function, int which) {
    return !isinf(defaults[function][which]);
}

static pst_status find_function(psti_layer *layer, const psti_making *making) {
    const char *name = making->given->function;
    layer->function = name ? psti_activation_find(name) : -1;
    if (layer->function >= 0) {
        return PST_OK;
    }
    psti_text known = {0};
    for (int i = 0; i < PSTI_ACTIVATIONS; i++) {
        psti_text_item(&known, "%s", psti_activation_names[i]);
    }
    psti_where where = {.field = "function"};
    if (!name) {
        return psti_making_fail(making, PST_E_ARGUMENT, where, "function is missing, one of %s expected",
                                psti_text_end(&known));
    }
    return psti_making_fail(making, PST_E_UNSUPPORTED, where, "unknown function \"%s\", one of %s expected", name,
                            psti_text_end(&known));
}

/* Which of alpha and beta an attribute is if this function takes it, else -1. */
static int taken(int function, const char *name) {
    for (int i = 0; i < 2; i++) {
        if (strcmp(name, psti_attribute_names[i]) == 0 && psti_activation_takes(function, i)) {
            return i;
        }
    }
    return -1;
}

static pst_status take_attributes(const psti_making *making, int function, double value[2], int given[2]) {
    psti_text unknown = {0};
    char first[64] = "";
    for (size_t i = 0; i < making->given->attribute_count; i++) {
        if (!making->given->attributes || !making->given->attributes[i]) {
            return psti_making_fail(making, PST_E_ARGUMENT, (psti_where){.field = "attributes"},
                                    "attribute %zu is NULL", i);
        }
        pst_attribute own;
        pst_status status = psti_take_options(making->given->attributes[i], &own, sizeof own, "pst_attribute");
        if (status) {
            return status;
        }
        if (!own.name) {
            return psti_making_fail(making, PST_E_ARGUMENT, (psti_where){.field = "attributes"},
                                    "attribute %zu has no name", i);
        }
        int which = taken(function, own.name);
        if (which < 0) {
            if (!unknown.items) {
                (void)strncpy(first, own.name, sizeof first - 1);
            }
            psti_text_item(&unknown, "%s", own.name);
            continue;
        }
        if (given[which]) {
            return psti_making_fail(making, PST_E_ARGUMENT, (psti_where){.field = own.name}, "%s is given twice",
                                    own.name);
        }
        given[which] = 1;
        value[which] = own.value;
    }
    if (unknown.items) {
        psti_text takes = {0};
        for (int i = 0; i < 2; i++) {
            if (psti_activation_takes(function, i)) {
                psti_text_item(&takes, "%s", psti_attribute_names[i]);
            }
        }
        return psti_making_fail(making, PST_E_UNSUPPORTED, (psti_where){.field = first},
                                "unknown attributes %s; %s takes %s", psti_text_end(&unknown),
                                psti_activation_names[function], takes.items ? psti_text_end(&takes) : "none");
    }
    return PST_OK;
}

static pst_status finish(psti_layer *layer, const psti_making *making) {
    pst_status status = find_function(layer, making);
    if (status) {
        return status;
    }
    const char *function = psti_activation_names[layer->function];
    double value[2] = {defaults[layer->function][0], defaults[layer->function][1]};
    int given[2] = {0, 0};
    status = take_attributes(making, layer->function, value, given);
    if (status) {
        return status;
    }
    for (int i = 0; i < 2; i++) {
        if (!psti_activation_takes(layer->function, i)) {
            value[i] = 0; /* not taken */
        } else if (!given[i] && isnan(value[i])) {
            return psti_making_fail(making, PST_E_ARGUMENT, (psti_where){.field = psti_attribute_names[i]},
                                    "%s needs %s, which is missing", function, psti_attribute_names[i]);
        } else if (!(fabs(value[i]) <= (double)PSTI_MAX_WEIGHT)) { /* NaN too */
            return psti_making_fail(making, PST_E_NONFINITE, (psti_where){.field = psti_attribute_names[i]},
                                    "%s of %s is %g, finite and at most 2^40 in magnitude expected",
                                    psti_attribute_names[i], function, value[i]);
        }
    }
    if (layer->function == PSTI_ACTIVATION_clip && !(value[0] <= value[1])) {
        return psti_making_fail(making, PST_E_ARGUMENT, (psti_where){.field = "alpha"},
                                "clip's alpha is %.9g, above its beta %.9g", value[0], value[1]);
    }
    layer->alpha = psti_flush((float)value[0], -80); /* no denormals: docs/numerics.md */
    layer->beta = psti_flush((float)value[1], -80);
    return PST_OK;
}

const psti_kind psti_kind_activation = {.name = "activation", .finish = finish, .keeps_width = 1, .takes_function = 1};
