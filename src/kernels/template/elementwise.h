/* Kernels over one vector of values: scan, encode, activation, softmax. Before including this, a file defines BUILD and
 * includes vector.h and math.h. */

#define NAME2(build, class) psti_##build##_##class##_f32
#define NAME1(build, class) NAME2(build, class)
#define NAME(class) NAME1(BUILD, class)

/* The values from i on, at most 16, zeros behind them; never reads past v + n. */
static inline vf psti_load_tail(const float *v, uint32_t i, uint32_t n) {
    if (i + PSTI_LANES <= n)
        return vf_load(v + i);
    float tail[PSTI_LANES] = {0};
    memcpy(tail, v + i, (n - i) * sizeof(float));
    return vf_load(tail);
}

uint32_t NAME(scan)(const float *v, uint32_t n) {
    uint32_t largest = 0;
    for (uint32_t i = 0; i < n; i += PSTI_LANES)
        largest = vf_largest_bits(psti_load_tail(v, i, n), largest);
    return largest;
}

void NAME(encode)(const float *v, uint32_t n, const psti_sink *out) {
    for (uint32_t i = 0; i < n; i += PSTI_LANES)
        psti_sink_store(out, i, vf_flush(psti_load_tail(v, i, n), PSTI_LEAST_VALUE));
}

/* log1p(e) / e on [0, 1], Chebyshev interpolation of degree 9 in 40 digits (mpmath.chebyfit): |error| <= 5.3e-9. */
static inline vf psti_log1p(vf e) {
    static const float c[] = {-0x1.a04acap-9f, 0x1.402f4cp-6f,  -0x1.cdd008p-5f, 0x1.afdde8p-4f,  -0x1.38b908p-3f,
                              0x1.92b43p-3f,   -0x1.ff0254p-3f, 0x1.554bd6p-2f,  -0x1.ffffb8p-2f, 1.0f};
    vf p = vf_all(c[0]);
    for (size_t i = 1; i < sizeof c / sizeof c[0]; i++)
        p = vf_fma(p, e, vf_all(c[i]));
    return vf_mul(p, e);
}

/* erfc(x) / 2 for x >= 0: exp(-x^2) t P(t) / 2, t = 1 / (1 + x / 2); P = erfc(x) exp(x^2) / t, Chebyshev interpolation
 * of degree 9 in t over x in [0, 9] (mpmath.chebyfit): |error| <= 1.1e-8. */
static inline vf psti_half_erfc(vf x) {
    static const float c[] = {0x1.620254p-6f, -0x1.61560cp-3f, 0x1.151b18p-1f, -0x1.a102cep-1f, 0x1.12b3ccp-1f,
                              -0x1.42228p-3f, 0x1.f56eb8p-3f,  0x1.e0ca2ep-3f, 0x1.22176ep-2f,  0x1.20d018p-2f};
    vf t = vf_div(vf_all(1.0f), vf_fma(x, vf_all(0.5f), vf_all(1.0f)));
    vf p = vf_all(c[0]);
    for (size_t i = 1; i < sizeof c / sizeof c[0]; i++)
        p = vf_fma(p, t, vf_all(c[i]));
    vf e = psti_exp_plus(vf_sub(vf_all(0.0f), vf_mul(x, x)), 0.0f);
    return vf_mul(vf_mul(vf_all(0.5f), vf_mul(p, t)), e);
}

/* v sigmoid(u), u of v's sign; v at most 60 below 0, where the product is below 2^-80 and so 0. */
static inline vf psti_times_sigmoid(vf v, vf u) {
    vf least = psti_clamp(u, -60.0f, 60.0f);
    return vf_div(vf_max(v, vf_all(-60.0f)), psti_exp_plus(vf_sub(vf_all(0.0f), least), 1.0f));
}

/* v (1 - erfc(v / sqrt 2) / 2) from the smaller side. Beyond 9 standard deviations the rest is below 1e-18. Below 2^-40
 * x changes no bit of erfc, but its square would be denormal. */
static inline vf psti_gelu(vf v) {
    vf x = psti_clamp(vf_mul(vf_abs(v), vf_all(0x1.6a09e6p-1f)), 0x1p-40f, 6.5f);
    vf rest = psti_half_erfc(x), small = vf_mul(vf_max(v, vf_all(-16.0f)), rest);
    return vf_where_less(v, vf_all(0.0f), small, vf_fma(vf_sub(vf_all(0.0f), vf_min(v, vf_all(16.0f))), rest, v));
}

