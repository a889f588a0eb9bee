/* The container: every way in which a safetensors file can be wrong. */
#include "make.h"

#include <stdbool.h>
#include <unistd.h>

#include "model/model.h"

/* A sound file of a Linear [2, 3] is the start of most tests. */
static const float weight[6] = {1, 2, 3, 4, 5, 6};
#define SOUND "{\"weight\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]}}"

static void bad_header(const char *header, size_t data, pst_status status, const char *const *words) {
    static const unsigned char zeros[4096];
    size_t n;
    unsigned char *bytes = make_raw(header, strlen(header), zeros, data, &n);
    refuse_bytes(bytes, n, NULL, status, words);
}

static void sound(void **unused) {
    (void)unused;
    size_t n;
    /* Trailing spaces are how writers align the data; also after no alignment at all. */
    static const char *const headers[] = {SOUND, SOUND " ", SOUND "       "};
    for (size_t i = 0; i < 3; i++) {
        unsigned char *bytes = make_raw(headers[i], strlen(headers[i]), weight, sizeof weight, &n);
        pst_model *m = NULL;
        assert_int_equal(pst_model_read_memory(bytes, n, NULL, &m), PST_OK);
        free(bytes);
        assert_memory_equal(m->layers[0].tensor[PSTI_LINEAR_WEIGHT], weight, sizeof weight);
        pst_model_free(m);
    }
}

static void element_types(void **unused) {
    (void)unused;
    static const double f64[6] = {1, 2, 3, 4, 5, 6};
    static const uint16_t f16[6] = {0x3c00, 0x4000, 0x4200, 0x4400, 0x4500, 0x4600};
    static const uint16_t bf16[6] = {0x3f80, 0x4000, 0x4040, 0x4080, 0x40a0, 0x40c0};
    static const struct {
        const char *name;
        const void *data;
        size_t bytes;
    } types[] = {{"F32", weight, sizeof weight},
                 {"F64", f64, sizeof f64},
                 {"F16", f16, sizeof f16},
                 {"BF16", bf16, sizeof bf16}};
    for (size_t i = 0; i < 4; i++) {
        static making m;
        make_entry(&m, "weight", types[i].name, "[2,3]", types[i].data, types[i].bytes);
        pst_model *model = accept(&m, NULL);
        assert_memory_equal(model->layers[0].tensor[PSTI_LINEAR_WEIGHT], weight, sizeof weight);
        pst_model_free(model);
    }
    /* Others are known, and refused only where a layer needs them. */
    static const struct {
        const char *name;
        size_t bits;
    } other[] = {{"I64", 64}, {"I32", 32}, {"I16", 16}, {"I8", 8},      {"U64", 64},    {"U32", 32},
                 {"U16", 16}, {"U8", 8},   {"BOOL", 8}, {"F8_E4M3", 8}, {"F8_E5M2", 8}, {"F4", 4}};
    static const unsigned char zeros[64];
    for (size_t i = 0; i < sizeof other / sizeof *other; i++) {
        static making m;
        make_entry(&m, "weight", other[i].name, "[2,2]", zeros, 4 * other[i].bits / 8);
        refuse(&m, PST_E_UNSUPPORTED, WORDS("checkpoint: tensor \"weight\"", other[i].name, "F32, F64, F16 or BF16"));
        assert_string_equal(last_error().item, "weight");
        assert_string_equal(last_error().field, "dtype");
        make_entry(&m, "m.weight", "F32", "[2,3]", weight, sizeof weight);
        make_entry(&m, "other", other[i].name, "[2,2]", zeros, 4 * other[i].bits / 8);
        pst_model_free(accept(&m, "m."));
    }
    bad_header("{\"a\":{\"dtype\":\"F128\",\"shape\":[1],\"data_offsets\":[0,16]}}", 16, PST_E_UNSUPPORTED,
               WORDS("tensor \"a\": dtype", "\"F128\""));
    bad_header("{\"a\":{\"dtype\":\"F4\",\"shape\":[3],\"data_offsets\":[0,1]}}", 1, PST_E_CORRUPT,
               WORDS("tensor \"a\": shape"));
}

