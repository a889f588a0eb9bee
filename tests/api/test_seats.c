/* Where the cores of an engine run: their threads, the CPUs they are bound to, the caller's binding, and what is
 * refused because there are fewer CPUs or less of their time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../support/child.h"
#include "../support/many.h"

/* No machine that a test runs on has it, and the library takes the number. */
#define NO_SUCH_CPU ((1u << 20) - 1)

static many_case the_case;

static int open_case(void **unused) {
    (void)unused;
    many_of(&the_case, "w8a16", 1);
    return 0;
}

static int close_case(void **unused) {
    (void)unused;
    many_free(&the_case);
    return 0;
}

static pst_engine *open_with(const pst_engine_options *o) {
    pst_engine *e;
    OK(pst_engine_open(the_case.program, o, &e));
    return e;
}

/* Of a thread, 0: the calling one. Empty where the system does not tell. */
static cpu_set_t affinity_of(pid_t thread) {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(thread, sizeof set, &set) != 0)
        CPU_ZERO(&set);
    return set;
}

static int is_only(cpu_set_t set, uint32_t cpu) {
    return CPU_COUNT(&set) == 1 && CPU_ISSET(cpu, &set);
}

static void put_affinity(cpu_set_t set) {
    assert_int_equal(sched_setaffinity(0, sizeof set, &set), 0);
}

static int bind_to(uint32_t cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    return sched_setaffinity(0, sizeof set, &set) == 0;
}

/* The first two CPUs of this thread; skips the test where there is one. */
static void two_cpus(uint32_t cpus[2]) {
    cpu_set_t mine = affinity_of(0);
    int n = 0;
    for (uint32_t cpu = 0; cpu < CPU_SETSIZE && n < 2; cpu++)
        if (CPU_ISSET(cpu, &mine))
            cpus[n++] = cpu;
    if (n < 2) {
        print_message("skipped: one CPU only\n");
        skip();
    }
}

/* A quota below two CPUs would refuse, for a reason of its own, what these tests expect to be opened. */
static void need_two_of_quota(void) {
    uint32_t cpus[2];
    pst_engine_options o = many_options(2, PST_CALLER_CORE);
    pst_engine *e = NULL;
    two_cpus(cpus);
    o.flags = PST_ENGINE_NO_HUGE_PAGES;
    o.cpus = cpus;
    if (pst_engine_open(the_case.program, &o, &e)) {
        print_message("skipped: %s\n", expect_error().message);
        skip();
    }
    pst_engine_close(e);
}

static const char *shortfall_with(const pst_engine_info *info, const char *text) {
    for (size_t i = 0; i < info->shortfall_count; i++)
        if (strstr(info->shortfalls[i], text))
            return info->shortfalls[i];
    return NULL;
}

/* ---- the engine's threads -----------------------------------------------------------------------------------------
 */

/* The mask of blocked signals of a thread, as the kernel has it. */
static uint64_t blocked_in(pid_t thread) {
    char path[64], line[256];
    unsigned long long mask = 0;
    snprintf(path, sizeof path, "/proc/self/task/%d/status", (int)thread);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f))
        if (strncmp(line, "SigBlk:", 7) == 0)
            mask = strtoull(line + 7, NULL, 16);
    fclose(f);
    return mask;
}

