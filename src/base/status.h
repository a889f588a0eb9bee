/* Failing: every error of the library is made by psti_fail, which fills the thread's pst_error. */
#ifndef PSTI_BASE_STATUS_H
#define PSTI_BASE_STATUS_H

#include "penstock.h"

/* Where a failure is; every field may stay 0. Strings are copied. */
typedef struct {
    const char *file, *item, *field;
    int64_t expected, found;
    int os_error;
} psti_where;

/* Sets this thread's error and returns `status`. The message is one line, complete by itself: it repeats file, item
 * and field in words. Long messages are cut at the size of the thread's buffer. */
pst_status psti_fail(pst_status status, psti_where where, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* PST_E_MEMORY with the number of bytes asked for. */
pst_status psti_fail_memory(size_t bytes);
/* PST_E_ARGUMENT: `name` must not be NULL. */
pst_status psti_fail_null(const char *name);

/* Copies a caller's options struct into *own, which has own_size bytes: NULL gives all defaults; a shorter (older)
 * struct leaves the rest 0; a longer one is refused unless its tail is zero. Every options struct starts with its
 * size_t size. `name` is for the message: "pst_engine_options". */
pst_status psti_take_options(const void *caller, void *own, size_t own_size, const char *name);
/* Checks the size field of a struct the caller wants filled, before any work is done. */
pst_status psti_check_info(const void *caller, size_t least, const char *name);
/* Copies *own into the caller's struct, up to the caller's size, and keeps the caller's size field. */
void psti_give_info(void *caller, const void *own, size_t own_size);

#endif
