/* Engines on many cores in tests of the interface: a program with one core's answers, and what the system tells of the
 * threads. Nothing here asserts but many_open and many_of: forked children use the rest. Include after cmocka.h. */
#ifndef TESTS_SUPPORT_MANY_H
#define TESTS_SUPPORT_MANY_H

#include <dirent.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "expect.h"
#include "model.h"

#if defined(__SANITIZE_ADDRESS__)
#define MANY_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MANY_ASAN 1
#endif
#endif
#ifndef MANY_ASAN
#define MANY_ASAN 0
#endif

/* Its runtime refuses threads in the child of a process that had some. */
#if defined(__SANITIZE_THREAD__)
#define MANY_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define MANY_TSAN 1
#endif
#endif
#ifndef MANY_TSAN
#define MANY_TSAN 0
#endif

enum { MANY_WIDTH = 24, MANY_STEPS = 20, MANY_MOST = 8 };

static const char *const many_callers[] = {[PST_CALLER_CORE] = "a core", [PST_CALLER_APART] = "apart"};

/* A program, and what one core answers to x. */
typedef struct {
    pst_program *program;
    float x[MANY_STEPS * MANY_WIDTH], y[MANY_STEPS * MANY_WIDTH];
} many_case;

/* Slices of 40, 23 and 24 units: uneven, and on 4 cores some are narrow. */
static inline void many_of(many_case *c, const char *format, uint64_t seed) {
    static const model_part parts[] = {MODEL_LSTM_STATE(40), MODEL_LSTM(23), MODEL_LINEAR(MANY_WIDTH)};
    pst_model *m = model_make(MANY_WIDTH, parts, 3, seed, 1.5);
    c->program = model_program(m, format);
    model_noise noise = {seed};
    for (int i = 0; i < MANY_STEPS * MANY_WIDTH; i++)
        c->x[i] = model_normal(&noise);
    pst_engine *one = model_engine(c->program, NULL);
    pst_stream *s = model_stream(one);
    OK(pst_run(s, c->x, MANY_STEPS, c->y));
    pst_stream_close(s);
    pst_engine_close(one);
    pst_model_free(m);
}

static inline void many_free(many_case *c) {
    pst_program_free(c->program);
}

/* Step t: 1 if it succeeds with one core's bits. */
static inline int many_step(const many_case *c, pst_stream *s, int t) {
    float y[MANY_WIDTH];
    return pst_step(s, c->x + t * MANY_WIDTH, MANY_WIDTH, y, MANY_WIDTH) == PST_OK &&
           memcmp(y, c->y + t * MANY_WIDTH, sizeof y) == 0;
}

/* Steps [from, to), every third with its settle owing to the next. */
static inline int many_steps(const many_case *c, pst_stream *s, int from, int to) {
    for (int t = from; t < to; t++)
        if (!many_step(c, s, t) || (t % 3 && pst_settle(s, (uint32_t)t % 4, NULL)))
            return 0;
    return 1;
}

/* A stream of its own, from the beginning: 1 if all is right. */
static inline int many_right(const many_case *c, pst_engine *e) {
    pst_stream *s;
    if (pst_stream_open(e, NULL, &s))
        return 0;
    int right = many_steps(c, s, 0, MANY_STEPS);
    pst_stream_close(s);
    return right;
}

/* Options of an engine on more cores than this machine may have. Cores yield: those of a busy machine that poll hold up
 * the one that they wait for until their time slice ends. */
static inline pst_engine_options many_options(uint32_t cores, int caller) {
    pst_engine_options o;
    PST_INIT(o);
    o.cores = cores;
    o.caller = caller;
    o.idle = PST_IDLE_YIELD;
    o.flags = PST_ENGINE_OVERSUBSCRIBE | PST_ENGINE_NO_HUGE_PAGES;
    return o;
}

static inline pst_engine *many_open(const many_case *c, uint32_t cores, int caller) {
    pst_engine_options o = many_options(cores, caller);
    pst_engine *e;
    OK(pst_engine_open(c->program, &o, &e));
    return e;
}

static inline pst_engine_info many_info(const pst_engine *e) {
    pst_engine_info info;
    PST_INIT(info);
    OK(pst_engine_get_info(e, &info));
    return info;
}

/* The first call on s that does not answer `status` or writes an output, or NULL. */
static inline const char *many_answers(pst_stream *s, pst_status status) {
    float x[MANY_WIDTH] = {0}, y[MANY_WIDTH] = {7};
    char state[4096];
    uint32_t left = 99;
    pst_stream *out = NULL;
#define MANY_ANSWERS(call)                                                                                             \
    if ((call) != status)                                                                                              \
        return #call;
    MANY_ANSWERS(pst_step(s, x, MANY_WIDTH, y, MANY_WIDTH))
    MANY_ANSWERS(pst_run(s, x, 1, y))
    MANY_ANSWERS(pst_settle(s, 0, &left))
    MANY_ANSWERS(pst_warm(s))
    MANY_ANSWERS(pst_stream_reset(s))
    MANY_ANSWERS(pst_stream_save(s, state, sizeof state))
    MANY_ANSWERS(pst_stream_restore(s, state, sizeof state))
    MANY_ANSWERS(pst_stream_clone(s, &out))
#undef MANY_ANSWERS
    if (pst_stream_state_size(s) != 0)
        return "pst_stream_state_size";
    return left != 99 || out || y[0] != 7 ? "an output was written" : NULL;
}

/* ---- what the system tells ----------------------------------------------------------------------------------------
 */

/* Entries of a folder of /proc/self, without "." and "..". */
static inline int many_entries(const char *folder) {
    DIR *d = opendir(folder);
    int n = 0;
    while (d && readdir(d))
        n++;
    if (d)
        closedir(d);
    return n - 2;
}

/* A joined thread stands in /proc for a moment longer: waits until there are so many. The test's alarm is the limit. */
static inline void many_await_threads(int count) {
    while (many_entries("/proc/self/task") != count)
        sched_yield();
}

/* The thread of that name: its number, or 0. */
static inline pid_t many_thread(const char *name) {
    DIR *d = opendir("/proc/self/task");
    pid_t found = 0;
    for (struct dirent *entry; d && (entry = readdir(d));) {
        char path[300], text[32] = "";
        snprintf(path, sizeof path, "/proc/self/task/%s/comm", entry->d_name);
        FILE *f = fopen(path, "re");
        if (f && fgets(text, sizeof text, f)) {
            text[strcspn(text, "\n")] = 0;
            if (strcmp(text, name) == 0)
                found = (pid_t)atoi(entry->d_name);
        }
        if (f)
            fclose(f);
    }
    if (d)
        closedir(d);
    return found;
}

/* The thread of core m, or 0. */
static inline pid_t many_thread_of(uint32_t m) {
    char name[24];
    snprintf(name, sizeof name, "penstock/%u", m);
    return many_thread(name);
}

#endif
