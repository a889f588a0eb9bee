/* Reading a program: bytes that anyone may have written become a program, or an error that says what is wrong. Nothing
 * is believed: every count, size and offset is compared with what the kinds and sizes before it ask for. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/status.h"
#include "program/layout.h"

/* What is being read, and how far the sections are used up. */
typedef struct {
    const unsigned char *bytes;
    size_t n;
    const char *name; /* begins the messages */
    const char *file; /* NULL for memory */
    char item[64];    /* "layer 1 (lstm)" */
    size_t end;       /* of the last section */
    uint32_t version;
    size_t proof; /* bytes at the end of the file */
} reading;

static uint32_t get_u32(const unsigned char *record, size_t at) {
    uint32_t v;
    memcpy(&v, record + at, sizeof v);
    return v;
}

static uint64_t get_u64(const unsigned char *record, size_t at) {
    uint64_t v;
    memcpy(&v, record + at, sizeof v);
    return v;
}

static float get_f32(const unsigned char *record, size_t at) {
    float v;
    memcpy(&v, record + at, sizeof v);
    return v;
}

static double get_f64(const unsigned char *record, size_t at) {
    double v;
    memcpy(&v, record + at, sizeof v);
    return v;
}

/* Numbers of a pst_error are signed. */
static int64_t signed_of(uint64_t v) {
    return v > INT64_MAX ? INT64_MAX : (int64_t)v;
}

/* A field that has another value than it must have. */
static pst_status wrong(const reading *r, const char *field, uint64_t expected, uint64_t found) {
    return psti_fail(PST_E_CORRUPT,
                     (psti_where){.file = r->file,
                                  .item = r->item,
                                  .field = field,
                                  .expected = signed_of(expected),
                                  .found = signed_of(found)},
                     "%s: %s, %s: %" PRIu64 " expected, %" PRIu64 " found", r->name, r->item, field, expected, found);
}

/* A field whose value `why` describes. */
static pst_status bad(const reading *r, const char *field, const char *why) {
    return psti_fail(PST_E_CORRUPT, (psti_where){.file = r->file, .item = r->item, .field = field}, "%s: %s, %s: %s",
                     r->name, r->item, field, why);
}

static int all_zero(const unsigned char *bytes, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (bytes[i])
            return 0;
    }
    return 1;
}

/* 0 or more and finite, or the NaN that is written. */
static int sound_or_nan(double v) {
    const double undefined = (double)NAN;
    return (v >= 0 && isfinite(v)) || memcmp(&v, &undefined, sizeof v) == 0;
}

/* A text of `room` bytes: printable, filled with 0, at least one of them. */
static int sound_text(const unsigned char *text, size_t room) {
    size_t n = 0;
    while (n < room && text[n] > 0x20 && text[n] < 0x7f)
        n++;
    return n < room && all_zero(text + n, room - n);
}

/* ---- header ----------------------------------------------------------------------------------------------------- */