static void lengths(void **unused) {
    (void)unused;
    size_t n;
    unsigned char *whole = make_raw(SOUND, strlen(SOUND), weight, sizeof weight, &n);
    for (size_t cut = 0; cut < n; cut++) { /* every truncation */
        unsigned char *bytes = malloc(cut + 1);
        memcpy(bytes, whole, cut);
        const char *word = cut == 0                  ? "empty"
                           : cut < 8                 ? "truncated"
                           : cut < 8 + strlen(SOUND) ? "header length"
                                                     : "beyond";
        refuse_bytes(bytes, cut, NULL, PST_E_CORRUPT, WORDS("checkpoint: ", word));
    }
    for (size_t more = 1; more < 9; more++) { /* and trailing bytes */
        unsigned char *bytes = calloc(n + more, 1);
        memcpy(bytes, whole, n);
        refuse_bytes(bytes, n + more, NULL, PST_E_CORRUPT, WORDS("trailing bytes", "24"));
        assert_true(last_error().expected == 24 && last_error().found == 24 + (int64_t)more);
    }
    static const uint64_t bad[] = {0, 1, 100000000, 100000001, UINT64_MAX, (uint64_t)1 << 63};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        unsigned char *bytes = malloc(n);
        memcpy(bytes, whole, n);
        for (int b = 0; b < 8; b++) {
            bytes[b] = (unsigned char)(bad[i] >> 8 * b);
        }
        refuse_bytes(bytes, n, NULL, PST_E_CORRUPT, WORDS("header"));
    }
    free(whole);
    assert_int_equal(pst_model_read_memory(NULL, 0, NULL, &(pst_model *){NULL}), PST_E_CORRUPT);
    assert_non_null(strstr(last_error().message, "empty"));
}

static void json(void **unused) {
    (void)unused;
    static const char *const bad[] = {
        "[]",           "5",    "\"a\"",           "null", "{", "{}x", "{,}", " {}", "{\"a\"", "{\"a\":", "nul",
        "{\"\xff\":1}", "{}{}", "{\"a\\u0000\":1}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        bad_header(bad[i], 0, PST_E_CORRUPT, WORDS("checkpoint: safetensors header"));
    }
    bad_header("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
               "\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}",
               4, PST_E_CORRUPT, WORDS("duplicate", "\"a\""));
    bad_header("{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, PST_E_CORRUPT,
               WORDS("duplicate", "dtype"));
    bad_header("{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}", 0, PST_E_CORRUPT, WORDS("duplicate", "\"k\""));
    bad_header("{\"__metadata__\":{},\"__metadata__\":{}}", 0, PST_E_CORRUPT, WORDS("duplicate"));
    bad_header("{\"__metadata__\":[]}", 0, PST_E_CORRUPT, WORDS("__metadata__", "not an object"));
    bad_header("{\"__metadata__\":{\"k\":1}}", 0, PST_E_CORRUPT, WORDS("__metadata__", "\"k\" is not a string"));
    bad_header("{}", 0, PST_E_UNSUPPORTED, WORDS("no tensors"));
    bad_header("{}", 1, PST_E_CORRUPT, WORDS("trailing"));
    /* As deep as a header can be. */
    size_t n, depth = 100000;
    char *deep = malloc(depth);
    memset(deep, '[', depth);
    memcpy(deep, "{\"a\":", 5);
    unsigned char *bytes = make_raw(deep, depth, NULL, 0, &n);
    free(deep);
    refuse_bytes(bytes, n, NULL, PST_E_CORRUPT, WORDS("safetensors header"));
}

