/* Programs whose W_ih leaves a rest that settle adds: a share rho of it in the next bracket, c mended. The compiler
 * chooses both by calibration; tests set them. */
#ifndef TESTS_UNIT_ENGINE_RESTS_H
#define TESTS_UNIT_ENGINE_RESTS_H

#include "program/program.h"
#include "support/expect.h"
#include "support/model.h"

static const model_held rests_every[] = {
    {"w4r", NULL},
    {"w2r", NULL},
    {"w8r", NULL},
    {"ih=w6r,hh=w16a16,linear=w4a16", NULL},
    {"ih=w3r,hh=w4a8,linear=w2a8", NULL},
    {"bf16", "0=ih=w8r,hh=w8a8"},
    {"w8a8", "1=ih=w4r,hh=bf16"},
};
enum { RESTS = sizeof rests_every / sizeof *rests_every };

/* Every layer with a rest has another rho; those of `mends`, by bits, mend their c. Returns how many rests there are.
 */
static inline int rests_set(pst_program *p, float rho, unsigned mends) {
    int rests = 0;
    for (uint32_t i = 0; i < p->count; i++) {
        psti_program_layer *l = &p->layers[i];
        if (!psti_program_has(l, PSTI_MATRIX_INPUT_REST))
            continue;
        l->rho = rests % 2 ? -0.5f * rho : rho;
        l->mends = (int)(mends >> i & 1);
        rests++;
    }
    OK(psti_program_finish(p));
    return rests;
}

static inline pst_program *rests_program(const pst_model *m, const model_held *held, float rho, unsigned mends) {
    pst_program *p = model_program_held(m, held);
    assert_true(rests_set(p, rho, mends) > 0);
    return p;
}

#endif