/* The version is a number only once the byte order is known, so the order is looked at first. */
static pst_status read_header(reading *r) {
    size_t n = r->n, magic = n < 8 ? n : 8;
    psti_where where = {.file = r->file, .item = "header"};
    if (n == 0)
        return psti_fail(PST_E_CORRUPT, where, "%s: empty, not a .pstk file", r->name);
    if (memcmp(r->bytes, PSTI_FILE_MAGIC, magic) != 0) {
        where.field = "magic";
        if (magic > 4 && memcmp(r->bytes, PSTI_FILE_MAGIC, 4) == 0)
            return psti_fail(PST_E_CORRUPT, where,
                             "%s: damaged in a transfer that took it for text (line ends were changed)", r->name);
        return psti_fail(PST_E_CORRUPT, where, "%s: not a .pstk file (its first bytes are others)", r->name);
    }
    if (n < PSTI_AT_LAYERS) {
        where.field = "length";
        where.expected = PSTI_AT_LAYERS;
        where.found = (int64_t)n;
        /* The version may be there all the same, but a file that ends so early is truncated in any version. */
        return psti_fail(PST_E_CORRUPT, where, "%s: truncated: at least %d bytes expected, %zu found", r->name,
                         PSTI_AT_LAYERS, n);
    }
    uint32_t order = get_u32(r->bytes, PSTI_AT_ORDER), version = get_u32(r->bytes, PSTI_AT_VERSION);
    if (order == PSTI_FILE_ORDER_SWAPPED) {
        where.field = "byte order";
        return psti_fail(PST_E_UNSUPPORTED, where, "%s: written in another byte order; .pstk files are little-endian",
                         r->name);
    }
    if (version < PSTI_FILE_VERSION || version > PSTI_FILE_NEWEST) {
        where.field = "version";
        where.expected = PSTI_FILE_NEWEST;
        where.found = version;
        return psti_fail(PST_E_UNSUPPORTED, where, "%s: unknown version %" PRIu32 ", this library reads %u to %u",
                         r->name, version, PSTI_FILE_VERSION, PSTI_FILE_NEWEST);
    }
    if (order != PSTI_FILE_ORDER) {
        where.field = "byte order";
        return psti_fail(PST_E_CORRUPT, where, "%s: altered: the byte-order mark is 0x%08" PRIx32 ", 0x%08x expected",
                         r->name, order, PSTI_FILE_ORDER);
    }
    uint64_t total = get_u64(r->bytes, PSTI_AT_TOTAL);
    if (total != n) {
        where.field = "length";
        where.expected = signed_of(total);
        where.found = (int64_t)n;
        return psti_fail(PST_E_CORRUPT, where, "%s: %s: %" PRIu64 " bytes expected, %zu found", r->name,
                         n < total ? "truncated" : "bytes follow its end", total, n);
    }
    uint64_t hash = get_u64(r->bytes, PSTI_AT_HASH);
    uint64_t own = psti_hash(r->bytes + PSTI_AT_HASHED, n - PSTI_AT_HASHED);
    if (hash != own) {
        where.field = "hash";
        return psti_fail(PST_E_CORRUPT, where,
                         "%s: altered: the hash of its content is %016" PRIx64 ", %016" PRIx64 " expected", r->name,
                         own, hash);
    }
    r->version = version;
    return PST_OK;
}

/* ---- certificate ------------------------------------------------------------------------------------------------ */

/* One record; what `item` calls it. */
static pst_status read_record(reading *r, const unsigned char *record, pst_certificate *out) {
    size_t used = r->version < 2 ? PSTI_CERTIFICATE_END : PSTI_CERTIFICATE_END_2;
    if (!all_zero(record + used, PSTI_CERTIFICATE_BYTES - used) || get_u32(record, PSTI_CERTIFICATE_WORST_OUTPUT + 4) ||
        (r->version >= 2 && get_u32(record, PSTI_CERTIFICATE_OVER + 4)))
        return bad(r, "reserved", "not 0");
    pst_certificate c = {.size = sizeof c,
                         .steps = get_u64(record, PSTI_CERTIFICATE_STEPS),
                         .sequences = get_u64(record, PSTI_CERTIFICATE_SEQUENCES),
                         .seed = get_u64(record, PSTI_CERTIFICATE_SEED),
                         .worst_step = get_u64(record, PSTI_CERTIFICATE_WORST_STEP),
                         .worst_sequence = get_u64(record, PSTI_CERTIFICATE_WORST_SEQUENCE),
                         .worst_output = get_u32(record, PSTI_CERTIFICATE_WORST_OUTPUT),
                         .from_caller = get_u32(record, PSTI_CERTIFICATE_FROM_CALLER),
                         .max_abs = get_f64(record, PSTI_CERTIFICATE_MAX_ABS),
                         .rms = get_f64(record, PSTI_CERTIFICATE_RMS),
                         .relative_rms = get_f64(record, PSTI_CERTIFICATE_RELATIVE_RMS),
                         .drift = (double)NAN,
                         .constant_rms = (double)NAN,
                         .constant_max_abs = (double)NAN};
    c.over = psti_over_name(c.from_caller ? PSTI_OVER_CALIBRATION : PSTI_OVER_NOISE);
    if (r->version >= 2) {
        c.over = psti_over_name(get_u32(record, PSTI_CERTIFICATE_OVER));
        c.drift = get_f64(record, PSTI_CERTIFICATE_DRIFT);
        c.constant_rms = get_f64(record, PSTI_CERTIFICATE_CONSTANT_RMS);
        c.constant_max_abs = get_f64(record, PSTI_CERTIFICATE_CONSTANT_MAX_ABS);
    }
    if (!c.over)
        return bad(r, "over", "unknown");
    if (c.from_caller > 1)
        return bad(r, "from_caller", "neither 0 nor 1");
    if (!(c.max_abs >= 0 && isfinite(c.max_abs)))
        return bad(r, "max_abs", "negative or not finite");
    if (!(c.rms >= 0 && isfinite(c.rms)))
        return bad(r, "rms", "negative or not finite");
    if (!sound_or_nan(c.relative_rms))
        return bad(r, "relative_rms", "negative or infinite");
    if (!sound_or_nan(c.drift) || !sound_or_nan(c.constant_rms) || !sound_or_nan(c.constant_max_abs))
        return bad(r, "drift or constant", "negative or infinite");
    *out = c;
    return PST_OK;
}

