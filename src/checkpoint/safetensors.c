/* The safetensors container: 8 bytes of header length, a JSON header, data. Nothing in it is trusted. */
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "checkpoint/checkpoint.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "tensors in the file are little-endian and used in place");

#define PSTI_LENGTH_BYTES 8
/* The limit of the format's own library; its purpose is the same: no giant header is ever parsed. */
#define PSTI_MAX_HEADER 100000000

/* Element types by the file's names. Sizes are in bits: some types are smaller than a byte. */
static const struct {
    const char *name;
    unsigned bits;
    int element;
} dtypes[] = {
    {"F32", 32, PST_F32}, {"F64", 64, PST_F64}, {"F16", 16, PST_F16},   {"BF16", 16, PST_BF16}, {"I8", 8, -1},
    {"U8", 8, -1},        {"BOOL", 8, -1},      {"I16", 16, -1},        {"U16", 16, -1},        {"I32", 32, -1},
    {"U32", 32, -1},      {"I64", 64, -1},      {"U64", 64, -1},        {"C64", 64, -1},        {"F8_E4M3", 8, -1},
    {"F8_E5M2", 8, -1},   {"F8_E8M0", 8, -1},   {"F8_E4M3FNUZ", 8, -1}, {"F8_E5M2FNUZ", 8, -1}, {"F6_E2M3", 6, -1},
    {"F6_E3M2", 6, -1},   {"F4", 4, -1},
};

static int64_t as_signed(uint64_t v) {
    return v > INT64_MAX ? INT64_MAX : (int64_t)v;
}

/* "m.safetensors: tensor "a": field: TEXT". */
static pst_status fail_entry(const psti_checkpoint *c, const char *name, pst_status status, psti_where where,
                             const char *text) {
    where.file = c->file;
    where.item = name;
    return psti_fail(status, where, "%s: tensor \"%s\": %s: %s", psti_checkpoint_name(c), name, where.field, text);
}

static pst_status fail_header(const psti_checkpoint *c, const char *field, const char *text) {
    return psti_fail(PST_E_CORRUPT, (psti_where){.file = c->file, .item = "header", .field = field},
                     "%s: safetensors header%s%s: %s", psti_checkpoint_name(c), field ? ", " : "", field ? field : "",
                     text);
}

/* An array of integers that are not negative; *count of them in the arena. */
static pst_status read_numbers(psti_checkpoint *c, const char *name, const char *field, const json_t *array,
                               size_t *count, uint64_t **numbers) {
    psti_where where = {.field = field};
    if (!json_is_array(array)) {
        return fail_entry(c, name, PST_E_CORRUPT, where, array ? "not an array" : "missing");
    }
    *count = json_array_size(array);
    *numbers = psti_arena_take(&c->arena, *count, sizeof **numbers);
    if (!*numbers) {
        return PST_E_MEMORY;
    }
    for (size_t i = 0; i < *count; i++) {
        const json_t *number = json_array_get(array, i);
        if (!json_is_integer(number) || json_integer_value(number) < 0) {
            psti_text text = {0};
            where.found = json_integer_value(number);
            psti_text_add(&text, "element %zu is not a whole number from 0", i);
            return fail_entry(c, name, PST_E_CORRUPT, where, text.text);
        }
        (*numbers)[i] = (uint64_t)json_integer_value(number);
    }
    return PST_OK;
}

static pst_status read_dtype(const psti_checkpoint *c, const json_t *value, psti_entry *e, unsigned *bits) {
    psti_where where = {.field = "dtype"};
    const char *name = json_string_value(value);
    if (!name) {
        return fail_entry(c, e->full, PST_E_CORRUPT, where, value ? "not a string" : "missing");
    }
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++) {
        if (strcmp(name, dtypes[i].name) == 0) {
            e->dtype = dtypes[i].name;
            e->element = dtypes[i].element;
            *bits = dtypes[i].bits;
            return PST_OK;
        }
    }
    psti_text text = {0};
    psti_text_add(&text, "\"%s\" is not an element type of safetensors known to this version", name);
    return fail_entry(c, e->full, PST_E_UNSUPPORTED, where, text.text);
}

/* Bytes that the shape needs. */
static pst_status needed_bytes(const psti_checkpoint *c, const psti_entry *e, unsigned bits, size_t *bytes) {
    size_t count = 1, all;
    for (size_t i = 0; i < e->rank; i++) {
        if (!psti_multiply(count, (size_t)e->shape[i], &count)) {
            return fail_entry(c, e->full, PST_E_CORRUPT, (psti_where){.field = "shape"},
                              "the product of its dimensions overflows 64 bits");
        }
    }
    if (!psti_multiply(count, bits, &all) || all % 8 != 0) {
        return fail_entry(c, e->full, PST_E_CORRUPT, (psti_where){.field = "shape"},
                          "its size is not a number of bytes that fits 64 bits");
    }
    *bytes = all / 8;
    return PST_OK;
}

