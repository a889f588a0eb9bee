/* What to measure, and how: the options of bench as values. */
#ifndef LAB_OPTIONS_H
#define LAB_OPTIONS_H

#include "lab/input.h"
#include "penstock.h"

enum { LAB_LIST_MOST = 64 };

#define LAB_BEST "best"
/* The formats of the default table. */
#define LAB_FORMATS "bf16,w8a16,w8a8,w4a8,w4r"

/* The words of a list. */
typedef struct {
    char *text;
    const char *item[LAB_LIST_MOST];
    uint32_t count;
} lab_list;

typedef struct {
    lab_list models;        /* names of lab_shapes, or paths of .pstk files */
    lab_list formats;       /* of the models by name; a .pstk has its own */
    lab_input input;        /* of the steps that are timed; models by name are calibrated on the same kind */
    lab_list cores;         /* numbers, or LAB_BEST: the pilot run chooses */
    double spacing_us;      /* from the start of one step to the start of the next; 0: none */
    uint32_t burst;         /* steps that come back to back, spacing_us then being the mean; 1: every step by itself */
    uint64_t inferences;    /* samples a cell, at most */
    double budget_s;        /* for everything */
    uint64_t disturb_bytes; /* written between steps; with silence_ms: during each silence, and not between steps */
    uint32_t streams;       /* 2: steps of another stream come in between; 1: none */
    int idle;               /* PST_IDLE_... */
    double silence_ms;      /* steps after so long a silence, beside the others; 0: none */
    uint64_t seed;
    const char *level;   /* highest instruction set level; NULL: the machine's best */
    pst_progress report; /* may be NULL; its result is ignored */
} lab_options;

/* The default options. The lists belong to *o: lab_options_free. */
int lab_options_default(lab_options *o);
void lab_options_free(lab_options *o);

/* Replaces a list by the words between the commas of `text`; no word may be empty or stand twice. `what` is for the
 * message: "--models". */
int lab_list_parse(const char *what, const char *text, lab_list *list);
/* The same for --formats. A format's own text may have commas, but then it has '=' as well: where either stands, '=' or
 * ';', words are between semicolons. Which formats there are is the library's to know. */
int lab_formats_parse(const char *text, lab_list *list);
/* Whether a model's name is a path. */
int lab_is_path(const char *model);
/* Every model by name exists, else a message that lists them. */
int lab_check_models(const lab_list *models);
/* A list of whole numbers, 1 to 4,096, and LAB_BEST. */
int lab_check_cores(const lab_list *cores);
/* "auto", "spin", "wait", "yield" or "park". */
int lab_idle_parse(const char *text, lab_options *o);
/* "20", "0.5" or "burst:8": spacing_us and burst. */
int lab_spacing_parse(const char *text, lab_options *o);

#endif
