/* Vectors of activations in a slot: operands, sinks, and encoding with a scale of the step. */
#include "base/number.h"
#include "engine/engine.h"

static float vector_scale(const psti_vector *v, const char *slot, int now, int operand) {
    float scale = v->static_scale[operand];
    if (v->exponent_scale[now] != PSTI_NOWHERE)
        memcpy(&scale, slot + v->exponent_scale[now], sizeof scale);
    return scale;
}

psti_operand psti_vector_operand(const psti_vector *v, const char *slot, int now, int encoding) {
    int operand = psti_encodings[encoding].operand;
    psti_operand o = {.code = slot + v->code[now][operand],
                      .room = v->room == PSTI_NOWHERE ? NULL : (char *)(uintptr_t)slot + v->room};
    if (operand == PSTI_OPERAND_A16) {
        o.low = (const int8_t *)(slot + v->low[now]);
        o.scale = vector_scale(v, slot, now, operand) * (1.0f / PSTI_LARGEST_A16);
    } else if (operand == PSTI_OPERAND_A8) {
        o.scale = vector_scale(v, slot, now, operand) * (1.0f / PSTI_LARGEST_A8);
    }
    return o;
}

static void *place(char *slot, size_t at, size_t offset) {
    return at == PSTI_NOWHERE ? NULL : slot + at + offset;
}

psti_sink psti_vector_sink(const psti_vector *v, char *slot, int now, uint32_t first) {
    const size_t *code = v->code[now];
    return (psti_sink){
        .value = place(slot, v->value, 4 * (size_t)first),
        .f32 = place(slot, code[PSTI_OPERAND_F32], 4 * (size_t)first),
        .bf16 = place(slot, code[PSTI_OPERAND_BF16], 2 * (size_t)first),
        .a16_high = place(slot, code[PSTI_OPERAND_A16], first),
        .a16_low = place(slot, v->low[now], first),
        .a8 = place(slot, code[PSTI_OPERAND_A8], first),
        .a16_multiplier = PSTI_LARGEST_A16 / vector_scale(v, slot, now, PSTI_OPERAND_A16),
        .a8_multiplier = PSTI_LARGEST_A8 / vector_scale(v, slot, now, PSTI_OPERAND_A8),
    };
}

/* The least 2^e >= the magnitude with these bits, at least 2^-60. */
static float least_power(uint32_t bits) {
    uint32_t exponent = (bits >> 23) + ((bits & 0x7fffff) != 0), least = 127 - 60;
    return psti_float((exponent > least ? exponent : least) << 23);
}

float psti_vector_scale(const psti_vector *v, char *slot, int now, uint32_t largest_bits) {
    if (v->exponent_scale[now] == PSTI_NOWHERE)
        return 0;
    float scale = least_power(largest_bits);
    memcpy(slot + v->exponent_scale[now], &scale, sizeof scale);
    return scale;
}

void psti_vector_encode(const psti_kernels *k, const psti_vector *v, char *slot, int now, const float *values) {
    psti_sink sink = psti_vector_sink(v, slot, now, 0);
    if (sink.value == values)
        sink.value = NULL;
    k->encode_f32(values, v->width, &sink);
}

void psti_vector_forget(const psti_vector *v, char *slot) {
    const float none = 0; /* which no step finds */
    if (v->exponent_scale[0] == PSTI_NOWHERE)
        return;
    memcpy(slot + v->exponent_scale[0], &none, sizeof none);
    for (int k = 0; k < PSTI_OPERANDS; k++)
        if (v->code[0][k] != PSTI_NOWHERE)
            memset(slot + v->code[0][k], 0, v->width * psti_operand_bytes(k));
    if (v->low[0] != PSTI_NOWHERE)
        memset(slot + v->low[0], 0, v->width);
}
