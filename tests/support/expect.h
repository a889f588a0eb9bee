/* Assertions on statuses, with the library's own message where one fails. Include after cmocka.h. */
#ifndef TESTS_SUPPORT_EXPECT_H
#define TESTS_SUPPORT_EXPECT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "penstock.h"

static inline pst_error expect_error(void) {
    pst_error e;
    PST_INIT(e);
    pst_last_error(&e);
    return e;
}

static inline void expect_at(pst_status found, pst_status expected, const char *call, const char *file, int line) {
    if (found == expected)
        return;
    const char *message = found ? expect_error().message : "";
    print_error("%s: %s, expected %s: %s\n", call, pst_status_name(found), pst_status_name(expected),
                message ? message : "no message");
    _fail(file, line);
}

/* The call succeeds. */
#define OK(call) expect_at((call), PST_OK, #call, __FILE__, __LINE__)
/* The call fails with this status. */
#define FAILS(status, call) expect_at((call), (status), #call, __FILE__, __LINE__)
/* The last error's message has this text. */
#define SAYS(text)                                                                                                     \
    do {                                                                                                               \
        const char *said_ = expect_error().message;                                                                    \
        if (!said_ || !strstr(said_, (text))) {                                                                        \
            print_error("expected \"%s\" in: %s\n", (text), said_ ? said_ : "no message");                             \
            _fail(__FILE__, __LINE__);                                                                                 \
        }                                                                                                              \
    } while (0)

#endif
