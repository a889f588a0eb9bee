/* What the program says and writes: see output.h. */
#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "commands.h"
#include "penstock.h"

static const char *command_name;

void cli_set_command(const char *command) {
    command_name = command;
}

int cli_error(const char *format, ...) {
    char text[4096];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
    fprintf(stderr, "penstock%s%s: %s\n", command_name ? " " : "", command_name ? command_name : "", text);
    return CLI_BAD;
}

int cli_library_error(const char *where) {
    pst_error e;
    PST_INIT(e);
    pst_last_error(&e);
    return cli_error("%s%s%s", where ? where : "", where ? ": " : "",
                     e.message ? e.message : pst_status_name(e.status));
}

int cli_finish_output(int status) {
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    int why = errno;
    if (status == CLI_BAD) /* the reason has been told */
        return status;
    return cli_error("standard output: %s", why ? strerror(why) : "a write failed");
}

const char *cli_grouped(uint64_t n) {
    static char buffers[8][32];
    static int turn;
    char digits[24];
    char *out = buffers[turn++ & 7];
    int length = snprintf(digits, sizeof digits, "%llu", (unsigned long long)n), k = 0;
    for (int i = 0; i < length; i++) {
        out[k++] = digits[i];
        if (i + 1 < length && (length - 1 - i) % 3 == 0)
            out[k++] = ',';
    }
    out[k] = 0;
    return out;
}

const char *cli_count(uint64_t n, const char *noun) {
    static char buffers[8][64];
    static int turn;
    char *out = buffers[turn++ & 7];
    snprintf(out, sizeof buffers[0], "%s %s%s", cli_grouped(n), noun, n == 1 ? "" : "s");
    return out;
}

/* The temporary file that an interrupt must take away; one at a time is enough for every command. */
static char *volatile pending;

static void on_interrupt(int number) {
    char *path = pending;
    if (path)
        unlink(path);
    signal(number, SIG_DFL);
    raise(number);
}

static void watch(char *path) {
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    pending = path;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        struct sigaction old;
        if (sigaction(numbers[i], NULL, &old) == 0 && old.sa_handler == SIG_DFL)
            signal(numbers[i], on_interrupt);
    }
}

static bool look(const char *path, FILE *standard, struct stat *st) {
    return (strcmp(path, "-") == 0 ? fstat(fileno(standard), st) : stat(path, st)) == 0;
}

bool cli_would_replace(const char *output, const char *input) {
    struct stat to, from;
    if (!look(output, stdout, &to) || !look(input, stdin, &from) || !S_ISREG(to.st_mode) || to.st_dev != from.st_dev ||
        to.st_ino != from.st_ino)
        return false;
    cli_error("%s: the output would replace the input", output);
    return true;
}

char *cli_file_target(const char *path) {
    struct stat st;
    char *target = realpath(path, NULL);
    if (!target && errno == ENOENT && lstat(path, &st) == 0) {
        cli_error("%s: a symbolic link to nothing", path);
        return NULL;
    }
    if (!target)
        target = strdup(path); /* nothing there yet; a folder that is missing is found when the file is made */
    if (!target) {
        cli_error("%s: %s", path, strerror(errno));
        return NULL;
    }
    if (stat(target, &st) == 0 && !S_ISREG(st.st_mode)) {
        cli_error("%s: %s, not a file", path, S_ISDIR(st.st_mode) ? "a folder" : "a device or a pipe");
        free(target);
        return NULL;
    }
    /* Renaming would replace a file that may not be written, if only its folder may be. */
    if (access(target, F_OK) == 0 && access(target, W_OK) != 0) {
        cli_error("%s: %s", path, strerror(errno));
        free(target);
        return NULL;
    }
    return target;
}

/* "-", or a name of what stdout is: /dev/stdout, or the file that it was sent to. */
static bool is_stdout(const char *path) {
    struct stat a, b;
    if (strcmp(path, "-") == 0)
        return true;
    return stat(path, &a) == 0 && fstat(fileno(stdout), &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino &&
           !S_ISCHR(a.st_mode);
}

static bool is_live(int fd) {
    struct stat st;
    return fstat(fd, &st) == 0 && !S_ISREG(st.st_mode);
}

/* Opens a new file of a name nobody has beside file->target. */
static int open_temporary(cli_file *file, mode_t mode) {
    size_t n = strlen(file->target) + 40;
    file->temporary = malloc(n);
    if (!file->temporary)
        return -1;
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(file->temporary, n, "%s.%ld.%u.tmp", file->target, (long)getpid(), i);
        int fd = open(file->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
        if (fd >= 0 || errno != EEXIST)
            return fd;
    }
    return -1;
}

bool cli_file_create(const char *path, cli_file *file) {
    struct stat st;
    memset(file, 0, sizeof *file);
    file->name = path;
    if (is_stdout(path)) {
        file->name = "standard output";
        file->stream = stdout;
        file->live = is_live(fileno(stdout));
        return true;
    }
    bool exists = stat(path, &st) == 0;
    if (exists && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) {
        file->stream = fopen(path, "we");
        if (!file->stream) {
            cli_error("%s: %s", path, strerror(errno));
            return false;
        }
        file->live = true;
        return true;
    }
    file->target = cli_file_target(path);
    if (!file->target)
        return false;
    int fd = open_temporary(file, 0666);
    if (fd >= 0 && exists)
        (void)!fchmod(fd, st.st_mode & 0777); /* a file system without modes is no reason to fail */
    file->stream = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (!file->stream) {
        cli_error("%s: %s", path, strerror(errno));
        if (fd >= 0) {
            close(fd);
            unlink(file->temporary);
        }
        free(file->temporary);
        free(file->target);
        memset(file, 0, sizeof *file);
        return false;
    }
    watch(file->temporary);
    return true;
}

bool cli_file_prepare(const char *path, cli_file *file) {
    if (!path)
        return true;
    if (!cli_file_create(path, file))
        return false;
    if (file->temporary)
        cli_file_abandon(file);
    return true;
}

bool cli_file_reopen(const char *path, cli_file *file) {
    return file->stream || cli_file_create(path, file);
}

bool cli_file_commit(cli_file *file) {
    errno = 0;
    bool good = fflush(file->stream) == 0 && !ferror(file->stream);
    if (good && file->temporary)
        good = fsync(fileno(file->stream)) == 0;
    int why = errno;
    if (file->stream != stdout && fclose(file->stream) != 0 && good) {
        good = false;
        why = errno;
    }
    file->stream = NULL;
    if (good && file->temporary && rename(file->temporary, file->target) != 0) {
        good = false;
        why = errno;
    }
    if (!good)
        cli_error("%s: %s", file->name, why ? strerror(why) : "a write failed");
    else if (file->temporary)
        pending = NULL;
    if (good) {
        free(file->temporary);
        file->temporary = NULL;
    }
    cli_file_abandon(file);
    return good;
}

void cli_file_abandon(cli_file *file) {
    if (file->stream && file->stream != stdout)
        fclose(file->stream);
    if (file->temporary) {
        unlink(file->temporary);
        pending = NULL;
    }
    free(file->temporary);
    free(file->target);
    memset(file, 0, sizeof *file);
}
