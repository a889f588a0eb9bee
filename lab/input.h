/* What the models are given: noise, independent or with a memory, or the rows of a file. */
#ifndef LAB_INPUT_H
#define LAB_INPUT_H

#include <stdint.h>

/* Each input of a model is its own AR(1) process of variance 1: x(0) normal, x(t) = R x(t-1) + sqrt(1 - R^2) e(t).
 * R = 0 is independent normal noise. Where there are rows they are what is given, and R does not count. */
typedef struct {
    const char *name;   /* as it was asked for: "iid", "ar:0.9", a file's name */
    double coefficient; /* R, in (-1, 1) */
    const float *rows;  /* [steps][columns], the caller's; NULL: noise */
    uint64_t steps;
    uint32_t columns;
} lab_input;

/* The kinds that every model's errors are found over: without a memory, and with one, as most signals have. */
extern const lab_input lab_input_iid, lab_input_ar;

/* The kinds of a run, in the order of their columns: these two, and the one asked for where it is neither. */
enum { LAB_KIND_IID, LAB_KIND_AR, LAB_KIND_OTHER, LAB_KINDS };
/* Which of them `asked` is. */
int lab_input_kind(const lab_input *asked);
/* The input of a kind; NULL for LAB_KIND_OTHER where there is none. */
const lab_input *lab_input_of_kind(const lab_input *asked, int kind);

/* What a series is for: a program is never judged over what it was calibrated on. Of noise each has a stream of random
 * numbers of its own; of rows the first half calibrates, and the second half is stepped through. */
typedef enum { LAB_INPUT_CALIBRATION, LAB_INPUT_STEPS } lab_input_use;

/* "iid" or "ar:R". 1: it is neither, so it must be a file's name, and *in has just that. `text` must outlive *in. */
int lab_input_parse(const char *text, lab_input *in);
/* Whether both give the same numbers. */
int lab_input_same(const lab_input *a, const lab_input *b);
/* Rows must be as wide as the model's input, and there must be some for each use. */
int lab_input_fits(const lab_input *in, const char *model, uint32_t inputs);

/* A new array [*steps][inputs], the caller's to free. *steps says how many are wanted, and then how many there are: of
 * rows no more than a half has. The first ones are the same whatever number is wanted. */
int lab_input_make(const lab_input *in, uint64_t seed, lab_input_use use, uint32_t inputs, uint64_t *steps,
                   float **out);

#endif
