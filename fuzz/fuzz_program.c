/* Fuzzing the reader of .pstk files. libFuzzer: clang -fsanitize=fuzzer,address,undefined; seeds: tests/golden/pstk,
 * and fuzz/program for version 2.
 *
 * Each input is opened as it is, and once more with its magic, version, length and hash made right, as each version, so
 * that the checks behind them are reached. What is accepted must be asked about without harm, and written back to the
 * very same bytes: the file has one form only. */
#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/memory.h"
#include "program/layout.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void fail(const char *what) {
    fprintf(stderr, "fuzz_program: %s\n", what);
    abort();
}

static void try_open(const unsigned char *bytes, size_t n) {
    pst_program *p = NULL;
    if (pst_program_open_memory(bytes, n, &p)) {
        pst_error e;
        PST_INIT(e);
        pst_last_error(&e);
        if (p || !e.message || !*e.message)
            fail("refused without a message, or with a program");
        return;
    }
    pst_info info;
    PST_INIT(info);
    if (pst_program_get_info(p, &info))
        fail("no information");
    for (uint32_t i = 0; i < info.layers; i++) {
        pst_layer_info layer;
        PST_INIT(layer);
        if (pst_program_get_layer(p, i, &layer))
            fail("no information on a layer");
        for (uint32_t k = 0; k < layer.matrices; k++) {
            pst_matrix_info matrix;
            PST_INIT(matrix);
            if (pst_program_get_matrix(p, i, k, &matrix) || matrix.padding_bytes > matrix.bytes)
                fail("no information on a matrix");
        }
    }
    pst_certificate certificate;
    PST_INIT(certificate);
    for (uint32_t i = 0; pst_program_get_certificate(p, i, &certificate) == PST_OK; i++)
        if (!certificate.over)
            fail("a certificate over nothing");
    unsigned char *again;
    size_t again_n;
    if (psti_program_write(p, &again, &again_n))
        fail("could not be written");
    if (again_n != n || memcmp(again, bytes, n) != 0)
        fail("written with other bytes than it was read from");
    free(again);
    pst_program_free(p);
}

static void try_as(unsigned char *right, size_t n, uint32_t version) {
    const uint32_t order = PSTI_FILE_ORDER;
    const uint64_t total = n;
    memcpy(right + PSTI_AT_MAGIC, PSTI_FILE_MAGIC, 8);
    memcpy(right + PSTI_AT_VERSION, &version, sizeof version);
    memcpy(right + PSTI_AT_ORDER, &order, sizeof order);
    memcpy(right + PSTI_AT_TOTAL, &total, sizeof total);
    const uint64_t hash = psti_hash(right + PSTI_AT_HASHED, n - PSTI_AT_HASHED);
    memcpy(right + PSTI_AT_HASH, &hash, sizeof hash);
    try_open(right, n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    try_open(data, n);
    if (n < PSTI_AT_LAYERS)
        return 0;
    unsigned char *right = psti_allocate(n, 1);
    if (!right)
        return 0;
    memcpy(right, data, n);
    for (uint32_t version = PSTI_FILE_VERSION; version <= PSTI_FILE_NEWEST; version++)
        try_as(right, n, version);
    free(right);
    return 0;
}
