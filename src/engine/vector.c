/* Vectors of activations in a slot: operands, sinks, and encoding with a scale of the step. */
#include "base/number.h"
#include "engine/engine.h"

static float vector_scale(const psti_vector *v, const char *slot) {
    float scale = v->static_scale;
    if (v->exponent_scale != PSTI_NOWHERE)
        memcpy(&scale, slot + v->exponent_scale, sizeof scale);
    return scale;
}

psti_operand psti_vector_operand(const psti_vector *v, const char *slot, int encoding) {
    psti_operand o = {.code = slot + v->code[encoding]};
    /* powers of two: exact but for the one rounding of 1 / 32512 or 1 / 127 */
    if (encoding == PSTI_W8A16) {
        o.low = (const int8_t *)(slot + v->low);
        o.scale = vector_scale(v, slot) * (1.0f / PSTI_LARGEST_A16);
    } else if (encoding == PSTI_W8A8) {
        o.scale = vector_scale(v, slot) * (1.0f / PSTI_LARGEST_A8);
    }
    return o;
}

static void *place(char *slot, size_t at) {
    return at == PSTI_NOWHERE ? NULL : slot + at;
}

psti_sink psti_vector_sink(const psti_vector *v, char *slot) {
    float scale = vector_scale(v, slot);
    return (psti_sink){
        .value = place(slot, v->value),
        .f32 = place(slot, v->code[PSTI_F32]),
        .bf16 = place(slot, v->code[PSTI_BF16]),
        .a16_high = place(slot, v->code[PSTI_W8A16]),
        .a16_low = place(slot, v->low),
        .a8 = place(slot, v->code[PSTI_W8A8]),
        .a16_multiplier = PSTI_LARGEST_A16 / scale,
        .a8_multiplier = PSTI_LARGEST_A8 / scale,
    };
}

/* The least 2^e >= the magnitude with these bits, at least 2^-60. */
static float least_power(uint32_t bits) {
    uint32_t exponent = (bits >> 23) + ((bits & 0x7fffff) != 0), least = 127 - 60;
    return psti_float((exponent > least ? exponent : least) << 23);
}

void psti_vector_encode(const psti_kernels *k, const psti_vector *v, char *slot, const float *values,
                        uint32_t largest_bits) {
    if (v->exponent_scale != PSTI_NOWHERE) {
        float scale = least_power(largest_bits);
        memcpy(slot + v->exponent_scale, &scale, sizeof scale);
    }
    psti_sink sink = psti_vector_sink(v, slot);
    if (sink.value == values)
        sink.value = NULL;
    k->encode_f32(values, v->width, &sink);
}

void psti_vector_publish(const psti_engine *e, const psti_vector *v, char *slot) {
    int wanted = 0;
    for (int i = 0; i < PSTI_ENCODINGS; i++)
        wanted |= v->code[i] != PSTI_NOWHERE;
    if (!wanted)
        return;
    const float *values = (const float *)(slot + v->value);
    psti_vector_encode(&e->kernels, v, slot, values, e->kernels.scan_f32(values, v->width));
}
