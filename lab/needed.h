/* How many cores a model would take to be below another system: by arithmetic from what was measured on few. */
#ifndef LAB_NEEDED_H
#define LAB_NEEDED_H

#include <stdio.h>

#include "lab/anchors.h"
#include "lab/bench.h"

enum { LAB_NEEDED_MOST = 64 };

typedef struct {
    uint32_t cores; /* the fewest; 0: not with any number up to LAB_NEEDED_MOST */
    double us;      /* what they then take */
} lab_needed;

/* The fewest cores whose floor, times `factor`, is below `below_us`: floors as lab_estimate_of has them, on a host like
 * this one with that many cores, and the hop between any two of them as given. */
int lab_needed_of(const pst_program *p, const pst_host *host, double hop_ns, double clock_us, double factor,
                  double below_us, lab_needed *out);

/* The hop, of the program's cells or else of any, and p50 / floor of its cell on the most cores; 0 where no cell of the
 * run has more than one. */
int lab_needed_base(const lab_bench *b, const lab_program *p, double *hop_ns, double *factor);

/* The table, beside those systems whose mean is known; nothing where one core is all that was measured. */
int lab_needed_print(const lab_bench *b, const lab_anchors *a, int markdown, FILE *to);

#endif