/* v sigmoid(2 sqrt(2 / pi) (v + 0.044715 v^3)); the argument is beyond +-60 already at |v| = 10. Below
 * 2^-30 v^3 changes no bit of the sum, but would be denormal. */
static inline vf psti_gelu_tanh(vf v) {
    vf w = psti_clamp(v, -10.0f, 10.0f);
    vf u = vf_flush(w, 0x1p-30f), cube = vf_mul(vf_mul(vf_mul(u, u), u), vf_all(0x1.6e4e26p-5f));
    return psti_times_sigmoid(v, vf_mul(vf_add(w, cube), vf_all(0x1.988454p+0f)));
}

static inline vf psti_softplus(vf v) {
    vf e = psti_exp_plus(vf_max(vf_sub(vf_all(0.0f), vf_abs(v)), vf_all(-60.0f)), 0.0f);
    return vf_add(vf_max(v, vf_all(0.0f)), psti_log1p(e));
}

static inline vf psti_elu(vf v, float alpha) {
    vf below = vf_mul(vf_all(alpha), psti_exp_plus(psti_clamp(v, -60.0f, 0.0f), -1.0f));
    return vf_where_less(v, vf_all(0.0f), below, v);
}

void NAME(activation)(float *v, uint32_t n, int function, float alpha, float beta) {
#define ACTIVATE(name, expression)                                                                                     \
    case PSTI_FUNCTION_##name:                                                                                         \
        for (uint32_t i = 0; i < n; i += PSTI_LANES) {                                                                 \
            vf x = vf_flush(vf_load(v + i), PSTI_LEAST_VALUE);                                                         \
            vf y = vf_flush((expression), PSTI_LEAST_VALUE);                                                           \
            vf_store(v + i, psti_clamp(y, -PSTI_LARGEST_VALUE, PSTI_LARGEST_VALUE));                                   \
        }                                                                                                              \
        break
    const vf zero = vf_all(0.0f);
    switch (function) {
        ACTIVATE(relu, vf_max(x, zero));
        ACTIVATE(leaky_relu, vf_where_less(x, zero, vf_mul(x, vf_all(alpha)), x));
        ACTIVATE(elu, psti_elu(x, alpha));
        ACTIVATE(tanh, psti_tanh(x));
        ACTIVATE(sigmoid, psti_sigmoid(x));
        ACTIVATE(hard_sigmoid, psti_clamp(vf_fma(vf_all(alpha), x, vf_all(beta)), 0.0f, 1.0f));
        ACTIVATE(clip, psti_clamp(x, alpha, beta));
        ACTIVATE(silu, psti_times_sigmoid(x, x));
        ACTIVATE(gelu, psti_gelu(x));
        ACTIVATE(gelu_tanh, psti_gelu_tanh(x));
        ACTIVATE(softplus, psti_softplus(x));
    }
}

/* exp(v - max) / sum. The sum: 16 lanes over the vectors in order, then lanes i and i + 8, i + 4, i + 2, i + 1. */
void NAME(softmax)(float *v, uint32_t n) {
    float largest = v[0], lanes[PSTI_LANES];
    for (uint32_t i = 1; i < n; i++)
        largest = v[i] > largest ? v[i] : largest;
    vf sum = vf_all(0.0f);
    for (uint32_t i = 0; i < n; i += PSTI_LANES) {
        vf below = vf_max(vf_sub(psti_load_tail(v, i, n), vf_all(largest)), vf_all(-60.0f));
        vf_store(lanes, psti_exp_plus(below, 0.0f));
        for (uint32_t k = n - i; k < PSTI_LANES; k++)
            lanes[k] = 0;
        sum = vf_add(sum, vf_load(lanes));
        vf_store(v + i, vf_load(lanes));
    }
    vf_store(lanes, sum);
    for (uint32_t half = PSTI_LANES / 2; half; half /= 2)
        for (uint32_t i = 0; i < half; i++)
            lanes[i] += lanes[i + half];
    for (uint32_t i = 0; i < n; i += PSTI_LANES)
        vf_store(v + i, vf_flush(vf_div(vf_load(v + i), vf_all(lanes[0])), PSTI_LEAST_VALUE));
}
