/* Structs of another size than this header's, options that are refused, and the engine's information. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../support/expect.h"
#include "../support/model.h"

static const model_part parts[] = {MODEL_LSTM(40), MODEL_LINEAR(3)};
enum { INPUTS = 12, OUTPUTS = 3 };

static pst_model *model;
static pst_program *program;
static pst_engine *engine;

static int setup(void **unused) {
    (void)unused;
    pst_compile_options o;
    PST_INIT(o);
    o.certificate_steps = 4;
    model = model_make(INPUTS, parts, 2, 1, 1);
    if (pst_compile(model, &o, &program))
        model_die("pst_compile");
    engine = model_engine(program, NULL);
    return 0;
}

static int teardown(void **unused) {
    (void)unused;
    pst_engine_close(engine);
    pst_program_free(program);
    pst_model_free(model);
    return 0;
}

/* ---- options ------------------------------------------------------------------------------------------------------
 */

static pst_status with_engine(const void *o) {
    pst_engine *e = NULL;
    pst_status status = pst_engine_open(program, o, &e);
    assert_true(!status == !!e);
    pst_engine_close(e);
    return status;
}

static pst_status with_stream(const void *o) {
    pst_stream *s = NULL;
    pst_status status = pst_stream_open(engine, o, &s);
    assert_true(!status == !!s);
    pst_stream_close(s);
    return status;
}

static pst_status with_compile(const void *o) {
    pst_program *p = NULL;
    pst_status status = pst_compile(model, o, &p);
    assert_true(!status == !!p);
    pst_program_free(p);
    return status;
}

static const uint64_t one_shape[] = {1, 1};
static const pst_tensor one_tensor = {sizeof one_tensor, "weight", PST_F32, 2, one_shape, (const float[]){1}};
static const pst_tensor *const one_tensors[] = {&one_tensor};

static pst_status with_model(const void *o) {
    const pst_layer layer = {.size = sizeof layer, .kind = "linear", .tensors = one_tensors, .tensor_count = 1};
    const pst_layer *layers[] = {&layer};
    pst_model *m = NULL;
    pst_status status = pst_model_create(layers, 1, o, &m);
    assert_true(!status == !!m);
    pst_model_free(m);
    return status;
}

static void test_option_sizes(void **unused) {
    (void)unused;
    static const struct {
        const char *name;
        size_t own;
        pst_status (*call)(const void *o);
    } takes[] = {{"pst_engine_options", sizeof(pst_engine_options), with_engine},
                 {"pst_stream_options", sizeof(pst_stream_options), with_stream},
                 {"pst_compile_options", sizeof(pst_compile_options), with_compile},
                 {"pst_model_options", sizeof(pst_model_options), with_model}};
    for (size_t i = 0; i < sizeof takes / sizeof *takes; i++) {
        size_t own = takes[i].own;
        union {
            size_t size;
            unsigned char byte[1024];
        } o = {0};
        OK(takes[i].call(NULL));
        for (size_t size = sizeof(size_t); size <= own + 64; size += 4) { /* of an older and of a newer header */
            o.size = size;
            OK(takes[i].call(&o));
        }
        for (size_t at = own; at < own + 64; at++) { /* what this library does not know is asked for */
            o.size = own + 64;
            o.byte[at] = 1;
            FAILS(PST_E_UNSUPPORTED, takes[i].call(&o));
            SAYS(takes[i].name);
            o.size = own; /* beyond the size nobody looks */
            OK(takes[i].call(&o));
            o.byte[at] = 0;
        }
        for (size_t size = 0; size < sizeof(size_t); size++) {
            o.size = size;
            FAILS(PST_E_ARGUMENT, takes[i].call(&o));
            SAYS("PST_INIT");
        }
        o.size = (size_t)-1;
        FAILS(PST_E_ARGUMENT, takes[i].call(&o));
    }
}

/* ---- what the library fills ---------------------------------------------------------------------------------------
 */

static pst_status model_info(void *o) {
    return pst_model_get_info(model, o);
}
static pst_status model_layer(void *o) {
    return pst_model_get_layer(model, 1, o);
}
static pst_status model_tensor(void *o) {
    return pst_model_get_tensor(model, 1, "weight", o);
}
static pst_status program_info(void *o) {
    return pst_program_get_info(program, o);
}
static pst_status program_layer(void *o) {
    return pst_program_get_layer(program, 0, o);
}
static pst_status certificate(void *o) {
    return pst_program_certificate(program, o);
}
static pst_status engine_info(void *o) {
    return pst_engine_get_info(engine, o);
}
static pst_status last_error(void *o) {
    pst_last_error(o);
    return PST_OK;
}