static pst_status read_certificate(reading *r, pst_program *p) {
    const unsigned char *record = r->bytes + PSTI_AT_CERTIFICATE;
    snprintf(r->item, sizeof r->item, "certificate");
    uint32_t present = get_u32(record, PSTI_CERTIFICATE_PRESENT);
    if (present > 1)
        return bad(r, "present", "neither 0 nor 1");
    if (!present)
        return all_zero(record, PSTI_CERTIFICATE_BYTES) ? PST_OK : bad(r, "reserved", "not 0");
    p->certified = 1;
    return read_record(r, record, &p->certificate);
}

/* The certificates over other inputs, and the matrices' errors, behind the last section. */
static pst_status read_proof(reading *r, pst_program *p) {
    snprintf(r->item, sizeof r->item, "proof");
    if (!r->proof)
        return PST_OK;
    const unsigned char *at = r->bytes + r->n - r->proof;
    uint32_t certificates = get_u32(at, PSTI_PROOF_CERTIFICATES), errors = get_u32(at, PSTI_PROOF_ERRORS);
    uint64_t bytes = PSTI_PROOF_BYTES + (uint64_t)certificates * PSTI_CERTIFICATE_BYTES;
    if (errors > 1)
        return bad(r, "errors", "neither 0 nor 1");
    if (!errors && !certificates)
        return bad(r, "certificates", "none, and no errors");
    bytes += errors ? (uint64_t)p->count * PSTI_MATRICES * sizeof(double) : 0;
    if (bytes != r->proof)
        return wrong(r, "bytes", bytes, r->proof);
    p->more = psti_arena_take(&p->arena, (size_t)certificates + 1, sizeof *p->more);
    if (!p->more)
        return PST_E_MEMORY;
    at += PSTI_PROOF_BYTES;
    for (; p->more_count < certificates; p->more_count++, at += PSTI_CERTIFICATE_BYTES) {
        snprintf(r->item, sizeof r->item, "certificate %" PRIu32, p->more_count + 1);
        if (get_u32(at, PSTI_CERTIFICATE_PRESENT) != 1)
            return bad(r, "present", "not 1");
        pst_status status = read_record(r, at, &p->more[p->more_count]);
        if (status)
            return status;
    }
    snprintf(r->item, sizeof r->item, "proof");
    int known = 0;
    for (uint32_t i = 0; errors && i < p->count; i++)
        for (uint32_t m = 0; m < PSTI_MATRICES; m++) {
            double error = get_f64(at, ((size_t)i * PSTI_MATRICES + m) * sizeof(double));
            if (!isfinite(error) || (error < 0 && error != -1))
                return bad(r, "errors", "not finite, or negative and not -1");
            p->layers[i].error[m] = error;
            known |= error >= 0;
        }
    return errors && !known ? bad(r, "errors", "none is known") : PST_OK;
}