static void threads_of(uint32_t cores, int caller) {
    int before = many_entries("/proc/self/task");
    cpu_set_t mine = affinity_of(0);
    pst_engine *e = many_open(&the_case, cores, caller);
    pst_engine_info info = many_info(e);
    uint32_t first = caller == PST_CALLER_CORE;
    assert_int_equal(info.cores, cores);
    assert_int_equal(info.threads, cores - first);
    assert_int_equal(many_entries("/proc/self/task"), before + (int)info.threads);
    for (uint32_t m = 0; m < cores + 1; m++) {
        pid_t thread = many_thread_of(m);
        if (m < first || m == cores) {
            assert_int_equal(thread, 0);
            continue;
        }
        assert_int_not_equal(thread, 0);
        for (int signal = 1; signal <= 64; signal++) /* but those that cannot be, and the C library's own */
            if (signal != SIGKILL && signal != SIGSTOP && signal != 32 && signal != 33 && signal != 34)
                if (!(blocked_in(thread) >> (signal - 1) & 1))
                    fail_msg("signal %d is not blocked in the thread of core %u", signal, m);
        if (!is_only(affinity_of(thread), info.cpus[m]))
            fail_msg("core %u is not bound to CPU %u", m, info.cpus[m]);
    }
    if (cores == 1 && !info.threads)
        assert_int_equal(info.cpus[0], UINT32_MAX);        /* nothing was chosen */
    for (uint32_t m = 0; m < cores && info.threads; m++) { /* chosen among the caller's CPUs, each as often as needed */
        uint32_t as_often = 0;
        assert_true(CPU_ISSET(info.cpus[m], &mine));
        for (uint32_t k = 0; k < cores; k++)
            as_often += info.cpus[k] == info.cpus[m];
        assert_true(as_often <= (cores + (uint32_t)CPU_COUNT(&mine) - 1) / (uint32_t)CPU_COUNT(&mine));
    }
    cpu_set_t now = affinity_of(0);
    assert_true(CPU_EQUAL(&now, &mine)); /* the caller's is left alone */
    assert_true(many_right(&the_case, e));
    pst_engine_close(e);
    many_await_threads(before);
    now = affinity_of(0);
    assert_true(CPU_EQUAL(&now, &mine));
}

static void test_threads(void **unused) {
    (void)unused;
    if (MANY_TSAN) /* its runtime starts a thread of its own with the first one */
        skip();
    for (uint32_t cores = 1; cores <= 4; cores++)
        for (int caller = PST_CALLER_CORE; caller <= PST_CALLER_APART; caller++)
            threads_of(cores, caller);
}

/* A signal to the process finds no engine thread to run on: it stays pending while the caller blocks it. */
static void test_signals(void **unused) {
    (void)unused;
    sigset_t usr1, before, pending;
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    pst_engine *e = many_open(&the_case, 4, PST_CALLER_APART);
    assert_int_equal(pthread_sigmask(SIG_BLOCK, &usr1, &before), 0);
    assert_int_equal(kill(getpid(), SIGUSR1), 0); /* which would end the process wherever it is not blocked */
    assert_true(many_right(&the_case, e));
    sigpending(&pending);
    assert_int_equal(sigismember(&pending, SIGUSR1), 1);
    int taken = 0;
    assert_int_equal(sigwait(&usr1, &taken), 0);
    assert_int_equal(taken, SIGUSR1);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, &before, NULL), 0);
    pst_engine_close(e);
}

/* ---- a list of CPUs -----------------------------------------------------------------------------------------------
 */

static void obeyed(const uint32_t *cpus, uint32_t cores, int caller) {
    pst_engine_options o = many_options(cores, caller);
    o.cpus = cpus;
    pst_engine *e = open_with(&o);
    pst_engine_info info = many_info(e);
    for (uint32_t m = 0; m < cores; m++) {
        assert_int_equal(info.cpus[m], cpus[m]);
        if (m || caller == PST_CALLER_APART)
            assert_true(is_only(affinity_of(many_thread_of(m)), cpus[m]));
    }
    assert_null(shortfall_with(&info, "bound"));
    assert_true(many_right(&the_case, e));
    pst_engine_close(e);
}

static void test_list(void **unused) {
    (void)unused;
    uint32_t mine[2];
    two_cpus(mine);
    const uint32_t lists[][4] = {{mine[0], mine[1], mine[0], mine[1]},
                                 {mine[1], mine[0], mine[0], mine[0]},
                                 {mine[1], mine[1], mine[1], mine[0]}};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        for (uint32_t cores = 1; cores <= 4; cores++)
            for (int caller = PST_CALLER_CORE; caller <= PST_CALLER_APART; caller++)
                obeyed(lists[i], cores, caller);
}

/* Refused, with the field named, and no thread stays. */
static void list_refused(const uint32_t *cpus, uint32_t cores, uint32_t flags, const char *says) {
    pst_engine_options o = many_options(cores, PST_CALLER_CORE);
    pst_engine *e = NULL;
    int threads = many_entries("/proc/self/task");
    o.cpus = cpus;
    o.flags = flags | PST_ENGINE_NO_HUGE_PAGES;
    FAILS(PST_E_ARGUMENT, pst_engine_open(the_case.program, &o, &e));
    SAYS(says);
    assert_string_equal(expect_error().field, "cpus");
    assert_null(e);
    many_await_threads(threads);
}

