/* exp, sigmoid, tanh and the cell of an LSTM over vectors of 16, in the vocabulary of a level's vector.h: every level
 * compiles this same text, so every level gives the same bits. No product or sum here is denormal (docs/numerics.md).
 */

/* e^v = 2^k (1 + p), v = k ln 2 + r, |r| <= ln 2 / 2, p = expm1(r) = r (1 + r q(r)).
 * k is rounded by adding 1.5 * 2^23, whose last bits then are k: shifted up they make 2^k. One fp32 ln 2 is enough: it
 * is wrong by 1.9e-9, so r by that times k, and where k is large sigmoid and tanh no longer move. Horner from r
 * outwards never squares a tiny r. q approximates (expm1(r) - r) / r^2: Chebyshev interpolation of degree 4 in 40
 * digits (mpmath.chebyfit), |error| <= 6.5e-8, so p's relative error is 2.3e-8 before rounding. */
typedef struct {
    vf power, power_r, q; /* 2^k, 2^k r, 1 + r q(r): e^v = power + power_r q */
} psti_exp_parts;

static inline psti_exp_parts psti_exp(vf v) {
    vf shifted = vf_fma(v, vf_all(0x1.715476p+0f), vf_all(0x1.8p23f));
    vf r = vf_fma(vf_sub(shifted, vf_all(0x1.8p23f)), vf_all(-0x1.62e43p-1f), v);
    vf power = vf_power2_of_shifted(shifted), q = vf_all(0x1.6d110ap-10f);
    q = vf_fma(q, r, vf_all(0x1.120b6ep-7f));
    q = vf_fma(q, r, vf_all(0x1.55551ap-5f));
    q = vf_fma(q, r, vf_all(0x1.5554dcp-3f));
    q = vf_fma(q, r, vf_all(0.5f));
    q = vf_fma(q, r, vf_all(1.0f));
    return (psti_exp_parts){power, vf_mul(power, r), q};
}

/* e^v + c: c = -1, 0 or 1. */
static inline vf psti_exp_plus(vf v, float c) {
    psti_exp_parts e = psti_exp(v);
    return vf_fma(e.power_r, e.q, vf_add(e.power, vf_all(c)));
}

static inline vf psti_clamp(vf v, float lowest, float highest) {
    return vf_min(vf_max(v, vf_all(lowest)), vf_all(highest));
}

/* 1 + e^-v, the denominator of sigmoid. Beyond +-30 sigmoid is 0 or 1 to within 1e-13; the bound keeps every quotient
 * below clear of denormals. */
static inline vf psti_sigmoid_denominator(vf v) {
    return psti_exp_plus(vf_sub(vf_all(0.0f), psti_clamp(v, -30.0f, 30.0f)), 1.0f);
}

/* tanh v = sign(v) e / (e + 2), e = e^|2v| - 1: from the positive side, where e + 2 >= 2 rounds relatively finer than
 * it would in [1, 2] (1.5e-7 absolute from the negative side). Beyond |2v| = 20, tanh is +-1 in fp32. */
static inline vf psti_tanh_exponential(vf v) {
    return psti_exp_plus(vf_min(vf_abs(vf_add(v, v)), vf_all(20.0f)), -1.0f);
}

/* Largest errors over all floats (tests/unit/kernels/test_math.c --all): sigmoid 8.93e-8 absolute; tanh 8.94e-8
 * absolute, 2.37e-7 relative, which is 2.0 units of 2^-23. */
static inline vf psti_sigmoid(vf v) {
    return vf_div(vf_all(1.0f), psti_sigmoid_denominator(v));
}

static inline vf psti_tanh(vf v) {
    vf e = psti_tanh_exponential(v);
    return vf_div(vf_copysign(e, v), vf_add(e, vf_all(2.0f)));
}

#define PSTI_LEAST_VALUE 0x1p-80f
#define PSTI_LARGEST_VALUE                                                                                             \
    0x1p60f /* of what a Linear or an activation hands on: as of x, so that no later sum overflows */

/* 16 values into every encoding that is asked for, at unit `at` (a multiple of 4). */
static inline void psti_sink_store(const psti_sink *out, uint32_t at, vf v) {
    if (out->value)
        vf_store(out->value + at, v);
    if (out->a16_high)
        vf_store_digits(
            out->a16_high + at, out->a16_low + at,
            vf_round(psti_clamp(vf_mul(v, vf_all(out->a16_multiplier)), -PSTI_LARGEST_A16, PSTI_LARGEST_A16)));
    if (out->a8)
        vf_store_digit(out->a8 + at,
                       vf_round(psti_clamp(vf_mul(v, vf_all(out->a8_multiplier)), -PSTI_LARGEST_A8, PSTI_LARGEST_A8)));
    if (out->bf16)
        vf_store_bf16(out->bf16 + at, vf_flush(v, 0x1p-48f));
    if (out->f32)
        vf_store(out->f32 + at, vf_flush(v, 0x1p-40f));
}

/* One timestep of 16 units from their gates (PyTorch's torch.nn.LSTM): c' = sigmoid(f) c + sigmoid(i) tanh(g),
 * h = sigmoid(o) tanh(c'). In stages, so that a product can run between them: one block's cell is a chain of some 160
 * cycles that an out-of-order core can't look across (it runs out of vector registers), so the stages of block b are
 * woven into the product of block b + 1. */
#define PSTI_CELL_STAGES 8
#define PSTI_CELL_C 4 /* the stage that stores c */

typedef struct {
    vf gate[PSTI_GATES], c;
    vf e, denominator, input; /* between stages */
    float *c_after;
    const psti_sink *out;
    uint32_t unit;
} psti_cell;

static inline __attribute__((always_inline)) void psti_cell_stage(psti_cell *w, const int stage) {
    switch (stage) {
    case 0:
        w->e = psti_tanh_exponential(w->gate[2]);
        break;
    case 1:
        w->denominator = psti_sigmoid_denominator(w->gate[0]);
        break;
    case 2: /* sigmoid(i) tanh(g) with one division */
        w->input = vf_div(vf_copysign(w->e, w->gate[2]), vf_mul(vf_add(w->e, vf_all(2.0f)), w->denominator));
        break;
    case 3:
        w->denominator = psti_sigmoid_denominator(w->gate[1]);
        break;
    case 4:
        w->c = vf_flush(vf_fma(vf_div(vf_all(1.0f), w->denominator), w->c, w->input), PSTI_LEAST_VALUE);
        vf_store(w->c_after, w->c);
        break;
    case 5:
        w->denominator = psti_sigmoid_denominator(w->gate[3]);
        break;
    case 6:
        w->e = psti_tanh_exponential(w->c);
        break;
    default: /* sigmoid(o) tanh(c) with one division */
        w->e = vf_div(vf_copysign(w->e, w->c), vf_mul(vf_add(w->e, vf_all(2.0f)), w->denominator));
        psti_sink_store(w->out, w->unit, vf_flush(w->e, PSTI_LEAST_VALUE));
    }
}

static inline __attribute__((always_inline)) void psti_cell_finish(psti_cell *w) {
#pragma GCC unroll 8
    for (int stage = 0; stage < PSTI_CELL_STAGES; stage++)
        psti_cell_stage(w, stage);
}
