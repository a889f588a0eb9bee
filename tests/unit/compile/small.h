/* A small model, slow input for it, and what tells programs apart: for tests of compiling. */
#ifndef TESTS_UNIT_COMPILE_SMALL_H
#define TESTS_UNIT_COMPILE_SMALL_H

#include "support/expect.h"
#include "support/model.h"

enum { INPUTS = 12, STEPS = 200 };

static inline pst_model *model(void) {
    static const model_part parts[] = {MODEL_LSTM(32), MODEL_LSTM(20), MODEL_LINEAR(3)};
    return model_make(INPUTS, parts, 3, 3, 1);
}

/* Each feature with a lag-1 coefficient of 0.9. */
static inline float *input(uint64_t steps) {
    float *x = model_normals(8, steps * INPUTS);
    for (uint64_t i = INPUTS; i < steps * INPUTS; i++)
        x[i] = 0.9f * x[i - INPUTS] + 0.43f * x[i];
    return x;
}

static inline uint64_t hash_of(const pst_program *p) {
    pst_info info;
    PST_INIT(info);
    OK(pst_program_get_info(p, &info));
    return info.hash;
}

#endif