static void test_list_refused(void **unused) {
    (void)unused;
    uint32_t mine[2];
    two_cpus(mine);
    need_two_of_quota();
    list_refused((uint32_t[]){mine[1], mine[1]}, 2, 0, "PST_ENGINE_OVERSUBSCRIBE");
    list_refused((uint32_t[]){mine[0], 1u << 20}, 2, 0, "cpus[1]");
    list_refused((uint32_t[]){UINT32_MAX, mine[0]}, 2, PST_ENGINE_OVERSUBSCRIBE, "cpus[0]");
    list_refused((uint32_t[]){mine[0], mine[1], mine[0], 1u << 31}, 4, PST_ENGINE_OVERSUBSCRIBE, "cpus[3]");
}

/* The system refuses the binding, not the thread: the engine says so and runs all the same. */
static void test_no_such_cpu(void **unused) {
    (void)unused;
    uint32_t mine[2];
    two_cpus(mine);
    pst_engine_options o = many_options(3, PST_CALLER_CORE);
    o.cpus = (uint32_t[]){mine[0], NO_SUCH_CPU, mine[1]};
    pst_engine *none = NULL;
    o.flags &= ~(uint32_t)PST_ENGINE_OVERSUBSCRIBE;
    const int idle = o.idle;
    for (o.idle = PST_IDLE_AUTO; o.idle <= PST_IDLE_PARK;
         o.idle++) /* a core that spins looks for weights to rehearse */
        for (int i = 0; i < 20; i++) {
            FAILS(PST_E_HOST, pst_engine_open(the_case.program, &o, &none));
            SAYS("cpus[1]: the thread could not be bound to CPU 1048575");
            assert_null(none);
        }
    o.idle = idle;
    o.flags |= PST_ENGINE_OVERSUBSCRIBE;
    pst_engine *e = open_with(&o);
    pst_engine_info info = many_info(e);
    const char *said = shortfall_with(&info, "bound");
    assert_non_null(said);
    assert_non_null(strstr(said, "core 1"));
    assert_non_null(strstr(said, "1048575"));
    cpu_set_t free = affinity_of(many_thread_of(1)), caller = affinity_of(0);
    assert_true(CPU_EQUAL(&free, &caller));
    assert_true(is_only(affinity_of(many_thread_of(2)), mine[1]));
    assert_true(many_right(&the_case, e));
    pst_engine_close(e);
}

/* ---- the caller's binding -----------------------------------------------------------------------------------------
 */

static void test_bind(void **unused) {
    (void)unused;
    uint32_t mine[2];
    two_cpus(mine);
    cpu_set_t before = affinity_of(0), now;
    for (uint32_t cores = 1; cores <= 4; cores++)
        for (int from = 0; from < 3; from++) { /* the caller may run anywhere, or on one of the CPUs */
            pst_engine_options o = many_options(cores, PST_CALLER_CORE);
            o.cpus = (uint32_t[]){mine[1], mine[0], mine[0], mine[1]};
            if (from)
                assert_true(bind_to(mine[from - 1]));
            cpu_set_t had = affinity_of(0);
            pst_engine *e = open_with(&o);
            FAILS(PST_E_ARGUMENT, pst_engine_unbind_caller(e));
            OK(pst_engine_bind_caller(e));
            assert_true(is_only(affinity_of(0), mine[1]));
            FAILS(PST_E_ARGUMENT, pst_engine_bind_caller(e));
            assert_true(is_only(affinity_of(0), mine[1]));
            assert_true(many_right(&the_case, e));
            OK(pst_engine_unbind_caller(e));
            now = affinity_of(0);
            assert_true(CPU_EQUAL(&now, &had));
            FAILS(PST_E_ARGUMENT, pst_engine_unbind_caller(e));
            OK(pst_engine_bind_caller(e)); /* and again */
            OK(pst_engine_unbind_caller(e));
            now = affinity_of(0);
            assert_true(CPU_EQUAL(&now, &had));
            pst_engine_close(e);
            put_affinity(before);
        }
}