static void fields(void **unused) {
    (void)unused;
    static const struct {
        const char *entry, *field, *words;
    } bad[] = {
        {"5", "", "not an object"},
        {"[]", "", "not an object"},
        {"{\"shape\":[1],\"data_offsets\":[0,4]}", "dtype", "missing"},
        {"{\"dtype\":4,\"shape\":[1],\"data_offsets\":[0,4]}", "dtype", "not a string"},
        {"{\"dtype\":\"F32\",\"data_offsets\":[0,4]}", "shape", "missing"},
        {"{\"dtype\":\"F32\",\"shape\":1,\"data_offsets\":[0,4]}", "shape", "not an array"},
        {"{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}", "shape", "element 0"},
        {"{\"dtype\":\"F32\",\"shape\":[1.0],\"data_offsets\":[0,4]}", "shape", "element 0"},
        {"{\"dtype\":\"F32\",\"shape\":[1,\"1\"],\"data_offsets\":[0,4]}", "shape", "element 1"},
        {"{\"dtype\":\"F32\",\"shape\":[1]}", "data_offsets", "missing"},
        {"{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":{}}", "data_offsets", "not an array"},
        {"{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}", "data_offsets", "expected 2"},
        {"{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4,8]}", "data_offsets", "expected 2"},
        {"{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[-4,0]}", "data_offsets", "element 0"},
        {"{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,null]}", "data_offsets", "element 1"},
        {"{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}", "data_offsets", "begin 4 is after end 0"},
        {"{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}", "data_offsets", "beyond the 4 bytes"},
        {"{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,9223372036854775807]}", "data_offsets", "beyond"},
        {"{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}", "data_offsets", "expected 8 for F32 [2]"},
        {"{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[0,4]}", "data_offsets", "expected 8 for F64 [1]"},
        {"{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"x\":1}", "x", "unknown field"},
        {"{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,4]}", "shape", "overflows"},
        {"{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296,0],\"data_offsets\":[0,0]}", "shape", "overflows"},
        {"{\"dtype\":\"F32\",\"shape\":[4611686018427387904],\"data_offsets\":[0,4]}", "shape", "fits 64 bits"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char header[256];
        (void)snprintf(header, sizeof header, "{\"fc.bias\":%s}", bad[i].entry);
        bad_header(header, 4, PST_E_CORRUPT, WORDS("checkpoint: tensor \"fc.bias\": ", bad[i].field, bad[i].words));
        assert_string_equal(last_error().item, "fc.bias");
    }
    bad_header("{\"a\":{\"dtype\":\"F32\",\"shape\":[99999999999999999999],\"data_offsets\":[0,4]}}", 4, PST_E_CORRUPT,
               WORDS("header"));
}

static void cover(void **unused) {
    (void)unused;
    static const struct {
        int begin[3], end[3];
        const char *word;
    } bad[] = {
        {{0, 4, 4}, {4, 8, 12}, "overlaps tensor \"b\""},
        {{0, 4, 12}, {4, 8, 16}, "no tensor covers the bytes from 8"},
        {{4, 8, 12}, {8, 12, 16}, "no tensor covers the bytes from 0"},
        {{0, 0, 4}, {4, 4, 8}, "overlaps"},
        {{8, 0, 6}, {12, 8, 8}, "overlaps"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char header[512];
        size_t used = 0;
        for (int k = 0; k < 3; k++) {
            used +=
                (size_t)snprintf(header + used, sizeof header - used,
                                 "%s\"%c\":{\"dtype\":\"U8\",\"shape\":[%d],\"data_offsets\":[%d,%d]}", k ? "," : "{",
                                 'a' + k, bad[i].end[k] - bad[i].begin[k], bad[i].begin[k], bad[i].end[k]);
        }
        (void)snprintf(header + used, sizeof header - used, "}");
        bad_header(header, 16, PST_E_CORRUPT, WORDS("data_offsets", bad[i].word));
    }
    /* Empty tensors take no room and are no overlap. */
    bad_header("{\"a\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[4,4]},"
               "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
               "\"c\":{\"dtype\":\"F32\",\"shape\":[0,7],\"data_offsets\":[0,0]}}",
               4, PST_E_UNSUPPORTED, WORDS("3 tensors are left over", ": a F32 [0], b F32 [1], c F32 [0, 7]"));
}

static void values(void **unused) {
    (void)unused;
    static making m;
    make_lstm(&m, "lstm.", 2, 3, 2, 1);
    make_linear(&m, "fc.", 3, 1, 1);
    size_t place = m.bytes - 4 - 12 + 4; /* fc.weight [0, 1] */
    static const uint32_t nan = 0x7fc00000, infinity = 0xff800000;
    memcpy(m.data + place, &nan, 4);
    making copy = m;
    refuse(&m, PST_E_NONFINITE,
           WORDS("checkpoint: tensor \"fc.weight\" (layer 2 (linear), weight): element [0, 1] is NaN"));
    assert_string_equal(last_error().item, "fc.weight");
    assert_int_equal(last_error().found, 1);
    memcpy(copy.data + place, &infinity, 4);
    refuse(&copy, PST_E_NONFINITE, WORDS("tensor \"fc.weight\"", "element [0, 1] is -infinity"));
}

static void wrong_kinds_of_file(void **unused) {
    (void)unused;
    unsigned char *zip = calloc(100, 1);
    memcpy(zip, "PK\3\4\0\0\10\10\1", 9);
    refuse_bytes(zip, 100, NULL, PST_E_CORRUPT, WORDS("torch.save", "safetensors.torch.save_file"));
    unsigned char *pickle = calloc(100, 1);
    memcpy(pickle, "\x80\x02}q\0(X\1", 8);
    refuse_bytes(pickle, 100, NULL, PST_E_CORRUPT, WORDS("pickle"));
}

static void from_a_file(void **unused) {
    (void)unused;
    char path[] = "/tmp/psti_checkpoint_XXXXXX";
    int file = mkstemp(path);
    assert_true(file >= 0);
    size_t n;
    unsigned char *bytes = make_raw(SOUND, strlen(SOUND), weight, sizeof weight, &n);
    assert_int_equal(write(file, bytes, n), (ssize_t)n);
    free(bytes);
    pst_model *m = NULL;
    assert_int_equal(pst_model_read(path, NULL, &m), PST_OK);
    assert_string_equal(summary(m), "linear 3 2");
    pst_model_free(m);
    m = NULL;
    pst_read_options o;
    PST_INIT(o);
    o.prefix = "model.";
    assert_int_equal(pst_model_read(path, &o, &m), PST_E_ARGUMENT);
    assert_string_equal(last_error().file, path);
    assert_non_null(strstr(last_error().message, path));
    assert_int_equal(ftruncate(file, 20), 0);
    assert_int_equal(pst_model_read(path, NULL, &m), PST_E_CORRUPT);
    assert_string_equal(last_error().file, path);
    assert_memory_equal(last_error().message, path, strlen(path));
    assert_int_equal(close(file), 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(pst_model_read(path, NULL, &m), PST_E_FILE);
    assert_string_equal(last_error().file, path);
    assert_null(m);
    assert_int_equal(pst_model_read(NULL, NULL, &m), PST_E_ARGUMENT);
    assert_int_equal(pst_model_read(path, NULL, NULL), PST_E_ARGUMENT);
    assert_int_equal(pst_model_read_memory(NULL, 5, NULL, &m), PST_E_ARGUMENT);
    assert_int_equal(pst_model_read_memory("", 0, NULL, NULL), PST_E_ARGUMENT);
    o.size = 0;
    assert_int_equal(pst_model_read(path, &o, &m), PST_E_ARGUMENT);
    assert_int_equal(pst_model_read_memory("", 0, &o, &m), PST_E_ARGUMENT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sound),       cmocka_unit_test(element_types),
        cmocka_unit_test(lengths),     cmocka_unit_test(json),
        cmocka_unit_test(fields),      cmocka_unit_test(cover),
        cmocka_unit_test(values),      cmocka_unit_test(wrong_kinds_of_file),
        cmocka_unit_test(from_a_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