/* ---- layers ----------------------------------------------------------------------------------------------------- */

static pst_status read_kind(reading *r, const unsigned char *record, psti_program_layer *layer) {
    const unsigned char *kind = record + PSTI_LAYER_KIND, *function = record + PSTI_LAYER_FUNCTION;
    if (!sound_text(kind, PSTI_FILE_NAME))
        return bad(r, "kind", "not a name");
    if (!sound_text(function, PSTI_FILE_NAME))
        return bad(r, "function", "not a name");
    layer->kind = psti_kind_find((const char *)kind);
    psti_where where = {.file = r->file, .item = r->item, .field = "kind"};
    if (layer->kind < 0)
        return psti_fail(PST_E_UNSUPPORTED, where, "%s: %s: unknown kind \"%s\"", r->name, r->item, (const char *)kind);
    size_t n = strlen(r->item);
    snprintf(r->item + n, sizeof r->item - n, " (%s)", psti_kinds[layer->kind]->name);
    if (!psti_kinds[layer->kind]->takes_function)
        return *function ? bad(r, "function", "given, but this kind takes none") : PST_OK;
    layer->function = psti_activation_find((const char *)function);
    where.field = "function";
    if (layer->function < 0)
        return psti_fail(PST_E_UNSUPPORTED, where, "%s: %s: unknown function \"%s\"", r->name, r->item,
                         (const char *)function);
    return PST_OK;
}

static pst_status read_width(const reading *r, const unsigned char *record, size_t at, const char *field,
                             uint32_t *out) {
    uint32_t width = get_u32(record, at);
    if (width < 1 || width > PSTI_MAX_WIDTH)
        return psti_fail(
            PST_E_CORRUPT,
            (psti_where){.file = r->file, .item = r->item, .field = field, .expected = PSTI_MAX_WIDTH, .found = width},
            "%s: %s, %s: %" PRIu32 ", 1 to %d expected", r->name, r->item, field, width, PSTI_MAX_WIDTH);
    *out = width;
    return PST_OK;
}

static pst_status read_matrix(const reading *r, const unsigned char *record, uint32_t m, psti_program_layer *layer) {
    psti_matrix *matrix = &layer->matrix[m];
    uint32_t encoding = get_u32(record, PSTI_MATRIX_ENCODING);
    if (encoding >= (r->version < 2 ? PSTI_W8A8 + 1 : PSTI_ENCODINGS))
        return psti_fail(PST_E_UNSUPPORTED,
                         (psti_where){.file = r->file, .item = r->item, .field = "encoding", .found = encoding},
                         "%s: %s, matrix %" PRIu32 ": unknown encoding %" PRIu32, r->name, r->item, m, encoding);
    matrix->encoding = (int)encoding;
    matrix->shape = psti_program_shape(layer, m);
    uint32_t units = get_u32(record, PSTI_MATRIX_UNITS), inputs = get_u32(record, PSTI_MATRIX_INPUTS),
             gates = get_u32(record, PSTI_MATRIX_GATES);
    char field[32];
    snprintf(field, sizeof field, "units of matrix %" PRIu32, m);
    if (units != matrix->shape.units)
        return wrong(r, field, matrix->shape.units, units);
    snprintf(field, sizeof field, "inputs of matrix %" PRIu32, m);
    if (inputs != matrix->shape.inputs)
        return wrong(r, field, matrix->shape.inputs, inputs);
    snprintf(field, sizeof field, "gates of matrix %" PRIu32, m);
    return gates != matrix->shape.gates ? wrong(r, field, matrix->shape.gates, gates) : PST_OK;
}

