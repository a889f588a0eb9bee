/* What to measure: see options.h. */
#include "lab/options.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lab/error.h"
#include "lab/models.h"

#define SPACING_US 20.0
#define SPACING_MOST_US 1e6
enum { BURST_MOST = 1024, CORES_MOST = 4096 };

int lab_options_default(lab_options *o) {
    memset(o, 0, sizeof *o);
    o->input = lab_input_iid;
    o->spacing_us = SPACING_US;
    o->burst = 1;
    o->streams = 1;
    o->inferences = 50000;
    o->budget_s = 75;
    o->seed = 1;
    if (lab_list_parse("--models", "tiny,small,med,med_deep", &o->models) == 0 &&
        lab_formats_parse(LAB_FORMATS, &o->formats) == 0 && lab_list_parse("--cores", "1," LAB_BEST, &o->cores) == 0)
        return 0;
    lab_options_free(o);
    return -1;
}

void lab_options_free(lab_options *o) {
    free(o->models.text);
    free(o->formats.text);
    free(o->cores.text);
    memset(o, 0, sizeof *o);
}

static int split(const char *what, const char *text, const char *separator, lab_list *list) {
    lab_list own = {.text = strdup(text)};
    char *rest = own.text;
    if (!rest)
        return lab_fail_memory();
    for (char *word; (word = strsep(&rest, separator)) != NULL;) {
        int bad = 0;
        if (*word == 0)
            bad = lab_fail("%s: an empty name in '%s'", what, text);
        else if (own.count == LAB_LIST_MOST)
            bad = lab_fail("%s: more than %d names", what, LAB_LIST_MOST);
        for (uint32_t i = 0; i < own.count && !bad; i++)
            if (strcmp(own.item[i], word) == 0)
                bad = lab_fail("%s: '%s' stands twice in '%s'", what, word, text);
        if (bad) {
            free(own.text);
            return -1;
        }
        own.item[own.count++] = word;
    }
    free(list->text);
    *list = own;
    return 0;
}

int lab_list_parse(const char *what, const char *text, lab_list *list) {
    return split(what, text, ",", list);
}

int lab_formats_parse(const char *text, lab_list *list) {
    return split("--formats", text, strpbrk(text, ";=") ? ";" : ",", list);
}

int lab_is_path(const char *model) {
    size_t n = strlen(model);
    return strchr(model, '/') != NULL || (n > 5 && strcmp(model + n - 5, ".pstk") == 0);
}

int lab_check_models(const lab_list *models) {
    for (uint32_t i = 0; i < models->count; i++) {
        char names[256] = "";
        if (lab_is_path(models->item[i]) || lab_shape_find(models->item[i]))
            continue;
        for (const lab_shape *s = lab_shapes; s->name; s++) {
            strncat(names, s->name, sizeof names - strlen(names) - 1);
            strncat(names, ", ", sizeof names - strlen(names) - 1);
        }
        return lab_fail("--models: no model '%s'; there are %sor the path of a .pstk file", models->item[i], names);
    }
    return 0;
}

/* A whole number in [1, most] without a sign or blanks; 0 if it is not one. */
static uint32_t whole(const char *text, uint32_t most) {
    char *end;
    unsigned long n = *text >= '0' && *text <= '9' && strlen(text) < 10 ? strtoul(text, &end, 10) : 0;
    return n >= 1 && n <= most && !*end ? (uint32_t)n : 0;
}

int lab_check_cores(const lab_list *cores) {
    for (uint32_t i = 0; i < cores->count; i++)
        if (strcmp(cores->item[i], LAB_BEST) != 0 && !whole(cores->item[i], CORES_MOST))
            return lab_fail("--cores: '%s' is not a whole number from 1 to %d, nor " LAB_BEST, cores->item[i],
                            CORES_MOST);
    return 0;
}

int lab_spacing_parse(const char *text, lab_options *o) {
    if (strncmp(text, "burst:", 6) == 0) {
        uint32_t burst = whole(text + 6, BURST_MOST);
        if (!burst)
            return lab_fail("--spacing-us: '%s' is not burst:K with a whole number K from 1 to %d", text, BURST_MOST);
        o->spacing_us = SPACING_US;
        o->burst = burst;
        return 0;
    }
    char *end;
    double us = strtod(text, &end);
    /* strtod would take blanks, signs, hexadecimal, "inf" and "nan". */
    if (!*text || strspn(text, "0123456789.") != strlen(text) || *end || !(us <= SPACING_MOST_US))
        return lab_fail("--spacing-us: '%s' is not a number of microseconds from 0 to %g, or burst:K", text,
                        SPACING_MOST_US);
    o->spacing_us = us;
    o->burst = 1;
    return 0;
}

int lab_idle_parse(const char *text, lab_options *o) {
    static const char *const names[] = {
        [PST_IDLE_AUTO] = "auto",   [PST_IDLE_SPIN] = "spin", [PST_IDLE_WAIT] = "wait",
        [PST_IDLE_YIELD] = "yield", [PST_IDLE_PARK] = "park",
    };
    for (int i = 0; i < (int)(sizeof names / sizeof *names); i++)
        if (strcmp(text, names[i]) == 0) {
            o->idle = i;
            return 0;
        }
    return lab_fail("--idle: expected auto, spin, wait, yield or park, found '%s'", text);
}
