/* Vectors of activations in a slot: operands, sinks, and encoding with a scale of the step. */
#include "base/number.h"
#include "engine/engine.h"

static float vector_scale(const psti_vector *v, const char *slot) {
    float scale = v->static_scale;
    if (v->exponent_scale != PSTI_NOWHERE)
        memcpy(&scale, slot + v->exponent_scale, sizeof scale);
    return scale;
}

psti_operand psti_vector_operand(const psti_vector *v, const char *slot, int now, int encoding) {
    psti_operand o = {.code = slot + v->code[now][encoding]};
    /* powers of two: exact but for the one rounding of 1 / 32512 or 1 / 127 */
    if (encoding == PSTI_W8A16) {
        o.low = (const int8_t *)(slot + v->low[now]);
        o.scale = vector_scale(v, slot) * (1.0f / PSTI_LARGEST_A16);
    } else if (encoding == PSTI_W8A8) {
        o.scale = vector_scale(v, slot) * (1.0f / PSTI_LARGEST_A8);
    }
    return o;
}

static void *place(char *slot, size_t at, size_t offset) {
    return at == PSTI_NOWHERE ? NULL : slot + at + offset;
}

psti_sink psti_vector_sink(const psti_vector *v, char *slot, int now, uint32_t first) {
    float scale = vector_scale(v, slot);
    const size_t *code = v->code[now];
    return (psti_sink){
        .value = place(slot, v->value, 4 * (size_t)first),
        .f32 = place(slot, code[PSTI_F32], 4 * (size_t)first),
        .bf16 = place(slot, code[PSTI_BF16], 2 * (size_t)first),
        .a16_high = place(slot, code[PSTI_W8A16], first),
        .a16_low = place(slot, v->low[now], first),
        .a8 = place(slot, code[PSTI_W8A8], first),
        .a16_multiplier = PSTI_LARGEST_A16 / scale,
        .a8_multiplier = PSTI_LARGEST_A8 / scale,
    };
}

/* The least 2^e >= the magnitude with these bits, at least 2^-60. */
static float least_power(uint32_t bits) {
    uint32_t exponent = (bits >> 23) + ((bits & 0x7fffff) != 0), least = 127 - 60;
    return psti_float((exponent > least ? exponent : least) << 23);
}

float psti_vector_scale(const psti_vector *v, char *slot, uint32_t largest_bits) {
    if (v->exponent_scale == PSTI_NOWHERE)
        return 0;
    float scale = least_power(largest_bits);
    memcpy(slot + v->exponent_scale, &scale, sizeof scale);
    return scale;
}

void psti_vector_encode(const psti_kernels *k, const psti_vector *v, char *slot, int now, const float *values) {
    psti_sink sink = psti_vector_sink(v, slot, now, 0);
    if (sink.value == values)
        sink.value = NULL;
    k->encode_f32(values, v->width, &sink);
}