static pst_status read_offsets(psti_checkpoint *c, const json_t *value, size_t data_bytes, size_t needed,
                               psti_entry *e) {
    psti_where where = {.field = "data_offsets"};
    psti_text text = {0};
    size_t count = 0;
    uint64_t *offsets = NULL;
    pst_status status = read_numbers(c, e->full, where.field, value, &count, &offsets);
    if (status) {
        return status;
    }
    if (count != 2) {
        where.expected = 2;
        where.found = as_signed(count);
        psti_text_add(&text, "%zu numbers, expected 2", count);
        return fail_entry(c, e->full, PST_E_CORRUPT, where, text.text);
    }
    e->begin = offsets[0];
    e->end = offsets[1];
    if (e->begin > e->end) {
        psti_text_add(&text, "begin %" PRIu64 " is after end %" PRIu64, e->begin, e->end);
        return fail_entry(c, e->full, PST_E_CORRUPT, where, text.text);
    }
    if (e->end > data_bytes) {
        where.expected = as_signed(data_bytes);
        where.found = as_signed(e->end);
        psti_text_add(&text, "end %" PRIu64 " is beyond the %zu bytes of data: the file is truncated or altered",
                      e->end, data_bytes);
        return fail_entry(c, e->full, PST_E_CORRUPT, where, text.text);
    }
    if (e->end - e->begin != needed) {
        where.expected = as_signed(needed);
        where.found = as_signed(e->end - e->begin);
        psti_text_add(&text, "%" PRIu64 " bytes, expected %zu for %s ", e->end - e->begin, needed, e->dtype);
        psti_text_shape(&text, e->rank, e->shape);
        return fail_entry(c, e->full, PST_E_CORRUPT, where, text.text);
    }
    return PST_OK;
}

static pst_status read_entry(psti_checkpoint *c, const char *name, json_t *value, const unsigned char *data,
                             size_t data_bytes, psti_entry *e) {
    e->full = psti_arena_string(&c->arena, name);
    if (!e->full) {
        return PST_E_MEMORY;
    }
    e->name = e->full;
    if (!json_is_object(value)) {
        return fail_entry(c, name, PST_E_CORRUPT, (psti_where){.field = "entry"}, "not an object");
    }
    const char *key;
    json_t *part;
    json_object_foreach(value, key, part) {
        if (strcmp(key, "dtype") != 0 && strcmp(key, "shape") != 0 && strcmp(key, "data_offsets") != 0) {
            return fail_entry(c, name, PST_E_CORRUPT, (psti_where){.field = key}, "unknown field");
        }
    }
    unsigned bits = 0;
    size_t needed = 0;
    uint64_t *shape = NULL;
    pst_status status = read_dtype(c, json_object_get(value, "dtype"), e, &bits);
    if (!status) {
        status = read_numbers(c, name, "shape", json_object_get(value, "shape"), &e->rank, &shape);
    }
    if (!status) {
        e->shape = shape;
        status = needed_bytes(c, e, bits, &needed);
    }
    if (!status) {
        status = read_offsets(c, json_object_get(value, "data_offsets"), data_bytes, needed, e);
    }
    if (!status) {
        e->data = data + e->begin;
    }
    return status;
}

static int by_offset(const void *a, const void *b) {
    const psti_entry *p = *(psti_entry *const *)a, *q = *(psti_entry *const *)b;
    if (p->begin != q->begin) {
        return p->begin < q->begin ? -1 : 1;
    }
    return (p->end > q->end) - (p->end < q->end);
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const psti_entry *)a)->full, ((const psti_entry *)b)->full);
}

/* Tensors must cover the data exactly: what no tensor describes could be anything. */
static pst_status check_cover(psti_checkpoint *c, size_t data_bytes) {
    psti_entry **order = psti_arena_take(&c->arena, c->count, sizeof(psti_entry *));
    if (!order) {
        return PST_E_MEMORY;
    }
    for (size_t i = 0; i < c->count; i++) {
        order[i] = &c->entries[i];
    }
    qsort(order, c->count, sizeof *order, by_offset);
    uint64_t covered = 0;
    for (size_t i = 0; i < c->count; i++) {
        psti_text text = {0};
        psti_where where = {
            .field = "data_offsets", .expected = as_signed(covered), .found = as_signed(order[i]->begin)};
        if (order[i]->begin < covered) {
            psti_text_add(&text, "begins at byte %" PRIu64 " and overlaps tensor \"%s\", which ends at %" PRIu64,
                          order[i]->begin, order[i - 1]->full, covered);
            return fail_entry(c, order[i]->full, PST_E_CORRUPT, where, text.text);
        }
        if (order[i]->begin > covered) {
            psti_text_add(&text, "begins at byte %" PRIu64 ", but no tensor covers the bytes from %" PRIu64,
                          order[i]->begin, covered);
            return fail_entry(c, order[i]->full, PST_E_CORRUPT, where, text.text);
        }
        covered = order[i]->end;
    }
    if (covered != data_bytes) {
        return psti_fail(PST_E_CORRUPT,
                         (psti_where){.file = c->file,
                                      .item = "data",
                                      .field = "length",
                                      .expected = as_signed(covered),
                                      .found = as_signed(data_bytes)},
                         "%s: trailing bytes: the tensors cover %" PRIu64 " bytes of data, found %zu",
                         psti_checkpoint_name(c), covered, data_bytes);
    }
    return PST_OK;
}

