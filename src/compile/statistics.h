/* What the input vector of a matrix looks like over a calibration: its mean, how slowly it moves, its covariance and
 * that of its innovation. */
#ifndef PSTI_COMPILE_STATISTICS_H
#define PSTI_COMPILE_STATISTICS_H

#include <stdint.h>

#include "base/memory.h"
#include "penstock.h"

#define PSTI_MOST_COVARIANCE 2048 /* inputs; above, only variances are kept */

/* Covariances are shrunk toward their diagonal: S = (1 - shrinkage) S + shrinkage diag(S), by Ledoit and Wolf's measure
 * with the number of independent samples in place of the number of steps, which are correlated. */
typedef struct {
    uint32_t inputs;
    uint64_t steps;
    float largest;               /* |v|, of any input */
    double *mean;                /* [inputs] */
    double *rho;                 /* [inputs] lag-1 coefficient about the mean, in [-1, 1]; 0 where it never moves */
    double pooled_rho;           /* one coefficient for the whole vector */
    double *variance;            /* [inputs] */
    double *innovation_variance; /* [inputs] of v(t) - pooled_rho v(t-1) */
    double *covariance;          /* [inputs][inputs]; NULL above PSTI_MOST_COVARIANCE inputs */
    double *innovation;          /* [inputs][inputs], the covariance of the innovation; NULL likewise */
    double shrinkage, innovation_shrinkage;
    psti_arena arena;       /* of the results */
    struct psti_sums *sums; /* until finish */
} psti_statistics;

/* Begins; *out needs no initialisation and is to be freed whatever the answer. */
pst_status psti_statistics_open(uint32_t inputs, psti_statistics *out);
/* A new sequence: the next step has none before it. */
void psti_statistics_start(psti_statistics *s);
/* One step's vector, finite. */
void psti_statistics_add(psti_statistics *s, const float *v);
/* The results above, of at least one step; nothing may be added after. */
pst_status psti_statistics_finish(psti_statistics *s);
void psti_statistics_free(psti_statistics *s);

#endif