/* Inputs that share a multiplier: a power of two of chunks, of every matrix there is. */
static pst_status read_groups(const reading *r, const unsigned char *record, psti_program_layer *layer) {
    for (uint32_t m = 0; m < PSTI_MATRICES; m++) {
        uint32_t group = get_u32(record, PSTI_LAYER_GROUP + 4 * m), least = group / PSTI_LEAST_GROUP;
        if (!layer->matrix[m].shape.gates
                ? group != 0
                : !group || group % PSTI_LEAST_GROUP || least & (least - 1) || group > PSTI_MAX_INPUTS)
            return bad(r, "group", "not a power of two from 32 to 65,536, or given without a matrix");
        if (group)
            layer->matrix[m].shape.group = group;
    }
    return PST_OK;
}

/* Every section stands where the one before it ends, rounded up: so none overlap and none lie outside. */
static pst_status read_section(reading *r, const unsigned char *record, const psti_section *s,
                               psti_program_layer *layer) {
    if (s->at >= PSTI_LAYER_END && r->version < 2)
        return PST_OK;
    uint64_t at = get_u64(record, s->at), bytes = get_u64(record, s->at + 8);
    if (bytes == 0 && (s->optional || s->bytes == 0))
        return at ? wrong(r, s->name, 0, at) : PST_OK;
    if (bytes != s->bytes)
        return wrong(r, s->name, s->bytes, bytes);
    size_t start = (r->end + PSTI_FILE_ALIGN - 1) / PSTI_FILE_ALIGN * PSTI_FILE_ALIGN; /* r->end <= r->n */
    if (start > r->n || s->bytes > r->n - start)
        return psti_fail(PST_E_CORRUPT,
                         (psti_where){.file = r->file,
                                      .item = r->item,
                                      .field = s->name,
                                      .expected = signed_of(s->bytes),
                                      .found = start > r->n ? 0 : (int64_t)(r->n - start)},
                         "%s: %s, %s: %zu bytes expected from byte %zu on, beyond the end of the file (%zu)", r->name,
                         r->item, s->name, s->bytes, start, r->n);
    if (at != start)
        return wrong(r, s->name, start, at);
    if (!all_zero(r->bytes + r->end, start - r->end))
        return bad(r, s->name, "the padding before it is not 0");
    psti_section_set(layer, s, r->bytes + start);
    r->end = start + s->bytes;
    return PST_OK;
}

/* What only version 2 has, and what is reserved in either. */
static pst_status read_settings(const reading *r, const unsigned char *record, psti_program_layer *layer) {
    size_t end = r->version < 2 ? PSTI_LAYER_END : PSTI_LAYER_END_2;
    layer->h_scale_8 = layer->h_scale;
    if (!all_zero(record + end, psti_layer_bytes(r->version) - end))
        return bad(r, "reserved", "not 0");
    if (r->version < 2)
        return PST_OK;
    uint32_t mends = get_u32(record, PSTI_LAYER_MENDS);
    layer->h_scale_8 = get_f32(record, PSTI_LAYER_H_SCALE_8);
    layer->rho = get_f32(record, PSTI_LAYER_RHO);
    layer->mends = (int)mends;
    if (mends > 1)
        return bad(r, "mends", "neither 0 nor 1");
    return get_u32(record, PSTI_LAYER_MENDS + 4) ? bad(r, "reserved", "not 0") : PST_OK;
}

/* A matrix, or a place without one: an lstm may have rests, every other matrix follows from the kind. */
static pst_status read_one(const reading *r, const unsigned char *record, uint32_t m, psti_program_layer *layer) {
    const psti_program_kind *kind = psti_program_kinds[layer->kind];
    const unsigned char *of_matrix = record + psti_matrix_at(m);
    if (m >= 2 && r->version < 2)
        return PST_OK;
    int there = !all_zero(of_matrix, PSTI_MATRIX_BYTES);
    if (m < kind->matrices || (there && kind->has_state))
        return read_matrix(r, of_matrix, m, layer);
    char field[16];
    snprintf(field, sizeof field, "matrix %" PRIu32, m);
    return there ? bad(r, field, "given, but this kind has fewer") : PST_OK;
}

