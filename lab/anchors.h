/* Anchors: what others' systems reach on the same models, from lab/anchors/, each with its source. */
#ifndef LAB_ANCHORS_H
#define LAB_ANCHORS_H

#include <jansson.h>

/* The texts of lab/anchors/, in the order of their names, ended by NULL; made by the build (cmake/embed.cmake). */
extern const char *const lab_anchor_texts[];

enum { LAB_ANCHORS_MOST = 16 };

/* The systems that say under which heading they stand beside ours, in the order of the headings' columns. */
typedef struct {
    json_t *files[LAB_ANCHORS_MOST];
    size_t file_count;
    struct {
        const char *heading, *system, *source, *conditions;
        const json_t *figures;
    } column[LAB_ANCHORS_MOST];
    size_t columns;
} lab_anchors;

/* Reads the texts; a text that is not as it should be is a failure with a message. */
int lab_anchors_open(const char *const *texts, lab_anchors *a);
void lab_anchors_close(lab_anchors *a);

/* A figure of a column for a model, NAN if it has none: "mean_us", "p50_us", "p99_us". */
double lab_anchors_figure(const lab_anchors *a, size_t column, const char *model, const char *name);
/* "4.3/5.1": mean, or median with "p50" before it, and p99; "-" where there is nothing. */
void lab_anchors_text(const lab_anchors *a, size_t column, const char *model, char *text, size_t n);

#endif