/* To the CPU that was chosen; on one core, where none is, to one of the caller's. */
static void test_bind_chosen(void **unused) {
    (void)unused;
    cpu_set_t before = affinity_of(0);
    for (uint32_t cores = 1; cores <= 4; cores++) {
        pst_engine *e = many_open(&the_case, cores, PST_CALLER_CORE);
        pst_engine_info info = many_info(e);
        OK(pst_engine_bind_caller(e));
        cpu_set_t now = affinity_of(0);
        assert_int_equal(CPU_COUNT(&now), 1);
        assert_true(cores == 1 ? info.cpus[0] == UINT32_MAX : CPU_ISSET(info.cpus[0], &now));
        CPU_AND(&now, &now, &before);
        assert_int_equal(CPU_COUNT(&now), 1);
        OK(pst_engine_unbind_caller(e));
        now = affinity_of(0);
        assert_true(CPU_EQUAL(&now, &before));
        pst_engine_close(e);
    }
}

static void test_bind_refused(void **unused) {
    (void)unused;
    cpu_set_t before = affinity_of(0);
    FAILS(PST_E_ARGUMENT, pst_engine_bind_caller(NULL));
    FAILS(PST_E_ARGUMENT, pst_engine_unbind_caller(NULL));
    for (uint32_t cores = 1; cores <= 4; cores++) {
        pst_engine *apart = many_open(&the_case, cores, PST_CALLER_APART);
        FAILS(PST_E_UNSUPPORTED, pst_engine_bind_caller(apart));
        SAYS("apart");
        FAILS(PST_E_ARGUMENT, pst_engine_unbind_caller(apart));
        pst_engine_close(apart);
    }
    pst_engine_options o = many_options(2, PST_CALLER_CORE);
    o.cpus = (uint32_t[]){NO_SUCH_CPU, 0};
    pst_engine *nowhere = open_with(&o);
    FAILS(PST_E_HOST, pst_engine_bind_caller(nowhere));
    assert_int_equal(expect_error().os_error, EINVAL);
    SAYS("CPU 1048575");
    FAILS(PST_E_ARGUMENT, pst_engine_unbind_caller(nowhere)); /* it is not bound */
    cpu_set_t now = affinity_of(0);
    assert_true(CPU_EQUAL(&now, &before));
    assert_true(many_right(&the_case, nowhere));
    pst_engine_close(nowhere);
}

typedef struct {
    pst_engine *engine;
    uint32_t cpu;
    int right;
} bound;

static void *bind_this(void *argument) {
    bound *b = argument;
    cpu_set_t before = affinity_of(0);
    b->right = pst_engine_bind_caller(b->engine) == PST_OK && is_only(affinity_of(0), b->cpu) &&
               many_right(&the_case, b->engine) && pst_engine_unbind_caller(b->engine) == PST_OK;
    cpu_set_t now = affinity_of(0);
    b->right = b->right && CPU_EQUAL(&now, &before);
    return NULL;
}

/* It is the calling thread that is bound, not the one that opened, nor the whole process. */
static void test_bind_another_thread(void **unused) {
    (void)unused;
    cpu_set_t before = affinity_of(0);
    pst_engine *e = many_open(&the_case, 2, PST_CALLER_CORE);
    bound b = {e, many_info(e).cpus[0], 0};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, bind_this, &b), 0);
    pthread_join(thread, NULL);
    assert_true(b.right);
    cpu_set_t now = affinity_of(0);
    assert_true(CPU_EQUAL(&now, &before));
    pst_engine_close(e);
}

/* ---- fewer CPUs ---------------------------------------------------------------------------------------------------
 */

static const char *idle_of(const pst_engine *e) {
    pst_engine_info info;
    PST_INIT(info);
    return pst_engine_get_info(e, &info) ? "none" : info.idle;
}

/* Of this status, with what is named. */
static int refused_cores(const pst_engine_options *o, int64_t expected, const char *says) {
    pst_engine *e = NULL;
    pst_status status = pst_engine_open(the_case.program, o, &e);
    pst_error error = expect_error();
    return status == PST_E_HOST && !e && error.field && strcmp(error.field, "cores") == 0 &&
           error.expected == expected && error.found == o->cores && strstr(error.message, says) &&
           strstr(error.message, "PST_ENGINE_OVERSUBSCRIBE");
}

/* Opens with this idle strategy, and answers right. */
static int opened(const pst_engine_options *o, const char *idle) {
    pst_engine *e = NULL;
    if (pst_engine_open(the_case.program, o, &e))
        return 0;
    int right = strcmp(idle_of(e), idle) == 0 && many_right(&the_case, e);
    pst_engine_close(e);
    return right;
}