static pst_status read_metadata(psti_checkpoint *c, json_t *metadata) {
    if (!json_is_object(metadata)) {
        return fail_header(c, "__metadata__", "not an object");
    }
    const char *key;
    json_t *value;
    json_object_foreach(metadata, key, value) {
        if (!json_is_string(value)) {
            psti_text text = {0};
            psti_text_add(&text, "the value of \"%s\" is not a string", key);
            return fail_header(c, "__metadata__", text.text);
        }
        if (strcmp(key, "penstock.graph") == 0) {
            c->graph = psti_arena_string(&c->arena, json_string_value(value));
            if (!c->graph) {
                return PST_E_MEMORY;
            }
        }
    }
    return PST_OK;
}

static pst_status read_header(psti_checkpoint *c, json_t *header, const unsigned char *data, size_t data_bytes) {
    if (!json_is_object(header)) {
        return fail_header(c, NULL, "not a JSON object");
    }
    c->entries = psti_arena_take(&c->arena, json_object_size(header), sizeof *c->entries);
    if (!c->entries) {
        return PST_E_MEMORY;
    }
    const char *key;
    json_t *value;
    json_object_foreach(header, key, value) {
        pst_status status;
        if (strcmp(key, "__metadata__") == 0) {
            status = read_metadata(c, value);
        } else {
            status = read_entry(c, key, value, data, data_bytes, &c->entries[c->count++]);
        }
        if (status) {
            return status;
        }
    }
    qsort(c->entries, c->count, sizeof *c->entries, by_name);
    return check_cover(c, data_bytes);
}

/* A word on what else the file might be, since a checkpoint saved by torch.save is the usual mistake. */
static const char *guess(const unsigned char *bytes, size_t n) {
    static const unsigned char zip[4] = {'P', 'K', 3, 4};
    if (n >= 4 && memcmp(bytes, zip, sizeof zip) == 0) {
        return "; it looks like a file of torch.save: save the state_dict with safetensors.torch.save_file instead";
    }
    return n >= 2 && bytes[0] == 0x80 && bytes[1] <= 5
               ? "; it looks like a Python pickle: save the state_dict with safetensors.torch.save_file instead"
               : "";
}

static pst_status find_header(const psti_checkpoint *c, const unsigned char *bytes, size_t n, size_t *length) {
    const char *name = psti_checkpoint_name(c);
    psti_where where = {.file = c->file, .item = "header", .field = "length"};
    if (n < PSTI_LENGTH_BYTES) {
        where.expected = PSTI_LENGTH_BYTES;
        where.found = (int64_t)n;
        return psti_fail(PST_E_CORRUPT, where, "%s: %s%zu bytes, a safetensors file has at least %d", name,
                         n ? "truncated: " : "empty file: ", n, PSTI_LENGTH_BYTES);
    }
    uint64_t value = 0;
    for (int i = 0; i < PSTI_LENGTH_BYTES; i++) {
        value |= (uint64_t)bytes[i] << 8 * i;
    }
    where.found = as_signed(value);
    if (value > PSTI_MAX_HEADER) {
        where.expected = PSTI_MAX_HEADER;
        return psti_fail(PST_E_CORRUPT, where,
                         "%s: not a safetensors file: header length %" PRIu64 ", at most %d expected%s", name, value,
                         PSTI_MAX_HEADER, guess(bytes, n));
    }
    if (value > n - PSTI_LENGTH_BYTES) {
        where.expected = as_signed(n - PSTI_LENGTH_BYTES);
        return psti_fail(PST_E_CORRUPT, where,
                         "%s: header length %" PRIu64 ", but only %zu bytes follow: truncated, or not a safetensors "
                         "file%s",
                         name, value, n - PSTI_LENGTH_BYTES, guess(bytes, n));
    }
    *length = (size_t)value;
    return PST_OK;
}

pst_status psti_safetensors_parse(const unsigned char *bytes, size_t n, psti_checkpoint *c) {
    size_t length = 0;
    pst_status status = find_header(c, bytes, n, &length);
    if (status) {
        return status;
    }
    const char *text = (const char *)bytes + PSTI_LENGTH_BYTES;
    if (length == 0 || text[0] != '{') {
        return fail_header(c, NULL, "not a JSON object");
    }
    json_error_t error;
    json_t *header = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
    if (!header) {
        if (json_error_code(&error) == json_error_out_of_memory) {
            return psti_fail_memory(length);
        }
        psti_text reason = {0};
        psti_text_add(&reason, "not valid JSON at byte %d: %s", error.position, error.text);
        return fail_header(c, NULL, reason.text);
    }
    status = read_header(c, header, (const unsigned char *)text + length, n - PSTI_LENGTH_BYTES - length);
    json_decref(header);
    return status;
}
