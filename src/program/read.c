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

/* A text of `room` bytes: printable, filled with 0, at least one of them. */
static int sound_text(const unsigned char *text, size_t room) {
    size_t n = 0;
    while (n < room && text[n] > 0x20 && text[n] < 0x7f)
        n++;
    return n < room && all_zero(text + n, room - n);
}

/* ---- header ----------------------------------------------------------------------------------------------------- */

/* The version is a number only once the byte order is known, so the order is looked at first. */
static pst_status read_header(const reading *r) {
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
    if (version != PSTI_FILE_VERSION) {
        where.field = "version";
        where.expected = PSTI_FILE_VERSION;
        where.found = version;
        return psti_fail(PST_E_UNSUPPORTED, where, "%s: unknown version %" PRIu32 ", this library reads %u", r->name,
                         version, PSTI_FILE_VERSION);
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
    return PST_OK;
}

/* ---- certificate ------------------------------------------------------------------------------------------------ */

static pst_status read_certificate(reading *r, pst_program *p) {
    const unsigned char *record = r->bytes + PSTI_AT_CERTIFICATE;
    snprintf(r->item, sizeof r->item, "certificate");
    uint32_t present = get_u32(record, PSTI_CERTIFICATE_PRESENT);
    if (present > 1)
        return bad(r, "present", "neither 0 nor 1");
    size_t used = present ? PSTI_CERTIFICATE_END : 0;
    if (!all_zero(record + used, PSTI_AT_PROGRAM - PSTI_AT_CERTIFICATE - used) ||
        get_u32(record, PSTI_CERTIFICATE_WORST_OUTPUT + 4))
        return bad(r, "reserved", "not 0");
    if (!present)
        return PST_OK;
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
                         .relative_rms = get_f64(record, PSTI_CERTIFICATE_RELATIVE_RMS)};
    const double undefined = (double)NAN;
    if (c.from_caller > 1)
        return bad(r, "from_caller", "neither 0 nor 1");
    if (!(c.max_abs >= 0 && isfinite(c.max_abs)))
        return bad(r, "max_abs", "negative or not finite");
    if (!(c.rms >= 0 && isfinite(c.rms)))
        return bad(r, "rms", "negative or not finite");
    if (!(c.relative_rms >= 0 && isfinite(c.relative_rms)) &&
        memcmp(&c.relative_rms, &undefined, sizeof undefined) != 0)
        return bad(r, "relative_rms", "negative or infinite");
    p->certificate = c;
    p->certified = 1;
    return PST_OK;
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
    if (encoding >= PSTI_ENCODINGS)
        return psti_fail(PST_E_UNSUPPORTED,
                         (psti_where){.file = r->file, .item = r->item, .field = "encoding", .found = encoding},
                         "%s: %s, matrix %" PRIu32 ": unknown encoding %" PRIu32, r->name, r->item, m, encoding);
    matrix->encoding = (int)encoding;
    matrix->shape = psti_program_shape(layer, m);
    uint32_t units = get_u32(record, PSTI_MATRIX_UNITS), inputs = get_u32(record, PSTI_MATRIX_INPUTS),
             gates = get_u32(record, PSTI_MATRIX_GATES);
    if (units != matrix->shape.units)
        return wrong(r, m ? "units of matrix 1" : "units of matrix 0", matrix->shape.units, units);
    if (inputs != matrix->shape.inputs)
        return wrong(r, m ? "inputs of matrix 1" : "inputs of matrix 0", matrix->shape.inputs, inputs);
    if (gates != matrix->shape.gates)
        return wrong(r, m ? "gates of matrix 1" : "gates of matrix 0", matrix->shape.gates, gates);
    return PST_OK;
}

/* Every section stands where the one before it ends, rounded up: so none overlap and none lie outside. */
static pst_status read_section(reading *r, const unsigned char *record, const psti_section *s,
                               psti_program_layer *layer) {
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
    layer->matrices = get_u32(record, PSTI_LAYER_MATRICES);
    layer->parameters = get_u64(record, PSTI_LAYER_PARAMETERS);
    if (layer->matrices != kind->matrices)
        return wrong(r, "matrices", kind->matrices, layer->matrices);
    if (!all_zero(record + PSTI_LAYER_END, PSTI_LAYER_BYTES - PSTI_LAYER_END))
        return bad(r, "reserved", "not 0");
    for (uint32_t m = 0; m < PSTI_MATRICES; m++) {
        const unsigned char *of_matrix = record + PSTI_LAYER_MATRIX + m * PSTI_MATRIX_BYTES;
        if (m < kind->matrices)
            status = read_matrix(r, of_matrix, m, layer);
        else if (!all_zero(of_matrix, PSTI_MATRIX_BYTES))
            status = bad(r, m ? "matrix 1" : "matrix 0", "given, but this kind has fewer");
        if (status)
            return status;
    }
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
    if (!all_zero(r->bytes + PSTI_AT_HASHED, PSTI_AT_CERTIFICATE - PSTI_AT_HASHED))
        return bad(r, "reserved", "not 0");
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
    r->end = PSTI_AT_LAYERS + (size_t)*count * PSTI_LAYER_BYTES;
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
        status = read_layer(r, records + (size_t)i * PSTI_LAYER_BYTES, &p->layers[i]);
        p->parameters += p->layers[i].parameters;
    }
    if (status)
        return status;
    snprintf(r->item, sizeof r->item, "program");
    if (r->end != r->n)
        return wrong(r, "end of the last section", r->end, r->n);
    p->inputs = p->layers[0].inputs;
    p->outputs = p->layers[p->count - 1].outputs;
    if (p->certified && p->certificate.worst_output >= p->outputs)
        return bad(r, "worst output of the certificate", "the program has fewer outputs");
    p->hash = psti_hash(r->bytes + PSTI_AT_PROGRAM, r->n - PSTI_AT_PROGRAM);
    return psti_program_check(p, r->name, r->file);
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