static const char *on_one_cpu(void *argument) {
    const uint32_t *mine = argument;
    HOLDS(bind_to(mine[1]));
    for (uint32_t cores = 2; cores <= 4; cores++)
        for (int caller = PST_CALLER_CORE; caller <= PST_CALLER_APART; caller++) {
            pst_engine_options o = many_options(cores, caller);
            o.idle = PST_IDLE_AUTO;
            o.flags = PST_ENGINE_NO_HUGE_PAGES;
            HOLDS(refused_cores(&o, 1, "may run on"));
            HOLDS(many_entries("/proc/self/task") == 1);
            HOLDS(is_only(affinity_of(0), mine[1]));
            o.flags |= PST_ENGINE_OVERSUBSCRIBE;
            HOLDS(opened(&o, "yield"));
            pst_engine *e;
            pst_engine_info info;
            PST_INIT(info);
            HOLDS(pst_engine_open(the_case.program, &o, &e) == PST_OK);
            HOLDS(pst_engine_get_info(e, &info) == PST_OK);
            for (uint32_t m = 0; m < cores; m++)
                HOLDS(info.cpus[m] == mine[1]);
            pst_engine_close(e);
        }
    pst_engine_options one = many_options(1, PST_CALLER_CORE);
    one.flags = PST_ENGINE_NO_HUGE_PAGES;
    one.idle = PST_IDLE_AUTO;
    HOLDS(opened(&one, "spin"));
    one.caller = PST_CALLER_APART; /* two threads, one CPU */
    HOLDS(opened(&one, "yield"));
    return NULL;
}

static void test_one_cpu(void **unused) {
    (void)unused;
    uint32_t mine[2];
    two_cpus(mine);
    need_two_of_quota();
    if (MANY_TSAN)
        skip();
    in_child(on_one_cpu, mine);
}

/* A list names CPUs, whatever the caller's own affinity: one that bound itself to the CPU of core 0, say. What AUTO
 * becomes depends on whether the caller can keep away from the others' CPUs. */
static const char *bound_beforehand(void *argument) {
    const uint32_t *mine = argument;
    pst_engine_options o = many_options(2, PST_CALLER_CORE);
    o.idle = PST_IDLE_AUTO;
    o.flags = PST_ENGINE_NO_HUGE_PAGES;
    o.cpus = mine;
    HOLDS(bind_to(mine[0]));
    HOLDS(opened(&o, "spin"));
    HOLDS(bind_to(mine[1])); /* core 1's */
    HOLDS(opened(&o, "yield"));
    o.cores = 1;
    o.caller = PST_CALLER_APART;
    HOLDS(opened(&o, "spin")); /* core 0 on the other one */
    HOLDS(bind_to(mine[0]));
    HOLDS(opened(&o, "yield"));
    return NULL;
}

static void test_bound_beforehand(void **unused) {
    (void)unused;
    uint32_t mine[2];
    two_cpus(mine);
    need_two_of_quota();
    if (MANY_TSAN)
        skip();
    in_child(bound_beforehand, mine);
}

static void test_too_many(void **unused) {
    (void)unused;
    pst_engine_options o = many_options(65, PST_CALLER_CORE);
    pst_engine *e = NULL;
    FAILS(PST_E_ARGUMENT, pst_engine_open(the_case.program, &o, &e));
    assert_string_equal(expect_error().field, "cores");
    assert_int_equal(expect_error().expected, 64);
    assert_int_equal(expect_error().found, 65);
    o.cores = 64;
    e = open_with(&o);
    assert_int_equal(many_info(e).threads, 63);
    assert_true(many_right(&the_case, e));
    pst_engine_close(e);
}

/* ---- less of their time -------------------------------------------------------------------------------------------
 */

/* A cgroup of this test's own. */
typedef struct {
    char folder[3000];
    int version;
} group;

static int write_to(const group *g, const char *name, const char *text) {
    char path[3100];
    snprintf(path, sizeof path, "%s/%s", g->folder, name);
    int file = open(path, O_WRONLY | O_CLOEXEC);
    if (file < 0)
        return 0;
    int whole = write(file, text, strlen(text)) == (ssize_t)strlen(text);
    close(file);
    return whole;
}

static int grant(const group *g, const char *us_of_100000) {
    char text[64];
    snprintf(text, sizeof text, "%s 100000", us_of_100000);
    return g->version == 1 ? write_to(g, "cpu.cfs_quota_us", us_of_100000) : write_to(g, "cpu.max", text);
}