static void test_filled_sizes(void **unused) {
    (void)unused;
    static const struct {
        size_t own;
        pst_status (*call)(void *o);
        size_t hole, after; /* bytes between fields, which hold nothing: from `hole` to `after` */
    } gives[] = {
        {sizeof(pst_info), model_info, offsetof(pst_info, outputs) + 4, offsetof(pst_info, parameters)},
        {sizeof(pst_layer_info), model_layer, 0, 0},
        {sizeof(pst_tensor), model_tensor, 0, 0},
        {sizeof(pst_info), program_info, offsetof(pst_info, outputs) + 4, offsetof(pst_info, parameters)},
        {sizeof(pst_layer_info), program_layer, 0, 0},
        {sizeof(pst_certificate), certificate, 0, 0},
        {sizeof(pst_engine_info), engine_info, offsetof(pst_engine_info, cores) + 4, offsetof(pst_engine_info, level)},
        {sizeof(pst_error), last_error, 0, 0}};
    FAILS(PST_E_ARGUMENT, with_engine(&(size_t){0})); /* so that there is a last error */
    for (size_t i = 0; i < sizeof gives / sizeof *gives; i++) {
        union {
            size_t size;
            unsigned char byte[1024];
        } whole, part;
        size_t own = gives[i].own;
        memset(&whole, 0x5a, sizeof whole);
        whole.size = own;
        OK(gives[i].call(&whole));
        assert_int_equal(whole.size, own);
        assert_int_equal(whole.byte[own], 0x5a);
        for (size_t size = sizeof(size_t); size <= own + 32; size += 4) {
            memset(&part, 0x5a, sizeof part);
            part.size = size;
            OK(gives[i].call(&part));
            assert_int_equal(part.size, size);
            size_t known = size < own ? size : own;
            for (size_t at = sizeof(size_t); at < known; at++)
                assert_true(part.byte[at] == whole.byte[at] || (at >= gives[i].hole && at < gives[i].after));
            for (size_t at = known; at < sizeof part; at++) /* a newer header's fields are absent; beyond is not ours */
                assert_int_equal(part.byte[at], at < size ? 0 : 0x5a);
        }
        if (gives[i].call == last_error)
            continue;
        memset(&part, 0x5a, sizeof part);
        part.size = 0;
        FAILS(PST_E_ARGUMENT, gives[i].call(&part));
        FAILS(PST_E_ARGUMENT, gives[i].call(NULL));
        for (size_t at = sizeof(size_t); at < sizeof part; at++)
            assert_int_equal(part.byte[at], 0x5a);
    }
}

/* ---- refused options ----------------------------------------------------------------------------------------------
 */

#define REFUSED(expected, assignment)                                                                                  \
    do {                                                                                                               \
        pst_engine *e_ = (pst_engine *)&o;                                                                             \
        PST_INIT(o);                                                                                                   \
        assignment;                                                                                                    \
        FAILS(expected, pst_engine_open(program, &o, &e_));                                                            \
        assert_ptr_equal(e_, &o);                                                                                      \
    } while (0)

static void test_engine_options(void **unused) {
    (void)unused;
    static const uint32_t twice[] = {0, 0}, nowhere[] = {0, UINT32_MAX};
    pst_engine_options o;
    pst_engine *e = NULL;
    REFUSED(PST_E_ARGUMENT, o.cores = 65);
    SAYS("at most 64");
    REFUSED(PST_E_ARGUMENT, o.cores = UINT32_MAX);
    REFUSED(PST_E_ARGUMENT, (o.cores = 2, o.cpus = twice));
    SAYS("PST_ENGINE_OVERSUBSCRIBE");
    REFUSED(PST_E_ARGUMENT, (o.cores = 2, o.cpus = nowhere));
    SAYS("cpus[1]");
    REFUSED(PST_E_ARGUMENT, o.caller = 2);
    REFUSED(PST_E_ARGUMENT, o.idle = -1);
    REFUSED(PST_E_ARGUMENT, o.idle = PST_IDLE_PARK + 1);
    REFUSED(PST_E_ARGUMENT, o.spin_us = 1000001);
    REFUSED(PST_E_ARGUMENT, o.flags = 1u << 31);
    REFUSED(PST_E_ARGUMENT, o.level = "fastest");
    SAYS("fastest");
    REFUSED(PST_E_ARGUMENT, o.level = "");
    PST_INIT(o);
    FAILS(PST_E_ARGUMENT, pst_engine_open(NULL, &o, &e));
    FAILS(PST_E_ARGUMENT, pst_engine_open(program, &o, NULL));
    assert_null(e);
    FAILS(PST_E_ARGUMENT, with_engine(&(pst_engine_options){.size = 3}));
    o.cores = 1;
    OK(with_engine(&o));

    pst_stream *s = NULL;
    FAILS(PST_E_ARGUMENT, pst_stream_open(NULL, NULL, &s));
    FAILS(PST_E_ARGUMENT, pst_stream_open(engine, NULL, NULL));
    assert_null(s);
}

