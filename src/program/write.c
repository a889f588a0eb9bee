/* Writing a program: the bytes of a .pstk file. The same program always gives the same bytes. */
#include <math.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/status.h"
#include "program/layout.h"

_Static_assert(sizeof(size_t) >= 8, "sizes of 65,536 x 65,536 weights are computed in size_t");
_Static_assert(sizeof(float *) == sizeof(void *), "sections are set through void pointers");

pst_status psti_file_order(void) {
    const uint32_t order = PSTI_FILE_ORDER;
    if (*(const unsigned char *)&order == (PSTI_FILE_ORDER & 0xff))
        return PST_OK;
    return psti_fail(PST_E_UNSUPPORTED, (psti_where){0}, ".pstk files are little-endian, and this host is not");
}

void psti_layer_sections(const psti_program_layer *layer, psti_section out[PSTI_SECTIONS]) {
    const psti_program_kind *kind = psti_program_kinds[layer->kind];
    static const char *const tiles[PSTI_MATRICES] = {"tiles of matrix 0", "tiles of matrix 1"};
    static const char *const scale[PSTI_MATRICES] = {"scales of matrix 0", "scales of matrix 1"};
    size_t lanes[PSTI_MATRICES] = {0}, state = kind->has_state ? layer->outputs * sizeof(float) : 0;
    for (uint32_t m = 0; m < kind->matrices; m++)
        lanes[m] = (size_t)PSTI_LANES * psti_shape_vectors(&layer->matrix[m].shape) * sizeof(float);
    size_t n = 0;
    out[n++] =
        (psti_section){"bias", PSTI_LAYER_BIAS, kind->has_bias ? lanes[0] : 0, 0, offsetof(psti_program_layer, bias)};
    out[n++] = (psti_section){"h0", PSTI_LAYER_H0, state, 1, offsetof(psti_program_layer, h0)};
    out[n++] = (psti_section){"c0", PSTI_LAYER_C0, state, 1, offsetof(psti_program_layer, c0)};
    for (uint32_t m = 0; m < PSTI_MATRICES; m++) {
        const psti_matrix *matrix = &layer->matrix[m];
        size_t at = PSTI_LAYER_MATRIX + m * PSTI_MATRIX_BYTES;
        size_t slot = offsetof(psti_program_layer, matrix) + m * sizeof(psti_matrix);
        int there = m < kind->matrices;
        out[n++] = (psti_section){tiles[m], at + PSTI_MATRIX_TILES,
                                  there ? psti_tiles_bytes(&matrix->shape, matrix->encoding) : 0, 0,
                                  slot + offsetof(psti_matrix, tiles)};
        out[n++] = (psti_section){scale[m], at + PSTI_MATRIX_SCALE,
                                  there && psti_encoding_scaled(matrix->encoding) ? lanes[m] : 0, 0,
                                  slot + offsetof(psti_matrix, scale)};
    }
}

static void put(unsigned char *record, size_t at, const void *value, size_t n) {
    memcpy(record + at, value, n);
}

static void put_u32(unsigned char *record, size_t at, uint32_t v) {
    put(record, at, &v, sizeof v);
}

static void put_u64(unsigned char *record, size_t at, uint64_t v) {
    put(record, at, &v, sizeof v);
}

static void put_certificate(unsigned char *record, const pst_certificate *c) {
    /* One NaN, whatever made it. */
    double relative = isnan(c->relative_rms) ? (double)NAN : c->relative_rms;
    put_u32(record, PSTI_CERTIFICATE_PRESENT, 1);
    put_u32(record, PSTI_CERTIFICATE_FROM_CALLER, c->from_caller);
    put_u64(record, PSTI_CERTIFICATE_STEPS, c->steps);
    put_u64(record, PSTI_CERTIFICATE_SEQUENCES, c->sequences);
    put_u64(record, PSTI_CERTIFICATE_SEED, c->seed);
    put_u64(record, PSTI_CERTIFICATE_WORST_STEP, c->worst_step);
    put_u64(record, PSTI_CERTIFICATE_WORST_SEQUENCE, c->worst_sequence);
    put_u32(record, PSTI_CERTIFICATE_WORST_OUTPUT, c->worst_output);
    put(record, PSTI_CERTIFICATE_MAX_ABS, &c->max_abs, sizeof c->max_abs);
    put(record, PSTI_CERTIFICATE_RMS, &c->rms, sizeof c->rms);
    put(record, PSTI_CERTIFICATE_RELATIVE_RMS, &relative, sizeof relative);
}

