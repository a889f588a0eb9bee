/* The .pstk files of every released version load for ever, and still answer as their certificates say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <math.h>

#include "base/file.h"
#include "program/layout.h"
#include "support/golden.h"

#define FOLDER PENSTOCK_GOLDEN_DIR "/pstk/"

/* A later library may round a function otherwise than the one that made the certificate; it may not be worse. */
#define SLACK 1.1
#define FP32 3e-7

static void check(pst_status status, const char *file) {
    pst_error e;
    PST_INIT(e);
    pst_last_error(&e);
    if (status)
        fail_msg("%s: %s", file, e.message);
}

/* The file that this library writes of it, if that is the file's version: byte for byte. */
static void check_bytes(const pst_program *p, const char *path) {
    unsigned char *was, *is;
    size_t was_n, is_n;
    uint32_t version;
    check(psti_file_read(path, &was, &was_n), path);
    check(psti_program_write(p, &is, &is_n), path);
    memcpy(&version, was + PSTI_AT_VERSION, sizeof version);
    if (version == PSTI_FILE_VERSION) {
        assert_int_equal(is_n, was_n);
        assert_memory_equal(is, was, was_n);
    }
    free(was);
    free(is);
}

static void check_answers(const pst_program *p, const char *file, const char *name) {
    golden g;
    memset(&g, 0, sizeof g);
    snprintf(g.name, sizeof g.name, "%s", name);
    assert_int_equal(golden_read(&g), 0);
    float *y = malloc(g.y.count * sizeof *y);
    pst_engine *engine;
    check(pst_engine_open(p, NULL, &engine), file);
    for (uint64_t s = 0; s < g.sequences; s++) {
        pst_stream *stream;
        check(pst_stream_open(engine, NULL, &stream), file);
        check(pst_run(stream, g.x.f32 + s * g.steps * g.inputs, g.steps, y + s * g.steps * g.outputs), file);
        pst_stream_close(stream);
    }
    pst_engine_close(engine);
    pst_certificate said, found;
    PST_INIT(said);
    PST_INIT(found);
    check(pst_program_certificate(p, &said), file);
    check(pst_compare(y, g.y.f64, g.sequences, g.steps, g.outputs, &found), file);
    assert_int_equal(said.from_caller, 1);
    assert_int_equal(said.steps, found.steps);
    assert_int_equal(said.sequences, found.sequences);
    if (!(found.rms <= SLACK * said.rms + FP32))
        fail_msg("%s: rms error %g, its certificate says %g", file, found.rms, said.rms);
    free(y);
    golden_free(&g);
}

static void every_released_file_loads(void **state) {
    (void)state;
    FILE *list = fopen(FOLDER "list.txt", "r");
    assert_non_null(list);
    char line[512], file[128], name[64], path[256];
    int files = 0;
    while (fgets(line, sizeof line, list)) {
        uint64_t hash;
        if (line[0] == '#')
            continue;
        assert_int_equal(sscanf(line, "%127s %63s %" SCNx64, file, name, &hash), 3);
        snprintf(path, sizeof path, "%s%s", FOLDER, file);
        pst_program *p;
        check(pst_program_open(path, &p), file);
        if (p->hash != hash)
            fail_msg("%s: identity %016" PRIx64 ", %016" PRIx64 " expected", file, p->hash, hash);
        const char *format = strrchr(file, '-') + 1;
        assert_memory_equal(p->format, format, strlen(p->format));
        check_bytes(p, path);
        check_answers(p, file, name);
        pst_program_free(p);
        files++;
    }
    fclose(list);
    print_message("%d files\n", files);
    assert_true(files >= 16); /* those of version 1 */
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_released_file_loads)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
