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

uint32_t psti_program_version(const pst_program *p) {
    for (uint32_t i = 0; i < p->count; i++) {
        const psti_program_layer *layer = &p->layers[i];
        if (layer->h_scale_8 != layer->h_scale || layer->feature)
            return 2;
        for (uint32_t m = 0; m < PSTI_MATRICES; m++)
            if (psti_program_has(layer, m) &&
                (m > PSTI_MATRIX_RECURRENT || psti_encoding_few(layer->matrix[m].encoding)))
                return 2;
    }
    return 1;
}

void psti_layer_sections(const psti_program_layer *layer, psti_section out[PSTI_SECTIONS]) {
    const psti_program_kind *kind = psti_program_kinds[layer->kind];
    static const char *const tiles[PSTI_MATRICES] = {"tiles of matrix 0", "tiles of matrix 1", "tiles of matrix 2",
                                                     "tiles of matrix 3"};
    static const char *const scale[PSTI_MATRICES] = {"scales of matrix 0", "scales of matrix 1", "scales of matrix 2",
                                                     "scales of matrix 3"};
    size_t lanes[PSTI_MATRICES] = {0}, state = kind->has_state ? layer->outputs * sizeof(float) : 0;
    for (uint32_t m = 0; m < PSTI_MATRICES; m++)
        lanes[m] = (size_t)PSTI_LANES * psti_shape_vectors(&layer->matrix[m].shape) * sizeof(float);
    size_t n = 0;
    out[n++] =
        (psti_section){"bias", PSTI_LAYER_BIAS, kind->has_bias ? lanes[0] : 0, 0, offsetof(psti_program_layer, bias)};
    out[n++] = (psti_section){"h0", PSTI_LAYER_H0, state, 1, offsetof(psti_program_layer, h0)};
    out[n++] = (psti_section){"c0", PSTI_LAYER_C0, state, 1, offsetof(psti_program_layer, c0)};
    out[n++] = (psti_section){"feature scales", PSTI_LAYER_FEATURE, kind->matrices ? layer->inputs * sizeof(float) : 0,
                              1, offsetof(psti_program_layer, feature)};
    out[n++] = (psti_section){"rest bias", PSTI_LAYER_REST_BIAS, kind->has_state ? lanes[0] : 0, 1,
                              offsetof(psti_program_layer, rest_bias)};
    for (uint32_t m = 0; m < PSTI_MATRICES; m++) {
        const psti_matrix *matrix = &layer->matrix[m];
        size_t at = psti_matrix_at(m), slot = offsetof(psti_program_layer, matrix) + m * sizeof(psti_matrix);
        int there = matrix->shape.gates != 0;
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

/* One NaN, whatever made it. */
static void put_f64(unsigned char *record, size_t at, double v) {
    double one = isnan(v) ? (double)NAN : v;
    put(record, at, &one, sizeof one);
}

static void put_certificate(unsigned char *record, const pst_certificate *c, uint32_t version) {
    put_u32(record, PSTI_CERTIFICATE_PRESENT, 1);
    put_u32(record, PSTI_CERTIFICATE_FROM_CALLER, c->from_caller);
    put_u64(record, PSTI_CERTIFICATE_STEPS, c->steps);
    put_u64(record, PSTI_CERTIFICATE_SEQUENCES, c->sequences);
    put_u64(record, PSTI_CERTIFICATE_SEED, c->seed);
    put_u64(record, PSTI_CERTIFICATE_WORST_STEP, c->worst_step);
    put_u64(record, PSTI_CERTIFICATE_WORST_SEQUENCE, c->worst_sequence);
    put_u32(record, PSTI_CERTIFICATE_WORST_OUTPUT, c->worst_output);
    put_f64(record, PSTI_CERTIFICATE_MAX_ABS, c->max_abs);
    put_f64(record, PSTI_CERTIFICATE_RMS, c->rms);
    put_f64(record, PSTI_CERTIFICATE_RELATIVE_RMS, c->relative_rms);
    if (version < 2)
        return;
    put_u32(record, PSTI_CERTIFICATE_OVER, (uint32_t)psti_over_find(c->over));
    put_f64(record, PSTI_CERTIFICATE_DRIFT, c->drift);
    put_f64(record, PSTI_CERTIFICATE_CONSTANT_RMS, c->constant_rms);
    put_f64(record, PSTI_CERTIFICATE_CONSTANT_MAX_ABS, c->constant_max_abs);
}

/* What version 2 has of a layer beside version 1. */
static void put_layer_2(unsigned char *record, const psti_program_layer *layer) {
    put(record, PSTI_LAYER_H_SCALE_8, &layer->h_scale_8, sizeof layer->h_scale_8);
    put(record, PSTI_LAYER_RHO, &layer->rho, sizeof layer->rho);
    put_u32(record, PSTI_LAYER_MENDS, (uint32_t)layer->mends);
    for (uint32_t m = 0; m < PSTI_MATRICES; m++)
        if (psti_program_has(layer, m))
            put_u32(record, PSTI_LAYER_GROUP + 4 * m, layer->matrix[m].shape.group);
}

static void put_layer(unsigned char *record, const psti_program_layer *layer, uint32_t version) {
    const psti_kind *kind = psti_kinds[layer->kind];
    const char *function = kind->takes_function ? psti_activation_names[layer->function] : "";
    put(record, PSTI_LAYER_KIND, kind->name, strlen(kind->name));
    put(record, PSTI_LAYER_FUNCTION, function, strlen(function));
    put_u32(record, PSTI_LAYER_INPUTS, layer->inputs);
    put_u32(record, PSTI_LAYER_OUTPUTS, layer->outputs);
    put(record, PSTI_LAYER_ALPHA, &layer->alpha, sizeof layer->alpha);
    put(record, PSTI_LAYER_BETA, &layer->beta, sizeof layer->beta);
    put(record, PSTI_LAYER_H_SCALE, &layer->h_scale, sizeof layer->h_scale);
    put_u32(record, PSTI_LAYER_MATRICES, psti_program_kinds[layer->kind]->matrices);
    put_u64(record, PSTI_LAYER_PARAMETERS, layer->parameters);
    for (uint32_t m = 0; m < PSTI_MATRICES; m++) {
        if (!psti_program_has(layer, m))
            continue;
        unsigned char *matrix = record + psti_matrix_at(m);
        put_u32(matrix, PSTI_MATRIX_ENCODING, (uint32_t)layer->matrix[m].encoding);
        put_u32(matrix, PSTI_MATRIX_UNITS, layer->matrix[m].shape.units);
        put_u32(matrix, PSTI_MATRIX_INPUTS, layer->matrix[m].shape.inputs);
        put_u32(matrix, PSTI_MATRIX_GATES, layer->matrix[m].shape.gates);
    }
    if (version >= 2)
        put_layer_2(record, layer);
}

static int knows_errors(const pst_program *p) {
    for (uint32_t i = 0; i < p->count; i++)
        for (uint32_t m = 0; m < PSTI_MATRICES; m++)
            if (p->layers[i].error[m] >= 0)
                return 1;
    return 0;
}

/* The proof, at the end of the file: its bytes, 0 if there is none, and its content if `at` is not NULL. */
static size_t put_proof(const pst_program *p, unsigned char *at) {
    size_t bytes = PSTI_PROOF_BYTES + (size_t)p->more_count * PSTI_CERTIFICATE_BYTES;
    int errors = knows_errors(p);
    if (!errors && !p->more_count)
        return 0;
    if (at) {
        put_u32(at, PSTI_PROOF_CERTIFICATES, p->more_count);
        put_u32(at, PSTI_PROOF_ERRORS, (uint32_t)errors);
        for (uint32_t i = 0; i < p->more_count; i++)
            put_certificate(at + PSTI_PROOF_BYTES + (size_t)i * PSTI_CERTIFICATE_BYTES, &p->more[i], 2);
        for (uint32_t i = 0; errors && i < p->count; i++)
            for (uint32_t m = 0; m < PSTI_MATRICES; m++)
                put_f64(at + bytes, ((size_t)i * PSTI_MATRICES + m) * sizeof(double), p->layers[i].error[m]);
    }
    return bytes + (errors ? (size_t)p->count * PSTI_MATRICES * sizeof(double) : 0);
}

/* Goes over all sections in order: counts the file's bytes, and fills them in if `bytes` is not NULL. */
static bool place_sections(const pst_program *p, uint32_t version, unsigned char *bytes, size_t *total) {
    size_t end = PSTI_AT_LAYERS + (size_t)p->count * psti_layer_bytes(version);
    for (uint32_t i = 0; i < p->count; i++) {
        unsigned char *record = bytes ? bytes + PSTI_AT_LAYERS + (size_t)i * psti_layer_bytes(version) : NULL;
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

static pst_status write_as(const pst_program *p, uint32_t version, size_t proof, unsigned char **bytes, size_t *n) {
    pst_status status = psti_file_order();
    if (status)
        return status;
    size_t sections;
    if (!place_sections(p, version, NULL, &sections))
        return psti_fail_memory(SIZE_MAX);
    size_t total = sections + proof;
    unsigned char *out = psti_allocate(total, 1);
    if (!out)
        return PST_E_MEMORY;
    memcpy(out + PSTI_AT_MAGIC, PSTI_FILE_MAGIC, 8);
    put_u32(out, PSTI_AT_VERSION, version);
    put_u32(out, PSTI_AT_ORDER, PSTI_FILE_ORDER);
    put_u64(out, PSTI_AT_SECTIONS, PSTI_AT_LAYERS + (uint64_t)p->count * psti_layer_bytes(version));
    put_u64(out, PSTI_AT_TOTAL, total);
    if (version >= 2)
        put_u64(out, PSTI_AT_PROOF, proof);
    if (p->certified)
        put_certificate(out + PSTI_AT_CERTIFICATE, &p->certificate, version);
    put(out + PSTI_AT_PROGRAM, PSTI_PROGRAM_FORMAT, p->format, strlen(p->format));
    put_u32(out + PSTI_AT_PROGRAM, PSTI_PROGRAM_LAYERS, p->count);
    put_u32(out + PSTI_AT_PROGRAM, PSTI_PROGRAM_READOUT, (uint32_t)p->readout);
    for (uint32_t i = 0; i < p->count; i++)
        put_layer(out + PSTI_AT_LAYERS + (size_t)i * psti_layer_bytes(version), &p->layers[i], version);
    place_sections(p, version, out, &sections);
    if (proof)
        (void)put_proof(p, out + sections);
    put_u64(out, PSTI_AT_HASH, psti_hash(out + PSTI_AT_HASHED, total - PSTI_AT_HASHED));
    *bytes = out;
    *n = total;
    return PST_OK;
}

/* What only version 2 has of the certificate. */
static int tells_more(const pst_program *p) {
    const pst_certificate *c = &p->certificate;
    return p->certified && !(isnan(c->drift) && isnan(c->constant_rms) && isnan(c->constant_max_abs));
}

uint32_t psti_program_file_version(const pst_program *p) {
    return put_proof(p, NULL) || tells_more(p) ? PSTI_FILE_NEWEST : psti_program_version(p);
}

pst_status psti_program_write(const pst_program *p, unsigned char **bytes, size_t *n) {
    return write_as(p, psti_program_file_version(p), put_proof(p, NULL), bytes, n);
}

pst_status psti_program_hash(pst_program *p) {
    unsigned char *bytes;
    size_t n;
    pst_status status = write_as(p, psti_program_version(p), 0, &bytes, &n);
    if (status)
        return status;
    p->hash = psti_hash(bytes + PSTI_AT_PROGRAM, n - PSTI_AT_PROGRAM);
    free(bytes);
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
