/* Files: what is read is what was written, and a failed write changes nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/status.h"

static char folder[] = "/tmp/psti_file_XXXXXX";

static pst_error last(void) {
    pst_error e;
    PST_INIT(e);
    pst_last_error(&e);
    return e;
}

static const char *at(const char *name) {
    static char path[2][256];
    static int turn;
    turn = !turn;
    (void)snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
    return path[turn];
}

static unsigned char *pattern(size_t n) {
    unsigned char *bytes = psti_allocate(n, 1);
    for (size_t i = 0; i < n; i++) {
        bytes[i] = (unsigned char)(i * 7 + i / 251);
    }
    return bytes;
}

static int entries(void) {
    DIR *d = opendir(folder);
    int n = 0;
    while (readdir(d)) {
        n++;
    }
    (void)closedir(d);
    return n - 2;
}

static void check(const char *path, const unsigned char *expect, size_t n) {
    unsigned char *bytes = NULL;
    size_t found = 0;
    assert_int_equal(psti_file_read(path, &bytes, &found), PST_OK);
    assert_int_equal(found, n);
    assert_int_equal((uintptr_t)bytes % 64, 0);
    if (n) {
        assert_memory_equal(bytes, expect, n);
    }
    free(bytes);
}

static void written_is_read(void **unused) {
    (void)unused;
    const size_t sizes[] = {0, 1, 63, 64, 65, 4096, 65536, 65537, 1000003};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        unsigned char *bytes = pattern(sizes[i]);
        assert_int_equal(psti_file_write(at("a"), bytes, sizes[i]), PST_OK); /* over the one before */
        check(at("a"), bytes, sizes[i]);
        assert_int_equal(entries(), 1);
        free(bytes);
    }
    struct stat about;
    mode_t mask = umask(022);
    (void)unlink(at("a"));
    assert_int_equal(psti_file_write(at("a"), "x", 1), PST_OK);
    (void)umask(mask);
    assert_int_equal(stat(at("a"), &about), 0);
    assert_int_equal(about.st_mode & 0777, 0644);
    (void)unlink(at("a"));
}

static void a_relative_name(void **unused) {
    (void)unused;
    char before[1024];
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(folder), 0);
    assert_int_equal(psti_file_write("b", "xy", 2), PST_OK);
    check("b", (const unsigned char *)"xy", 2);
    assert_int_equal(unlink("b"), 0);
    assert_int_equal(chdir(before), 0);
    assert_int_equal(entries(), 0);
}

static void a_link_stays_a_link(void **unused) {
    (void)unused;
    assert_int_equal(psti_file_write(at("real"), "1", 1), PST_OK);
    assert_int_equal(symlink("real", at("link")), 0);
    assert_int_equal(psti_file_write(at("link"), "22", 2), PST_OK);
    struct stat about;
    assert_int_equal(lstat(at("link"), &about), 0);
    assert_true(S_ISLNK(about.st_mode));
    check(at("real"), (const unsigned char *)"22", 2);
    (void)unlink(at("link"));
    (void)unlink(at("real"));
}

static void *feed(void *path) {
    unsigned char *bytes = pattern(300000);
    int file = open(path, O_WRONLY);
    for (size_t done = 0; done < 300000;) {
        ssize_t n = write(file, bytes + done, 300000 - done < 999 ? 300000 - done : 999);
        done += n > 0 ? (size_t)n : 0;
    }
    (void)close(file);
    free(bytes);
    return NULL;
}

static void a_pipe_is_read_to_its_end(void **unused) {
    (void)unused;
    char path[256];
    (void)snprintf(path, sizeof path, "%s", at("pipe"));
    assert_int_equal(mkfifo(path, 0600), 0);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, feed, path), 0);
    unsigned char *bytes = pattern(300000);
    check(path, bytes, 300000);
    free(bytes);
    assert_int_equal(pthread_join(thread, NULL), 0);
    /* It is not replaced by a file either. */
    assert_int_equal(psti_file_write(path, "x", 1), PST_E_FILE);
    struct stat about;
    assert_int_equal(stat(path, &about), 0);
    assert_true(S_ISFIFO(about.st_mode));
    (void)unlink(path);
}

static void refusals(void **unused) {
    (void)unused;
    unsigned char *bytes = (unsigned char *)1;
    size_t n = 77;
    assert_int_equal(psti_file_read(at("absent"), &bytes, &n), PST_E_FILE);
    assert_int_equal(last().os_error, ENOENT);
    assert_string_equal(last().file, at("absent"));
    assert_non_null(strstr(last().message, at("absent")));
    assert_non_null(strstr(last().message, "No such file"));
    assert_int_equal(psti_file_read(folder, &bytes, &n), PST_E_FILE);
    assert_int_equal(last().os_error, EISDIR);
    assert_int_equal(psti_file_read("/dev/zero", &bytes, &n), PST_E_FILE);
    assert_int_equal(psti_file_read(NULL, &bytes, &n), PST_E_ARGUMENT);
    assert_true(bytes == (unsigned char *)1 && n == 77);
    assert_int_equal(psti_file_write(folder, "x", 1), PST_E_FILE);
    assert_int_equal(last().os_error, EISDIR);
    assert_int_equal(psti_file_write(at("no/such"), "x", 1), PST_E_FILE);
    assert_int_equal(last().os_error, ENOENT);
    assert_int_equal(psti_file_write("/dev/null", "x", 1), PST_E_FILE);
    assert_int_equal(psti_file_write(NULL, "x", 1), PST_E_ARGUMENT);
    assert_int_equal(entries(), 0);
}

static void a_failed_write_leaves_the_old_file(void **unused) {
    (void)unused;
    assert_int_equal(psti_file_write(at("old"), "old", 3), PST_OK);
    unsigned char *bytes = pattern(100000);
    struct rlimit before, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 50000;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    pst_status status = psti_file_write(at("old"), bytes, 100000);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    (void)signal(SIGXFSZ, handler);
    free(bytes);
    assert_int_equal(status, PST_E_FILE);
    assert_int_equal(last().os_error, EFBIG);
    check(at("old"), (const unsigned char *)"old", 3);
    assert_int_equal(entries(), 1);
    (void)unlink(at("old"));
}

static int make_folder(void **unused) {
    (void)unused;
    return mkdtemp(folder) == NULL;
}

static int remove_folder(void **unused) {
    (void)unused;
    return rmdir(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(written_is_read),
        cmocka_unit_test(a_relative_name),
        cmocka_unit_test(a_link_stays_a_link),
        cmocka_unit_test(a_pipe_is_read_to_its_end),
        cmocka_unit_test(refusals),
        cmocka_unit_test(a_failed_write_leaves_the_old_file),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
