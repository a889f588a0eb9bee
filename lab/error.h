/* What went wrong in the lab: one message, for whoever called it. Functions of the lab return 0, or -1 with a message.
 */
#ifndef LAB_ERROR_H
#define LAB_ERROR_H

/* Sets the message; always -1. */
int lab_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same from the library's last error, after `where`; NULL where the library's message names the place itself. */
int lab_fail_library(const char *where);
int lab_fail_memory(void);
/* The last message; "" before the first. */
const char *lab_error(void);

#endif
