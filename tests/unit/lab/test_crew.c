/* The crew: everyone runs every turn, the caller is bound meanwhile and has its affinity back afterwards. No time is
 * judged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "lab/crew.h"
#include "lab/twin.h"

/* The first CPUs that this thread may run on; how many there are, at most `most`. */
static uint32_t own_cpus(uint32_t *cpus, uint32_t most) {
    cpu_set_t set;
    uint32_t n = 0;
    assert_int_equal(sched_getaffinity(0, sizeof set, &set), 0);
    for (uint32_t i = 0; i < CPU_SETSIZE && n < most; i++)
        if (CPU_ISSET(i, &set))
            cpus[n++] = i;
    return n;
}

static int threads(void) {
    DIR *folder = opendir("/proc/self/task");
    int n = -2; /* . and .. */
    assert_non_null(folder);
    while (readdir(folder))
        n++;
    closedir(folder);
    return n;
}

static void *until_unlocked(void *lock) {
    pthread_mutex_lock(lock);
    pthread_mutex_unlock(lock);
    return NULL;
}

static void on_each_number_of_cpus(void **unused) {
    (void)unused;
    /* A sanitizer starts a thread of its own with the first one: not while threads are counted. */
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_t first;
    pthread_mutex_lock(&lock);
    assert_int_equal(pthread_create(&first, NULL, until_unlocked, &lock), 0);
    uint32_t cpus[3], n = own_cpus(cpus, 3);
    cpu_set_t before, within, after;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    for (uint32_t count = 1; count <= n; count++) {
        lab_crew *crew = NULL;
        const int alone = threads();
        assert_int_equal(lab_crew_open(cpus, count, &crew), 0);
        assert_int_equal(threads(), alone + (int)count - 1);
        assert_int_equal(sched_getaffinity(0, sizeof within, &within), 0);
        assert_true(CPU_COUNT(&within) == 1 && CPU_ISSET(cpus[0], &within));
        for (uint64_t links = 1; links <= 1000; links *= 10)
            (void)lab_crew_time(crew, links); /* may be less than a tick: aarch64's counter is slow */
        assert_true(lab_crew_time(crew, 10000) > 0);
        assert_true(lab_twin_fit(crew, 0, 10000) >= 1);
        lab_crew_close(crew);
        while (threads() != alone) /* a thread that was joined may be listed a moment longer */
            sched_yield();
        assert_int_equal(sched_getaffinity(0, sizeof after, &after), 0);
        assert_true(CPU_EQUAL(&before, &after));
    }
    pthread_mutex_unlock(&lock);
    assert_int_equal(pthread_join(first, NULL), 0);
}

/* A CPU that may not be had is none to wait for: the thread runs elsewhere. */
static void anywhere(void **unused) {
    (void)unused;
    const uint32_t cpus[2] = {UINT32_MAX, 1u << 19};
    cpu_set_t before, after;
    lab_crew *crew = NULL;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    assert_int_equal(lab_crew_open(cpus, 2, &crew), 0);
    assert_true(lab_crew_time(crew, 10000) > 0);
    lab_crew_close(crew);
    assert_int_equal(sched_getaffinity(0, sizeof after, &after), 0);
    assert_true(CPU_EQUAL(&before, &after));
}

static void alone(void **unused) {
    (void)unused;
    assert_true(lab_crew_time(NULL, 10000) > 0);
    assert_true(lab_twin_fit(NULL, 0, 10000) >= 1);
    lab_crew_close(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(on_each_number_of_cpus),
        cmocka_unit_test(anywhere),
        cmocka_unit_test(alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