/* A level of another machine is known, but not here; each of this one's can be had by its name. */
static void test_engine_levels(void **unused) {
    (void)unused;
    static const char *const all[] = {"scalar", "avx2", "avx2_vnni", "avx512", "avx512_vnni", "avx512_bf16"};
    const char *const *here;
    size_t count, found = 0;
    pst_engine_info info;
    pst_levels(NULL, &count);
    pst_levels(&here, NULL);
    assert_true(count > 0);
    assert_string_equal(here[0], "scalar");
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        pst_engine_options o;
        PST_INIT(o);
        o.level = all[i];
        size_t at = 0;
        while (at < count && strcmp(here[at], all[i]) != 0)
            at++;
        if (at == count) {
            FAILS(PST_E_HOST, with_engine(&o));
            SAYS(all[i]);
            continue;
        }
        found++;
        pst_engine *e = model_engine(program, all[i]);
        PST_INIT(info);
        OK(pst_engine_get_info(e, &info));
        assert_string_equal(info.level, all[i]);
        pst_engine_close(e);
    }
    assert_int_equal(found, count);
    PST_INIT(info);
    OK(pst_engine_get_info(engine, &info)); /* opened with the default: the best one */
    assert_string_equal(info.level, here[count - 1]);
}

/* ---- information --------------------------------------------------------------------------------------------------
 */

static int says(const pst_engine_info *info, const char *text) {
    for (size_t i = 0; i < info->shortfall_count; i++)
        if (strstr(info->shortfalls[i], text))
            return 1;
    return 0;
}

static void test_engine_info(void **unused) {
    (void)unused;
    static const model_part big[] = {MODEL_LSTM(400), MODEL_LINEAR(3)};
    pst_model *m = model_make(300, big, 2, 2, 1);
    pst_program *p = model_program(m, "f32");
    pst_info of_program;
    PST_INIT(of_program);
    OK(pst_program_get_info(p, &of_program));
    for (uint32_t flags = 0; flags < 4; flags++) {
        pst_engine_options o;
        pst_engine_info info;
        pst_engine *e;
        PST_INIT(o);
        PST_INIT(info);
        o.flags = flags;
        OK(pst_engine_open(p, &o, &e));
        OK(pst_engine_get_info(e, &info));
        assert_int_equal(info.cores, 1);
        uint64_t bytes = of_program.critical_bytes + of_program.settle_bytes;
        assert_true(info.weight_bytes >= bytes);
        assert_true(info.weight_bytes < bytes + 64 * 16); /* each array begins at a multiple of 64 */
        assert_true(info.locked_bytes <= info.weight_bytes);
        assert_true(info.page_bytes >= 4096);
        assert_true(info.stream_bytes > 0);
        assert_true(info.settle_units > 0);
        assert_int_equal(info.threads, 0);
        assert_int_equal(info.cpus[0], UINT32_MAX);
        assert_string_equal(info.idle, "spin");
        if (flags & PST_ENGINE_NO_HUGE_PAGES)
            assert_int_equal(info.page_bytes, 4096);
        else if (info.page_bytes == 4096)
            assert_true(says(&info, "weights"));
        if (flags & PST_ENGINE_NO_LOCK && info.page_bytes == 4096) /* hugetlb pages are never swapped out */
            assert_int_equal(info.locked_bytes, 0);
        if (!(flags & PST_ENGINE_NO_LOCK) && info.locked_bytes == 0)
            assert_true(says(&info, "not locked"));
        if (flags == 3) /* nothing was asked for, so nothing was refused */
            assert_int_equal(info.shortfall_count, 0);
        pst_engine_close(e);
    }
    pst_program_free(p);
    pst_model_free(m);
}

static void test_floor(void **unused) {
    (void)unused;
    pst_floor f;
    PST_INIT(f);
    FAILS(PST_E_ARGUMENT, pst_engine_floor(engine, 2, 0, &f));
    FAILS(PST_E_ARGUMENT, pst_engine_floor(engine, 3, -1, &f));
    FAILS(PST_E_ARGUMENT, pst_engine_floor(engine, 3, (double)NAN, &f));
    FAILS(PST_E_ARGUMENT, pst_engine_floor(NULL, 3, 0, &f));
    FAILS(PST_E_ARGUMENT, pst_engine_floor(engine, 3, 0, NULL));
    assert_true(f.critical_bytes == 0);
    float x[INPUTS] = {1}, y[2][OUTPUTS];
    pst_stream *s = model_stream(engine), *other = model_stream(engine);
    OK(pst_step(s, x, INPUTS, y[0], OUTPUTS));
    OK(pst_step(other, x, INPUTS, y[0], OUTPUTS));
    OK(pst_settle(s, 1, NULL));
    OK(pst_engine_floor(engine, 9, 5, &f)); /* changes no stream */
    assert_true(f.critical_bytes > 0 && isfinite(f.read_ns) && f.bandwidth_gbs >= 0);
    OK(pst_step(s, x, INPUTS, y[0], OUTPUTS));
    OK(pst_step(other, x, INPUTS, y[1], OUTPUTS));
    assert_memory_equal(y[0], y[1], sizeof y[0]);
    pst_stream_close(s);
    pst_stream_close(other);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_option_sizes),   cmocka_unit_test(test_filled_sizes),
        cmocka_unit_test(test_engine_options), cmocka_unit_test(test_engine_levels),
        cmocka_unit_test(test_engine_info),    cmocka_unit_test(test_floor),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