static pst_status read_layer(reading *r, const unsigned char *record, psti_program_layer *layer) {
    pst_status status = read_kind(r, record, layer);
    if (!status)
        status = read_width(r, record, PSTI_LAYER_INPUTS, "inputs", &layer->inputs);
    if (!status)
        status = read_width(r, record, PSTI_LAYER_OUTPUTS, "outputs", &layer->outputs);
    if (status)
        return status;
    const psti_program_kind *kind = psti_program_kinds[layer->kind];
    layer->alpha = get_f32(record, PSTI_LAYER_ALPHA);
    layer->beta = get_f32(record, PSTI_LAYER_BETA);
    layer->h_scale = get_f32(record, PSTI_LAYER_H_SCALE);
    uint32_t matrices = get_u32(record, PSTI_LAYER_MATRICES);
    layer->parameters = get_u64(record, PSTI_LAYER_PARAMETERS);
    if (matrices != kind->matrices)
        return wrong(r, "matrices", kind->matrices, matrices);
    status = read_settings(r, record, layer);
    for (uint32_t m = 0; m < PSTI_MATRICES && !status; m++)
        status = read_one(r, record, m, layer);
    if (!status && r->version >= 2)
        status = read_groups(r, record, layer);
    if (status)
        return status;
    psti_section section[PSTI_SECTIONS];
    psti_layer_sections(layer, section);
    for (size_t s = 0; s < PSTI_SECTIONS && !status; s++)
        status = read_section(r, record, &section[s], layer);
    return status;
}

/* ---- the whole -------------------------------------------------------------------------------------------------- */

static pst_status read_count(reading *r, uint32_t *count) {
    const unsigned char *record = r->bytes + PSTI_AT_PROGRAM;
    snprintf(r->item, sizeof r->item, "header");
    size_t used = r->version < 2 ? PSTI_AT_HASHED : PSTI_AT_PROOF + sizeof(uint64_t);
    if (!all_zero(r->bytes + used, PSTI_AT_CERTIFICATE - used))
        return bad(r, "reserved", "not 0");
    uint64_t proof = r->version < 2 ? 0 : get_u64(r->bytes, PSTI_AT_PROOF);
    if (proof && (proof < PSTI_PROOF_BYTES || proof > r->n - PSTI_AT_LAYERS))
        return wrong(r, "bytes of the proof", PSTI_PROOF_BYTES, proof);
    r->proof = (size_t)proof;
    snprintf(r->item, sizeof r->item, "program");
    if (!sound_text(record + PSTI_PROGRAM_FORMAT, PSTI_PROGRAM_LAYERS) || !record[PSTI_PROGRAM_FORMAT])
        return bad(r, "format", "not a name");
    if (!all_zero(record + PSTI_PROGRAM_END, PSTI_AT_LAYERS - PSTI_AT_PROGRAM - PSTI_PROGRAM_END))
        return bad(r, "reserved", "not 0");
    *count = get_u32(record, PSTI_PROGRAM_LAYERS);
    if (*count < 1 || *count > PSTI_MAX_LAYERS)
        return psti_fail(
            PST_E_CORRUPT,
            (psti_where){
                .file = r->file, .item = r->item, .field = "layers", .expected = PSTI_MAX_LAYERS, .found = *count},
            "%s: program, layers: %" PRIu32 ", 1 to %d expected", r->name, *count, PSTI_MAX_LAYERS);
    r->end = PSTI_AT_LAYERS + (size_t)*count * psti_layer_bytes(r->version);
    if (r->n < r->end)
        return psti_fail(PST_E_CORRUPT,
                         (psti_where){.file = r->file,
                                      .item = r->item,
                                      .field = "layers",
                                      .expected = (int64_t)r->end,
                                      .found = (int64_t)r->n},
                         "%s: program, layers: %" PRIu32 " layers need %zu bytes, %zu found", r->name, *count, r->end,
                         r->n);
    uint64_t sections = get_u64(r->bytes, PSTI_AT_SECTIONS);
    return sections == r->end ? PST_OK : wrong(r, "start of the sections", r->end, sections);
}

