/* What a step's input leaves to settle, R x, R the rest of W_ih: a share rho of it goes into the brackets of the next
 * step, as a guess of what that one's respond will leave out; and where the gates of the step were kept, its c is
 * computed again, from gates that have R x instead of the share of the step before. Before including this, a file
 * defines MEND, the function's name. */

/* The gates of a block of 16 units: wide ones stand so, narrow ones are gathered from 4 lanes of each. */
static inline vf mend_load(const psti_shape *s, const float *lanes, uint32_t block, uint32_t gate) {
    if (block < s->wide)
        return vf_load(lanes + (size_t)PSTI_LANES * (PSTI_GATES * block + gate));
    float gathered[PSTI_LANES] = {0};
    for (uint32_t n = 0; n < s->narrow; n++)
        memcpy(gathered + PSTI_NARROW * n, lanes + (size_t)PSTI_LANES * (PSTI_GATES * s->wide + n) + PSTI_NARROW * gate,
               PSTI_NARROW * sizeof(float));
    return vf_load(gathered);
}

static inline void mend_brackets(const psti_mend_args *a, uint32_t block) {
    uint32_t first = PSTI_GATES * block, end = block < a->shape->wide ? first + PSTI_GATES : first + a->shape->narrow;
    for (uint32_t v = first; v < end; v++) {
        float *bracket = a->bracket + (size_t)PSTI_LANES * v;
        vf sum = vf_fma(vf_load(a->rest + (size_t)PSTI_LANES * v), vf_all(a->rho), vf_load(bracket));
        vf_store(bracket, vf_flush(sum, PSTI_LEAST_VALUE));
    }
}

static inline void mend_cell(const psti_mend_args *a, uint32_t block) {
    psti_sink none = {0};
    psti_cell cell = {.out = &none, .unit = PSTI_BLOCK * block};
    for (uint32_t g = 0; g < PSTI_GATES; g++) {
        vf missed = vf_fma(mend_load(a->shape, a->rest_before, block, g), vf_all(-a->rho),
                           mend_load(a->shape, a->rest, block, g));
        cell.gate[g] = vf_flush(vf_add(mend_load(a->shape, a->gates, block, g), missed), PSTI_LEAST_VALUE);
    }
    cell.c = vf_load(a->c_before + (size_t)PSTI_BLOCK * block);
    cell.c_after = a->c + (size_t)PSTI_BLOCK * block;
    for (int stage = 0; stage <= PSTI_CELL_C; stage++)
        psti_cell_stage(&cell, stage);
}

void MEND(const psti_mend_args *a) {
    for (uint32_t block = a->first; block < a->last; block++) {
        mend_brackets(a, block);
        if (a->gates)
            mend_cell(a, block);
    }
}
