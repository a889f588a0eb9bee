/* Checks in a forked child. A check returns what it finds wrong, or NULL, and asserts nothing: cmocka belongs to the
 * parent. Include after cmocka.h. */
#ifndef TESTS_SUPPORT_CHILD_H
#define TESTS_SUPPORT_CHILD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

typedef const char *child_check(void *argument);

/* In a check: leaves it where something does not hold. */
#define HOLDS(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            return #condition;                                                                                         \
    } while (0)

static inline pid_t child_begin(child_check *check, void *argument) {
    fflush(NULL); /* or the child prints it again */
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        alarm(100); /* the parent's is not inherited: a hang is a death by SIGALRM */
        const char *wrong = check(argument);
        if (wrong)
            fprintf(stderr, "in the forked child: %s\n", wrong);
        _exit(wrong != NULL);
    }
    return child;
}

static inline void child_end(pid_t child) {
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status))
        fail_msg("the forked child died of signal %d", WTERMSIG(status));
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static inline void in_child(child_check *check, void *argument) {
    child_end(child_begin(check, argument));
}

#endif
