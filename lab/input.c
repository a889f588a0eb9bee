/* What the models are given: see input.h. */
#include "lab/input.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lab/error.h"
#include "lab/noise.h"

const lab_input lab_input_iid = {.name = "iid"};
const lab_input lab_input_ar = {.name = "ar:0.9", .coefficient = 0.9};

/* ar:R in the command's own words: strtod would also take blanks, hexadecimal, "inf" and "nan". */
static int parse_coefficient(const char *text, double *out) {
    char *end;
    double r = strtod(text, &end);
    const char *digits = *text == '-' ? text + 1 : text;
    if (!*digits || strspn(digits, "0123456789.") != strlen(digits) || *end || !(fabs(r) < 1))
        return lab_fail("--input: 'ar:%s' is not ar:R with a number R between -1 and 1", text);
    *out = r;
    return 0;
}

int lab_input_parse(const char *text, lab_input *in) {
    lab_input own = {.name = text};
    if (strcmp(text, "iid") == 0) {
        *in = own;
        return 0;
    }
    if (strncmp(text, "ar:", 3) == 0) {
        if (parse_coefficient(text + 3, &own.coefficient))
            return -1;
        *in = own;
        return 0;
    }
    if (!*text)
        return lab_fail("--input: expected iid, ar:R or a file, found nothing");
    *in = own;
    return 1;
}

int lab_input_same(const lab_input *a, const lab_input *b) {
    return a->rows == b->rows && (a->rows || a->coefficient == b->coefficient);
}

int lab_input_kind(const lab_input *asked) {
    return lab_input_same(asked, &lab_input_iid)  ? LAB_KIND_IID
           : lab_input_same(asked, &lab_input_ar) ? LAB_KIND_AR
                                                  : LAB_KIND_OTHER;
}

const lab_input *lab_input_of_kind(const lab_input *asked, int kind) {
    if (kind == LAB_KIND_OTHER)
        return lab_input_kind(asked) == LAB_KIND_OTHER ? asked : NULL;
    return kind == LAB_KIND_IID ? &lab_input_iid : &lab_input_ar;
}

int lab_input_fits(const lab_input *in, const char *model, uint32_t inputs) {
    if (!in->rows)
        return 0;
    if (in->columns != inputs)
        return lab_fail("--input: %s: expected rows of %u values, the inputs of %s, found %u", in->name, inputs, model,
                        in->columns);
    if (in->steps < 2)
        return lab_fail("--input: %s: expected at least 2 rows, one half to calibrate and one to step, found %u",
                        in->name, (unsigned)in->steps);
    return 0;
}

/* x holds independent normal numbers, which become the process in their places: the innovation e(t) is what stands
 * where x(t) goes. */
static void correlate(double r, float *x, uint64_t steps, uint32_t inputs) {
    const double fresh = sqrt(1 - r * r);
    for (size_t i = inputs; i < steps * inputs; i++)
        x[i] = (float)(r * (double)x[i - inputs] + fresh * (double)x[i]);
}

static const float *half(const lab_input *in, lab_input_use use, uint64_t *steps) {
    const uint64_t first = in->steps / 2, count = use == LAB_INPUT_CALIBRATION ? first : in->steps - first;
    *steps = *steps < count ? *steps : count;
    return use == LAB_INPUT_CALIBRATION ? in->rows : in->rows + first * in->columns;
}

int lab_input_make(const lab_input *in, uint64_t seed, lab_input_use use, uint32_t inputs, uint64_t *steps,
                   float **out) {
    const float *rows = in->rows ? half(in, use, steps) : NULL;
    float *x = malloc((size_t)*steps * inputs * sizeof *x);
    if (!x)
        return lab_fail_memory();
    if (rows) {
        memcpy(x, rows, (size_t)*steps * inputs * sizeof *x);
    } else {
        lab_noise noise;
        lab_noise_seed(&noise, seed, use == LAB_INPUT_CALIBRATION ? LAB_NOISE_CALIBRATION : LAB_NOISE_INPUTS);
        lab_noise_normal(&noise, x, (size_t)*steps * inputs);
        correlate(in->coefficient, x, *steps, inputs);
    }
    *out = x;
    return 0;
}
