/* What sums of 8-bit weights (digits.h) and of fewer bits (few.h) have in common: all but sums_part. */
typedef struct {
    const int8_t *digit[DIGITS]; /* high first */
    float scale;
} sums_context;

static void sums_begin(sums_context *c, const psti_operand *x, const psti_shape *s) {
    (void)s;
    c->scale = x->scale;
    c->digit[0] = x->code;
#if DIGITS == 2
    c->digit[1] = x->low;
#endif
}

static void sums_part(const sums_context *c, const unsigned char *tiles, uint32_t from, uint32_t to,
                      const psti_shape *s, uint32_t vectors, psti_partial *partial);

static void sums_ahead(const psti_operand *x, const unsigned char *tiles, const psti_shape *s, uint32_t vectors,
                       const psti_ahead *ahead, psti_partial *begun) {
    sums_context c;
    sums_begin(&c, x, s);
    memset(begun, 0, sizeof *begun);
    sums_part(&c, tiles, ahead->from, ahead->to, s, vectors, begun);
}

/* What sums_ahead has left. */
static void sums_rest(const sums_context *c, const unsigned char *tiles, const psti_shape *s, uint32_t vectors,
                      const psti_ahead *ahead, psti_partial *partial) {
    sums_part(c, tiles, 0, ahead->from, s, vectors, partial);
    sums_part(c, tiles, ahead->to, s->padded_inputs, s, vectors, partial);
}

static void sums_value(const sums_context *c, const psti_partial *partial, uint32_t vectors, vf *value) {
    (void)c;
    for (uint32_t lane = 0; lane < vectors * PSTI_LANES; lane++) {
        float high = (float)(int32_t)partial->word[0][lane / PSTI_LANES][lane % PSTI_LANES];
#if DIGITS == 2
        high = fmaf(high, 256.0f, (float)(int32_t)partial->word[1][lane / PSTI_LANES][lane % PSTI_LANES]);
#endif
        value[lane / PSTI_LANES].v[lane % PSTI_LANES] = high;
    }
}

static vf sums_close(const sums_context *c, vf value, const float *scale, vf bracket) {
    return vf_fma(value, vf_mul(vf_load(scale), vf_all(c->scale)), bracket);
}
