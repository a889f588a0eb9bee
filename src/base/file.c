/* Files read whole, and replaced whole: a reader sees the old file or the new one, never a part. */
#define _XOPEN_SOURCE 700

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/status.h"

/* What one read or write call moves at most; Linux stops at 2^31 - 4096 by itself. */
#define PSTI_CALL_BYTES ((size_t)1 << 30)

static pst_status fail_os(const char *path, const char *what, int os_error) {
    return psti_fail(PST_E_FILE, (psti_where){.file = path, .os_error = os_error}, "%s: cannot %s: %s", path, what,
                     strerror(os_error));
}

/* Doubles the room of *bytes, which holds n bytes. */
static pst_status grow(unsigned char **bytes, size_t n, size_t *room) {
    size_t larger;
    if (!psti_multiply(*room, 2, &larger)) {
        return psti_fail_memory(SIZE_MAX);
    }
    unsigned char *moved = psti_allocate(larger, 1);
    if (!moved) {
        return PST_E_MEMORY;
    }
    memcpy(moved, *bytes, n);
    free(*bytes);
    *bytes = moved;
    *room = larger;
    return PST_OK;
}

static pst_status read_all(int file, const char *path, size_t room, unsigned char **bytes, size_t *n) {
    unsigned char *data = psti_allocate(room, 1);
    if (!data) {
        return PST_E_MEMORY;
    }
    size_t have = 0;
    for (;;) {
        if (have == room) {
            pst_status status = grow(&data, have, &room);
            if (status) {
                free(data);
                return status;
            }
        }
        size_t ask = room - have < PSTI_CALL_BYTES ? room - have : PSTI_CALL_BYTES;
        ssize_t got = read(file, data + have, ask);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            int os_error = errno;
            free(data);
            return fail_os(path, "read", os_error);
        }
        if (got == 0) {
            break;
        }
        have += (size_t)got;
    }
    *bytes = data;
    *n = have;
    return PST_OK;
}

pst_status psti_file_read(const char *path, unsigned char **bytes, size_t *n) {
    if (!path) {
        return psti_fail_null("path");
    }
    int file;
    do {
        file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    } while (file < 0 && errno == EINTR);
    if (file < 0) {
        return fail_os(path, "open", errno);
    }
    struct stat about;
    pst_status status;
    if (fstat(file, &about)) {
        status = fail_os(path, "read", errno);
    } else if (S_ISDIR(about.st_mode)) {
        status = fail_os(path, "read", EISDIR);
    } else if (!S_ISREG(about.st_mode) && !S_ISFIFO(about.st_mode)) {
        /* A device may never end. */
        status = psti_fail(PST_E_FILE, (psti_where){.file = path}, "%s: neither a regular file nor a pipe", path);
    } else {
        /* One byte more than the size: the end is then seen without growing. Files in /proc say 0. */
        size_t room = S_ISREG(about.st_mode) && about.st_size > 0 ? (size_t)about.st_size + 1 : 65536;
        status = read_all(file, path, room, bytes, n);
    }
    (void)close(file);
    return status;
}

static int write_all(int file, const unsigned char *bytes, size_t n) {
    while (n > 0) {
        ssize_t done = write(file, bytes, n < PSTI_CALL_BYTES ? n : PSTI_CALL_BYTES);
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done < 0) {
            return errno;
        }
        bytes += done;
        n -= (size_t)done;
    }
    return 0;
}

/* Creates a file beside `path` with the permissions of any new file; its name goes to `name`. */
static int create_beside(const char *path, char *name, size_t room) {
    static atomic_uint count;
    for (int attempt = 0; attempt < 1000; attempt++) {
        unsigned serial = atomic_fetch_add_explicit(&count, 1, memory_order_relaxed);
        (void)snprintf(name, room, "%s.%ld.%u.tmp", path, (long)getpid(), serial);
        int file = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (file >= 0 || (errno != EEXIST && errno != EINTR)) {
            return file;
        }
    }
    return -1;
}

/* Makes the rename itself durable. Not every file system lets a folder be synced, and the file is whole by now. */
static void sync_folder(char *name) {
    char *slash = strrchr(name, '/');
    const char *folder = ".";
    if (slash) {
        slash[slash == name] = 0;
        folder = name;
    }
    int file = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (file >= 0) {
        (void)fsync(file);
        (void)close(file);
    }
}

static pst_status replace(const char *path, const char *target, const void *bytes, size_t n) {
    size_t room = strlen(target) + 64; /* two numbers, three dots, "tmp" */
    char *name = psti_allocate(room, 1);
    if (!name) {
        return PST_E_MEMORY;
    }
    int file = create_beside(target, name, room);
    if (file < 0) {
        int os_error = errno;
        free(name);
        return fail_os(path, "create a file beside it", os_error);
    }
    const char *what = "write";
    int os_error = write_all(file, bytes, n);
    if (!os_error && fsync(file)) {
        os_error = errno;
    }
    if (close(file) && !os_error) {
        os_error = errno;
    }
    if (!os_error && rename(name, target)) {
        what = "replace";
        os_error = errno;
    }
    if (os_error) {
        (void)unlink(name);
    } else {
        sync_folder(name);
    }
    free(name);
    return os_error ? fail_os(path, what, os_error) : PST_OK;
}

pst_status psti_file_write(const char *path, const void *bytes, size_t n) {
    if (!path) {
        return psti_fail_null("path");
    }
    struct stat about;
    if (stat(path, &about) == 0 && !S_ISREG(about.st_mode)) {
        /* Renaming over a device or a pipe would replace it. */
        return S_ISDIR(about.st_mode) ? fail_os(path, "write", EISDIR)
                                      : psti_fail(PST_E_FILE, (psti_where){.file = path},
                                                  "%s: not a regular file, and is not replaced", path);
    }
    char *target = realpath(path, NULL); /* what a symbolic link names is replaced, not the link */
    pst_status status = replace(path, target ? target : path, bytes, n);
    free(target);
    return status;
}
