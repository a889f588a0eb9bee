/* Anchors: see anchors.h. */
#include "lab/anchors.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "lab/error.h"

static int add_system(lab_anchors *a, json_t *file, json_t *system) {
    const char *heading = NULL, *name, *conditions = "", *source;
    json_t *figures;
    json_error_t e;
    if (json_unpack_ex(system, &e, 0, "{s:s, s?:s, s:o}", "system", &name, "heading", &heading, "figures", &figures) ||
        json_unpack_ex(file, &e, 0, "{s:s, s?:s}", "source", &source, "conditions", &conditions) ||
        !json_is_object(figures))
        return lab_fail("anchors: %s", json_is_object(system) ? e.text : "a system is not an object");
    if (!heading)
        return 0;
    if (a->columns == LAB_ANCHORS_MOST)
        return lab_fail("anchors: more than %d columns", LAB_ANCHORS_MOST);
    a->column[a->columns].heading = heading;
    a->column[a->columns].system = name;
    a->column[a->columns].source = source;
    a->column[a->columns].conditions = conditions;
    a->column[a->columns++].figures = figures;
    return 0;
}

int lab_anchors_open(const char *const *texts, lab_anchors *a) {
    memset(a, 0, sizeof *a);
    for (; *texts; texts++) {
        json_error_t e;
        json_t *file = a->file_count < LAB_ANCHORS_MOST ? json_loads(*texts, JSON_REJECT_DUPLICATES, &e) : NULL;
        int result = 0;
        if (!file) {
            result = lab_fail("anchors: %s", a->file_count < LAB_ANCHORS_MOST ? e.text : "too many files");
        } else {
            a->files[a->file_count++] = file;
            size_t i;
            json_t *system, *systems = json_object_get(file, "systems");
            if (!json_is_array(systems))
                result = lab_fail("anchors: a file without systems");
            json_array_foreach(systems, i, system) {
                if (!result)
                    result = add_system(a, file, system);
            }
        }
        if (result) {
            lab_anchors_close(a);
            return -1;
        }
    }
    return 0;
}

void lab_anchors_close(lab_anchors *a) {
    for (size_t i = 0; i < a->file_count; i++)
        json_decref(a->files[i]);
    memset(a, 0, sizeof *a);
}

double lab_anchors_figure(const lab_anchors *a, size_t column, const char *model, const char *name) {
    const json_t *value = json_object_get(json_object_get(a->column[column].figures, model), name);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

void lab_anchors_text(const lab_anchors *a, size_t column, const char *model, char *text, size_t n) {
    double mean = lab_anchors_figure(a, column, model, "mean_us"), p50 = lab_anchors_figure(a, column, model, "p50_us");
    double p99 = lab_anchors_figure(a, column, model, "p99_us"), centre = isnan(mean) ? p50 : mean;
    if (isnan(centre))
        snprintf(text, n, "-");
    else if (isnan(p99))
        snprintf(text, n, "%s%.4g", isnan(mean) ? "p50 " : "", centre);
    else
        snprintf(text, n, "%s%.4g/%.4g", isnan(mean) ? "p50 " : "", centre, p99);
}
