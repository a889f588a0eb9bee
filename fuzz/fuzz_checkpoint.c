/* Fuzzing the checkpoint reader: any bytes give a model or an error that says why, never a crash or a leak. A model is
 * written as a checkpoint, and the model read from that is written to the very same bytes. Bit 0 of the first byte asks
 * for a prefix; with bit 1 the rest is a header up to a newline, then data, and the length before it is made right, so
 * that the checks behind it are reached.
 *
 *     clang -std=c11 -D_GNU_SOURCE -g -O1 -ffp-contract=off -fsanitize=fuzzer,address,undefined -Iinclude -Isrc \
 *         fuzz/fuzz_checkpoint.c src/base/?*.c src/model/?*.c src/checkpoint/?*.c -ljansson -lxxhash -lm -o
 * fuzz_checkpoint
 *     ./fuzz_checkpoint -dict=fuzz/checkpoint.dict -max_len=4096 CORPUS
 */
#include <stdint.h>
#include <stdlib.h>

#include "checkpoint/checkpoint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_at(const pst_model *m) {
    pst_info info;
    PST_INIT(info);
    if (pst_model_get_info(m, &info) || info.layers == 0 || info.inputs == 0 || info.outputs == 0) {
        abort();
    }
    uint32_t width = info.inputs;
    for (uint32_t i = 0; i < info.layers; i++) {
        pst_layer_info layer;
        PST_INIT(layer);
        if (pst_model_get_layer(m, i, &layer) || layer.inputs != width) {
            abort();
        }
        width = layer.outputs;
    }
    if (width != info.outputs) {
        abort();
    }
}

static void write_again(const pst_model *m) {
    unsigned char *bytes, *again_bytes;
    size_t n, again_n;
    pst_model *again;
    if (psti_checkpoint_write(m, &bytes, &n) || pst_model_read_memory(bytes, n, NULL, &again) ||
        psti_checkpoint_write(again, &again_bytes, &again_n) || again_n != n || memcmp(again_bytes, bytes, n) != 0) {
        abort();
    }
    free(again_bytes);
    free(bytes);
    pst_model_free(again);
}

static void try_read(const uint8_t *bytes, size_t n, const char *prefix) {
    pst_read_options o;
    PST_INIT(o);
    o.prefix = prefix;
    pst_model *model = NULL;
    if (pst_model_read_memory(bytes, n, &o, &model) == PST_OK) {
        look_at(model);
        write_again(model);
        pst_model_free(model);
        return;
    }
    pst_error e;
    PST_INIT(e);
    pst_last_error(&e);
    if (model || e.status == PST_OK || !e.message || !e.message[0]) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) {
        return 0;
    }
    const char *prefix = data[0] & 1 ? "m." : NULL;
    if (!(data[0] & 2)) {
        try_read(data + 1, size - 1, prefix);
        return 0;
    }
    const uint8_t *header = data + 1, *newline = memchr(header, '\n', size - 1);
    size_t length = newline ? (size_t)(newline - header) : size - 1;
    size_t rest = newline ? size - 2 - length : 0;
    uint8_t *bytes = malloc(8 + length + rest);
    if (!bytes) {
        return 0;
    }
    for (int i = 0; i < 8; i++) {
        bytes[i] = (uint8_t)((uint64_t)length >> 8 * i);
    }
    memcpy(bytes + 8, header, length);
    if (rest) {
        memcpy(bytes + 8 + length, newline + 1, rest);
    }
    try_read(bytes, 8 + length + rest, prefix);
    free(bytes);
    return 0;
}