static pst_status read_readout(const reading *r, pst_program *p) {
    uint32_t readout = get_u32(r->bytes + PSTI_AT_PROGRAM, PSTI_PROGRAM_READOUT);
    if (readout >= PSTI_READOUTS)
        return psti_fail(
            PST_E_UNSUPPORTED,
            (psti_where){
                .file = r->file, .item = r->item, .field = "readout", .expected = PSTI_READOUTS - 1, .found = readout},
            "%s: program, readout: %" PRIu32 ", 0 to %d expected", r->name, readout, PSTI_READOUTS - 1);
    p->readout = (int)readout;
    return PST_OK;
}

static pst_status read_program(reading *r, pst_program *p) {
    const unsigned char *records = r->bytes + PSTI_AT_LAYERS;
    memcpy(p->format, r->bytes + PSTI_AT_PROGRAM + PSTI_PROGRAM_FORMAT, sizeof p->format);
    pst_status status = read_readout(r, p);
    if (!status)
        status = read_certificate(r, p);
    for (uint32_t i = 0; i < p->count && !status; i++) {
        snprintf(r->item, sizeof r->item, "layer %" PRIu32, i);
        status = read_layer(r, records + (size_t)i * psti_layer_bytes(r->version), &p->layers[i]);
        p->parameters += p->layers[i].parameters;
    }
    if (status)
        return status;
    snprintf(r->item, sizeof r->item, "program");
    if (r->end != r->n - r->proof)
        return wrong(r, "end of the last section", r->end, r->n - r->proof);
    if ((status = read_proof(r, p)))
        return status;
    snprintf(r->item, sizeof r->item, "program");
    p->inputs = p->layers[0].inputs;
    p->outputs = p->layers[p->count - 1].outputs;
    if (p->certified && p->certificate.worst_output >= p->outputs)
        return bad(r, "worst output of the certificate", "the program has fewer outputs");
    for (uint32_t i = 0; i < p->more_count; i++)
        if (p->more[i].worst_output >= p->outputs)
            return bad(r, "worst output of a certificate", "the program has fewer outputs");
    status = psti_program_check(p, r->name, r->file);
    if (!status && !r->proof && r->version != psti_program_file_version(p))
        return wrong(r, "version", psti_program_file_version(p), r->version);
    if (!status && r->version != psti_program_version(p))
        return psti_program_hash(p); /* as it would be without what is proved of it */
    p->hash = psti_hash(r->bytes + PSTI_AT_PROGRAM, r->n - r->proof - PSTI_AT_PROGRAM);
    return status;
}

/* Takes `bytes`, from malloc and aligned to 64, over: they are the program's, or freed. */
static pst_status open_bytes(unsigned char *bytes, size_t n, const char *file, pst_program **out) {
    reading r = {.bytes = bytes, .n = n, .name = file ? file : "program in memory", .file = file};
    pst_program *p = NULL;
    uint32_t count = 0;
    pst_status status = psti_file_order();
    if (!status)
        status = read_header(&r);
    if (!status)
        status = read_count(&r, &count);
    if (!status)
        status = psti_program_new(count, &p);
    if (status) {
        free(bytes);
        return status;
    }
    p->content = bytes;
    status = read_program(&r, p);
    if (status) {
        pst_program_free(p);
        return status;
    }
    *out = p;
    return PST_OK;
}

pst_status pst_program_open(const char *path, pst_program **out) {
    if (!path)
        return psti_fail_null("path");
    if (!out)
        return psti_fail_null("out");
    unsigned char *bytes;
    size_t n;
    pst_status status = psti_file_read(path, &bytes, &n);
    return status ? status : open_bytes(bytes, n, path, out);
}

pst_status pst_program_open_memory(const void *bytes, size_t n, pst_program **out) {
    if (!out)
        return psti_fail_null("out");
    if (!bytes)
        return psti_fail_null("bytes");
    unsigned char *own = psti_allocate(n, 1);
    if (!own)
        return PST_E_MEMORY;
    memcpy(own, bytes, n);
    return open_bytes(own, n, NULL, out);
}
