/* Errors: the thread's last failure, names of statuses, the version, and the size rule of public structs. */
#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Bytes of each text, with its final 0. A list of leftover tensors is the longest thing that is ever said. */
#define PSTI_MESSAGE_BYTES 4096
#define PSTI_FILE_BYTES 4096
#define PSTI_NAME_BYTES 512

/* A struct size beyond this was never set by PST_INIT: it is whatever lay in memory. */
#define PSTI_LARGEST_STRUCT 65536

typedef struct {
    pst_error error;
    char message[PSTI_MESSAGE_BYTES], file[PSTI_FILE_BYTES], item[PSTI_NAME_BYTES], field[PSTI_NAME_BYTES];
} psti_detail;

static _Thread_local psti_detail detail;

#define PSTI_TEXT_OF(n) #n
#define PSTI_TEXT(n) PSTI_TEXT_OF(n)

const char *pst_version(void) {
    return PSTI_TEXT(PST_VERSION_MAJOR) "." PSTI_TEXT(PST_VERSION_MINOR) "." PSTI_TEXT(PST_VERSION_PATCH);
}

const char *pst_status_name(pst_status status) {
    static const char *const names[] = {
        [PST_OK] = "PST_OK",
        [PST_E_ARGUMENT] = "PST_E_ARGUMENT",
        [PST_E_SHAPE] = "PST_E_SHAPE",
        [PST_E_FILE] = "PST_E_FILE",
        [PST_E_CORRUPT] = "PST_E_CORRUPT",
        [PST_E_UNSUPPORTED] = "PST_E_UNSUPPORTED",
        [PST_E_MEMORY] = "PST_E_MEMORY",
        [PST_E_HOST] = "PST_E_HOST",
        [PST_E_NONFINITE] = "PST_E_NONFINITE",
        [PST_E_TOLERANCE] = "PST_E_TOLERANCE",
        [PST_E_MISMATCH] = "PST_E_MISMATCH",
        [PST_E_BUSY] = "PST_E_BUSY",
        [PST_E_CLOSED] = "PST_E_CLOSED",
        [PST_E_FORKED] = "PST_E_FORKED",
        [PST_E_CANCELLED] = "PST_E_CANCELLED",
        [PST_E_FULL] = "PST_E_FULL",
        [PST_E_EMPTY] = "PST_E_EMPTY",
        [PST_E_LATE] = "PST_E_LATE",
    };
    if (status < 0 || (size_t)status >= sizeof names / sizeof *names) {
        return "unknown status";
    }
    return names[status];
}

void pst_last_error(pst_error *e) {
    if (e) {
        psti_give_info(e, &detail.error, sizeof detail.error);
    }
}

/* Ends text at a whole UTF-8 character if it was cut at room - 1 bytes. */
static void end_whole(char *text, size_t room) {
    size_t n = strlen(text);
    if (n + 1 < room) {
        return;
    }
    size_t lead = n; /* the start of the last character */
    while (lead > 0 && n - lead < 4 && ((unsigned char)text[lead - 1] & 0xc0) == 0x80) {
        lead--;
    }
    if (lead == 0 || (unsigned char)text[lead - 1] < 0xc0) {
        return;
    }
    unsigned char first = (unsigned char)text[lead - 1];
    size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (n - (lead - 1) < length) {
        text[lead - 1] = 0;
    }
}

/* Copies text if there is any; returns what the error shall point at. */
static const char *keep(char *to, size_t room, const char *text) {
    if (!text) {
        to[0] = 0;
        return NULL;
    }
    size_t n = strlen(text);
    n = n < room ? n : room - 1;
    memmove(to, text, n); /* text may be this thread's own earlier error */
    to[n] = 0;
    end_whole(to, room);
    return to;
}

pst_status psti_fail(pst_status status, psti_where where, const char *format, ...) {
    char message[PSTI_MESSAGE_BYTES]; /* the arguments may point into the thread's own earlier error */
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    if (n < 0) {
        message[0] = 0;
    }
    end_whole(message, sizeof message);
    for (char *c = message; *c; c++) { /* one line, whatever names a file holds */
        if ((unsigned char)*c < 0x20 || *c == 0x7f) {
            *c = '?';
        }
    }
    detail.error.size = sizeof detail.error;
    detail.error.status = status;
    detail.error.os_error = where.os_error;
    detail.error.expected = where.expected;
    detail.error.found = where.found;
    /* where's texts may be one another's earlier copies (item passed on as field): the copies are made apart first. */
    char item[PSTI_NAME_BYTES], field[PSTI_NAME_BYTES];
    const char *has_item = keep(item, sizeof item, where.item);
    const char *has_field = keep(field, sizeof field, where.field);
    detail.error.file = keep(detail.file, sizeof detail.file, where.file);
    detail.error.item = has_item ? keep(detail.item, sizeof detail.item, item) : NULL;
    detail.error.field = has_field ? keep(detail.field, sizeof detail.field, field) : NULL;
    detail.error.message = keep(detail.message, sizeof detail.message, message);
    return status;
}

pst_status psti_fail_memory(size_t bytes) {
    return psti_fail(PST_E_MEMORY, (psti_where){.found = bytes > INT64_MAX ? INT64_MAX : (int64_t)bytes},
                     "out of memory: %zu bytes could not be had", bytes);
}

pst_status psti_fail_null(const char *name) {
    return psti_fail(PST_E_ARGUMENT, (psti_where){.item = name}, "%s must not be NULL", name);
}

static pst_status check_size(size_t size, size_t least, const char *name) {
    if (size < least || size > PSTI_LARGEST_STRUCT) {
        return psti_fail(
            PST_E_ARGUMENT,
            (psti_where){.item = name, .field = "size", .expected = (int64_t)least, .found = (int64_t)size},
            "%s: size is %zu, at least %zu expected: set it with PST_INIT", name, size, least);
    }
    return PST_OK;
}

pst_status psti_take_options(const void *caller, void *own, size_t own_size, const char *name) {
    memset(own, 0, own_size);
    if (caller) {
        size_t size;
        memcpy(&size, caller, sizeof size);
        pst_status status = check_size(size, sizeof size, name);
        if (status) {
            return status;
        }
        for (size_t i = own_size; i < size; i++) {
            if (((const unsigned char *)caller)[i]) {
                return psti_fail(
                    PST_E_UNSUPPORTED,
                    (psti_where){.item = name, .field = "size", .expected = (int64_t)own_size, .found = (int64_t)size},
                    "%s: byte %zu is set, beyond the %zu bytes that version %s knows", name, i, own_size,
                    pst_version());
            }
        }
        memcpy(own, caller, size < own_size ? size : own_size);
    }
    memcpy(own, &own_size, sizeof own_size);
    return PST_OK;
}

pst_status psti_check_info(const void *caller, size_t least, const char *name) {
    if (!caller) {
        return psti_fail_null(name);
    }
    size_t size;
    memcpy(&size, caller, sizeof size);
    return check_size(size, least > sizeof size ? least : sizeof size, name);
}

void psti_give_info(void *caller, const void *own, size_t own_size) {
    size_t size;
    memcpy(&size, caller, sizeof size);
    if (size < sizeof size || size > PSTI_LARGEST_STRUCT) {
        return;
    }
    size_t n = size < own_size ? size : own_size;
    memcpy((unsigned char *)caller + sizeof size, (const unsigned char *)own + sizeof size, n - sizeof size);
    memset((unsigned char *)caller + n, 0, size - n); /* fields of a newer header: absent here */
}
