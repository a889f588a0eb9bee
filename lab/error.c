/* What went wrong in the lab: see error.h. */
#include "lab/error.h"

#include <stdarg.h>
#include <stdio.h>

#include "penstock.h"

static char message[4608];

int lab_fail(const char *format, ...) {
    va_list list;
    va_start(list, format);
    vsnprintf(message, sizeof message, format, list);
    va_end(list);
    return -1;
}

int lab_fail_library(const char *where) {
    pst_error e;
    PST_INIT(e);
    pst_last_error(&e);
    return lab_fail("%s%s%s", where ? where : "", where ? ": " : "", e.message ? e.message : pst_status_name(e.status));
}

int lab_fail_memory(void) {
    return lab_fail("no memory");
}

const char *lab_error(void) {
    return message;
}