/* This process's group in the hierarchy that has the controller: /proc/self/cgroup, "hierarchy:controllers:/group". */
static int own_group(int version, char *out, size_t n) {
    char line[2048];
    int found = 0;
    FILE *f = fopen("/proc/self/cgroup", "r");
    while (f && !found && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = 0;
        char *controllers = strchr(line, ':'), *name = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!name)
            continue;
        *name++ = 0;
        controllers++;
        found =
            version == 2 ? !*controllers : strcmp(controllers, "cpu") == 0 || strcmp(controllers, "cpu,cpuacct") == 0;
        if (found)
            snprintf(out, n, "%s", strcmp(name, "/") == 0 ? "" : name);
    }
    if (f)
        fclose(f);
    return found;
}

/* 0 where the machine lets none be made. */
static int make_group(group *g) {
    static const struct {
        int version;
        const char *mount;
    } places[] = {{1, "/sys/fs/cgroup/cpu"}, {1, "/sys/fs/cgroup/cpu,cpuacct"}, {2, "/sys/fs/cgroup"}};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        char own[2048];
        if (!own_group(places[i].version, own, sizeof own))
            continue;
        g->version = places[i].version;
        snprintf(g->folder, sizeof g->folder, "%s%s/penstock-test-%d", places[i].mount, own, (int)getpid());
        if (mkdir(g->folder, 0700) != 0)
            continue;
        if (grant(g, "100000"))
            return 1;
        rmdir(g->folder);
    }
    return 0;
}

static const char *with_one_cpu_of_time(void *argument) {
    const group *g = argument;
    HOLDS(write_to(g, "cgroup.procs", "0"));
    for (int caller = PST_CALLER_CORE; caller <= PST_CALLER_APART; caller++) {
        pst_engine_options o = many_options(2, caller);
        o.idle = PST_IDLE_AUTO;
        o.flags = PST_ENGINE_NO_HUGE_PAGES;
        HOLDS(refused_cores(&o, 1, "cgroup"));
        o.cpus = (uint32_t[]){0, 1};
        HOLDS(refused_cores(&o, 1, "cgroup"));
        o.cpus = NULL;
        HOLDS(many_entries("/proc/self/task") == 1);
        o.flags |= PST_ENGINE_OVERSUBSCRIBE;
        HOLDS(opened(&o, "yield"));
        o.cores = 1;
        o.flags = PST_ENGINE_NO_HUGE_PAGES;
        HOLDS(opened(&o, caller == PST_CALLER_CORE ? "spin" : "yield")); /* apart, two threads share it */
    }
    return NULL;
}

static const char *with_half_of_that(void *argument) {
    const group *g = argument;
    HOLDS(write_to(g, "cgroup.procs", "0"));
    pst_engine_options o = many_options(1, PST_CALLER_APART);
    o.idle = PST_IDLE_AUTO;
    o.flags = PST_ENGINE_NO_HUGE_PAGES;
    HOLDS(refused_cores(&o, 0, "0.5"));
    o.flags |= PST_ENGINE_OVERSUBSCRIBE;
    HOLDS(opened(&o, "yield"));
    o.flags = PST_ENGINE_NO_HUGE_PAGES;
    o.caller = PST_CALLER_CORE; /* no thread of the engine's polls */
    HOLDS(opened(&o, "spin"));
    return NULL;
}

static void test_quota(void **unused) {
    (void)unused;
    group g;
    if (MANY_TSAN)
        skip();
    if (!make_group(&g)) {
        print_message("skipped: this machine lets no cgroup with a quota of CPU time be made\n");
        skip();
    }
    pid_t child = child_begin(with_one_cpu_of_time, &g);
    child_end(child);
    int granted = grant(&g, "50000");
    if (granted)
        in_child(with_half_of_that, &g);
    while (rmdir(g.folder) != 0 && errno == EBUSY) /* its process stands in it for a moment longer */
        sched_yield();
    assert_true(granted);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_signals),
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_list_refused),
        cmocka_unit_test(test_no_such_cpu),
        cmocka_unit_test(test_bind),
        cmocka_unit_test(test_bind_chosen),
        cmocka_unit_test(test_bind_refused),
        cmocka_unit_test(test_bind_another_thread),
        cmocka_unit_test(test_one_cpu),
        cmocka_unit_test(test_bound_beforehand),
        cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_quota),
    };
    alarm(280); /* a hang is a failure */
    return cmocka_run_group_tests(tests, open_case, close_case);
}