static void put_layer(unsigned char *record, const psti_program_layer *layer) {
    const psti_kind *kind = psti_kinds[layer->kind];
    const char *function = kind->takes_function ? psti_activation_names[layer->function] : "";
    put(record, PSTI_LAYER_KIND, kind->name, strlen(kind->name));
    put(record, PSTI_LAYER_FUNCTION, function, strlen(function));
    put_u32(record, PSTI_LAYER_INPUTS, layer->inputs);
    put_u32(record, PSTI_LAYER_OUTPUTS, layer->outputs);
    put(record, PSTI_LAYER_ALPHA, &layer->alpha, sizeof layer->alpha);
    put(record, PSTI_LAYER_BETA, &layer->beta, sizeof layer->beta);
    put(record, PSTI_LAYER_H_SCALE, &layer->h_scale, sizeof layer->h_scale);
    put_u32(record, PSTI_LAYER_MATRICES, layer->matrices);
    put_u64(record, PSTI_LAYER_PARAMETERS, layer->parameters);
    for (uint32_t m = 0; m < layer->matrices; m++) {
        unsigned char *matrix = record + PSTI_LAYER_MATRIX + m * PSTI_MATRIX_BYTES;
        put_u32(matrix, PSTI_MATRIX_ENCODING, (uint32_t)layer->matrix[m].encoding);
        put_u32(matrix, PSTI_MATRIX_UNITS, layer->matrix[m].shape.units);
        put_u32(matrix, PSTI_MATRIX_INPUTS, layer->matrix[m].shape.inputs);
        put_u32(matrix, PSTI_MATRIX_GATES, layer->matrix[m].shape.gates);
    }
}

/* Goes over all sections in order: counts the file's bytes, and fills them in if `bytes` is not NULL. */
static bool place_sections(const pst_program *p, unsigned char *bytes, size_t *total) {
    size_t end = PSTI_AT_LAYERS + (size_t)p->count * PSTI_LAYER_BYTES;
    for (uint32_t i = 0; i < p->count; i++) {
        unsigned char *record = bytes ? bytes + PSTI_AT_LAYERS + (size_t)i * PSTI_LAYER_BYTES : NULL;
        psti_section section[PSTI_SECTIONS];
        psti_layer_sections(&p->layers[i], section);
        for (size_t s = 0; s < PSTI_SECTIONS; s++) {
            const void *data = psti_section_get(&p->layers[i], &section[s]);
            if (!section[s].bytes || !data)
                continue;
            size_t at = (end + PSTI_FILE_ALIGN - 1) / PSTI_FILE_ALIGN * PSTI_FILE_ALIGN;
            if (!psti_add(at, section[s].bytes, &end) || end > SIZE_MAX / 2)
                return false;
            if (!bytes)
                continue;
            put_u64(record, section[s].at, at);
            put_u64(record, section[s].at + 8, section[s].bytes);
            memcpy(bytes + at, data, section[s].bytes);
        }
    }
    *total = end;
    return true;
}

pst_status psti_program_write(const pst_program *p, unsigned char **bytes, size_t *n) {
    pst_status status = psti_file_order();
    if (status)
        return status;
    size_t total;
    if (!place_sections(p, NULL, &total))
        return psti_fail_memory(SIZE_MAX);
    unsigned char *out = psti_allocate(total, 1);
    if (!out)
        return PST_E_MEMORY;
    memcpy(out + PSTI_AT_MAGIC, PSTI_FILE_MAGIC, 8);
    put_u32(out, PSTI_AT_VERSION, PSTI_FILE_VERSION);
    put_u32(out, PSTI_AT_ORDER, PSTI_FILE_ORDER);
    put_u64(out, PSTI_AT_SECTIONS, PSTI_AT_LAYERS + (uint64_t)p->count * PSTI_LAYER_BYTES);
    put_u64(out, PSTI_AT_TOTAL, total);
    if (p->certified)
        put_certificate(out + PSTI_AT_CERTIFICATE, &p->certificate);
    put(out + PSTI_AT_PROGRAM, PSTI_PROGRAM_FORMAT, p->format, strlen(p->format));
    put_u32(out + PSTI_AT_PROGRAM, PSTI_PROGRAM_LAYERS, p->count);
    put_u32(out + PSTI_AT_PROGRAM, PSTI_PROGRAM_READOUT, (uint32_t)p->readout);
    for (uint32_t i = 0; i < p->count; i++)
        put_layer(out + PSTI_AT_LAYERS + (size_t)i * PSTI_LAYER_BYTES, &p->layers[i]);
    place_sections(p, out, &total);
    put_u64(out, PSTI_AT_HASH, psti_hash(out + PSTI_AT_HASHED, total - PSTI_AT_HASHED));
    *bytes = out;
    *n = total;
    return PST_OK;
}

pst_status pst_program_save(const pst_program *p, const char *path) {
    if (!p)
        return psti_fail_null("p");
    if (!path)
        return psti_fail_null("path");
    unsigned char *bytes;
    size_t n;
    pst_status status = psti_program_write(p, &bytes, &n);
    if (status)
        return status;
    status = psti_file_write(path, bytes, n);
    free(bytes);
    return status;
}
