/* Nothing else on the path: pst_step, pst_settle and pst_warm take no memory, call no system and fault no page, from
 * the first call on; on several cores neither does a thread of the engine, whatever it does meanwhile: a step, its
 * settle, polling, rehearsing. Runs at the level that PENSTOCK_ISA names, else at the machine's best; tests/run repeats
 * it as a user without privileges who may lock no memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "engine/engine.h"
#include "support/expect.h"
#include "support/model.h"
#include "support/sample.h"
#include "unit/engine/rests.h"

enum { STEPS = 1000 };
/* On several cores: with too few CPUs every exchange in a step may wait for time slices. After so many seconds only the
 * least number of steps is done. */
enum { MANY = 2, LEAST_STEPS = 7, PATIENCE_S = 1 };

/* ---- memory: this program's own allocation functions, which count -------------------------------------------------
 */

#if !defined(__SANITIZE_ADDRESS__)
#define COUNTED 1
extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t count, size_t n);
extern void *__libc_realloc(void *p, size_t n);
extern void *__libc_memalign(size_t alignment, size_t n);
extern void __libc_free(void *p);

static _Atomic unsigned allocations; /* of the whole process */

void *malloc(size_t n) {
    allocations++;
    return __libc_malloc(n);
}
void *calloc(size_t count, size_t n) {
    allocations++;
    return __libc_calloc(count, n);
}
void *realloc(void *p, size_t n) {
    allocations++;
    return __libc_realloc(p, n);
}
void *memalign(size_t alignment, size_t n);
void *memalign(size_t alignment, size_t n) {
    allocations++;
    return __libc_memalign(alignment, n);
}
void *aligned_alloc(size_t alignment, size_t n) {
    return memalign(alignment, n);
}
int posix_memalign(void **out, size_t alignment, size_t n) {
    *out = memalign(alignment, n);
    return *out ? 0 : ENOMEM;
}
void free(void *p) {
    allocations++;
    __libc_free(p);
}
void *mmap(void *at, size_t n, int protection, int flags, int file, off_t offset) {
    allocations++;
    return (void *)syscall(SYS_mmap, at, n, protection, flags, file, offset);
}
#else
#define COUNTED 0
static _Atomic unsigned allocations;
#endif

/* ---- a subject: one stream, and input made beforehand -------------------------------------------------------------
 */

static const char *level;

typedef struct {
    pst_program *program;
    pst_engine *engine;
    pst_stream *stream, *other;
    uint32_t cores, inputs, outputs;
    float *x, *y;
} subject;

/* Every kind and activation; narrow blocks, blocks of several settle units, weights of several pages. */
static pst_model *model_of(int which) {
    static const model_part wide[] = {MODEL_LSTM_STATE(140), MODEL_LSTM(20), MODEL_LINEAR(9)};
    enum { ALL = 2 * MODEL_FUNCTIONS + 2 };
    model_part parts[ALL], last = MODEL_LINEAR(19), softmax = MODEL_SOFTMAX;
    size_t n = 0;
    if (which == 0)
        return model_make(40, wide, 3, 1, 1);
    for (size_t i = 0; i < MODEL_FUNCTIONS; i++) {
        model_part body = MODEL_LSTM((uint32_t)(5 + 7 * i)), activation = MODEL_ACTIVATION(model_functions[i]);
        if (i % 2)
            body.kind = "linear";
        if (strcmp(model_functions[i], "clip") == 0) {
            activation.alpha = -0.25;
            activation.beta = 0.125;
        }
        parts[n++] = body;
        parts[n++] = activation;
    }
    parts[n++] = last;
    parts[n++] = softmax;
    return model_make(33, parts, n, 3, 2);
}
enum { MODELS = 2 };

/* One of each encoding, then those with rests, which mend c here. */
static const char *const formats[] = {"f32",  "bf16", "w8a16", "w8a8", "w4r", "w8r", "ih=w3r,hh=w4a8,linear=w2a8",
                                      "w6a16"};
enum { FORMATS = sizeof formats / sizeof *formats };

/* Up to how many cores: the model with many exchanges in a step only in two formats, for the sake of busy machines. */
static uint32_t most_cores(int which, int format) {
    return which && format != PSTI_BF16 && format != PSTI_W8A16 ? 1 : MANY;
}

/* ---- what the other core does between steps -----------------------------------------------------------------------
 */

static _Thread_local int is_caller;
static psti_read_fn *read_itself;
static _Atomic unsigned rehearsed; /* pieces, by the other core: no model here is so large that a settle reads again */

static uint64_t counted_read(const void *bytes, size_t n) {
    if (!is_caller)
        atomic_fetch_add(&rehearsed, 1);
    return read_itself(bytes, n);
}

typedef struct {
    psti_kernels *kernels;
    _Atomic int there, done;
} meeting;

/* A job: while the other core waits in here, the kernel by which it rehearses becomes one that counts. */
static pst_status count_reads(psti_core *core, void *argument) {
    meeting *m = argument;
    if (core == core->engine->caller) {
        while (!atomic_load(&m->there))
            sched_yield();
        read_itself = m->kernels->read_f32;
        m->kernels->read_f32 = counted_read;
        atomic_store(&m->done, 1);
    } else {
        atomic_store(&m->there, 1);
        while (!atomic_load(&m->done))
            sched_yield();
    }
    return PST_OK;
}

/* Until the other core has nothing left to do but to rehearse, and has done that: behind the pieces of two rounds there
 * was a whole one, with the block at its end. Polls without yielding, which would be a system call. */
static void let_rehearse(const subject *s) {
    unsigned before = atomic_load(&rehearsed);
    for (uint32_t k = 1; k < s->cores; k++) {
        size_t pieces = (s->engine->core[k]->critical_bytes + PSTI_UNIT_BYTES - 1) / PSTI_UNIT_BYTES;
        while (atomic_load(&rehearsed) - before <= 2 * pieces)
            ;
    }
}

static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- making and driving -------------------------------------------------------------------------------------------
 */

/* On several cores the caller stays on core 0's CPU: a thread that polls on the same one makes each exchange wait for a
 * time slice. */
static void open_engine(subject *s) {
    pst_engine_options o;
    PST_INIT(o);
    o.level = level;
    o.cores = s->cores;
    o.idle = PST_IDLE_SPIN;
    o.flags = PST_ENGINE_OVERSUBSCRIBE;
    OK(pst_engine_open(s->program, &o, &s->engine));
    if (s->cores > 1)
        OK(pst_engine_bind_caller(s->engine));
}

static subject subject_of(const pst_model *m, const char *format, uint32_t cores) {
    subject s = {.program = model_program(m, format), .cores = cores};
    pst_info info;
    rests_set(s.program, 0.5f, UINT_MAX);
    PST_INIT(info);
    OK(pst_program_get_info(s.program, &info));
    s.inputs = info.inputs;
    s.outputs = info.outputs;
    s.x = model_normals(5, (size_t)STEPS * s.inputs);
    s.y = calloc((size_t)STEPS * s.outputs, sizeof *s.y);
    memset(s.y, 1, (size_t)STEPS * s.outputs * sizeof *s.y); /* resident: the caller's arrays are not ours */
    open_engine(&s);
    s.stream = model_stream(s.engine);
    s.other = model_stream(s.engine);
    return s;
}

static subject subject_make(int which, const char *format, uint32_t cores) {
    pst_model *m = model_of(which);
    subject s = subject_of(m, format, cores);
    pst_model_free(m);
    return s;
}

/* The same, with rehearsals counted. */
static subject subject_watched(int which, const char *format, uint32_t cores) {
    subject s = subject_make(which, format, cores);
    if (cores > 1) {
        meeting m = {.kernels = &s.engine->kernels};
        OK(psti_on_all_cores(s.engine, count_reads, &m));
        let_rehearse(&s); /* this test's own code is resident, then */
    }
    return s;
}

static void subject_free(subject *s) {
    pst_stream_close(s->other);
    pst_stream_close(s->stream);
    if (s->cores > 1)
        OK(pst_engine_unbind_caller(s->engine));
    pst_engine_close(s->engine);
    pst_program_free(s->program);
    free(s->y);
    free(s->x);
}

/* Many steps: settle whole, in units, not at all; warm; two streams; pauses. Returns the number of wrong answers. */
static int drive(const subject *s) {
    int wrong = 0;
    double until = s->cores > 1 ? now_s() + PATIENCE_S : 0;
    for (size_t t = 0; t < STEPS && (s->cores == 1 || t < LEAST_STEPS || now_s() < until); t++) {
        pst_stream *stream = t % 5 == 3 ? s->other : s->stream;
        const float *x = s->x + t * s->inputs;
        float *y = s->y + t * s->outputs;
        uint32_t left;
        wrong += pst_step(stream, x, s->inputs, y, s->outputs) != PST_OK;
        if (t % 4 == 1)
            wrong += pst_settle(stream, 0, NULL) != PST_OK;
        if (t % 4 == 2)
            wrong += pst_settle(stream, 1 + t % 7, &left) != PST_OK;
        if (t % 16 == 5)
            wrong += pst_warm(stream) != PST_OK;
        if (t % 12 == 11)
            let_rehearse(s);
    }
    let_rehearse(s);
    return wrong;
}

static int refuse(const subject *s) {
    float x[64] = {0};
    x[s->inputs - 1] = NAN;
    int wrong = pst_step(s->stream, x, s->inputs, s->y, s->outputs) != PST_E_NONFINITE;
    x[0] = 1e30f;
    wrong += pst_step(s->stream, x, s->inputs, s->y, s->outputs) != PST_E_NONFINITE;
    wrong += pst_step(s->stream, x, s->inputs + 1, s->y, s->outputs) != PST_E_SHAPE;
    return wrong;
}

static void each(void (*test)(const subject *s, const char *name)) {
    for (int which = 0; which < MODELS; which++)
        for (int f = which % (int)sample_of(2); f < FORMATS; f += (int)sample_of(2))
            for (uint32_t cores = 1; cores <= most_cores(which, f); cores++) {
                char name[64];
                subject s = subject_watched(which, formats[f], cores);
                snprintf(name, sizeof name, "model %d, %s, %u cores", which, formats[f], cores);
                test(&s, name);
                subject_free(&s);
            }
}

/* ---- allocations --------------------------------------------------------------------------------------------------
 */

static void no_allocation(const subject *s, const char *name) {
    unsigned before = allocations;
    int wrong = drive(s) + refuse(s);
    unsigned after = allocations;
    assert_int_equal(wrong, 0);
    if (after != before)
        fail_msg("%s: %u allocations", name, after - before);
}

static void test_no_allocation(void **unused) {
    (void)unused;
    if (!COUNTED)
        skip();
    unsigned before = allocations;
    void *volatile some = malloc(1); /* volatile: a compiler may drop the pair */
    free(some);
    assert_int_equal(allocations, before + 2); /* the counting counts */
    each(no_allocation);
}

/* ---- system calls -------------------------------------------------------------------------------------------------
 */

enum { CALL_NUMBERS = 1024 };

/* In a page shared with the parent, who prints: the child may not even write. */
static struct seen { _Atomic unsigned calls, last, by_number[CALL_NUMBERS]; } * seen;

static void trapped(int number, siginfo_t *info, void *context) {
    (void)number;
    (void)context;
    unsigned call = (unsigned)info->si_syscall;
    atomic_fetch_add(&seen->calls, 1);
    atomic_store(&seen->last, call);
    atomic_fetch_add(&seen->by_number[call % CALL_NUMBERS], 1);
}

/* From here on, of this process's system calls, on any thread, only these and `also` reach the kernel; the others
 * arrive in trapped(). 0 if the kernel has no such filters. */
static int trap_calls(unsigned also) {
    struct sigaction action;
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 3, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_rt_sigreturn, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, also, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    memset(&action, 0, sizeof action);
    action.sa_sigaction = trapped;
    action.sa_flags = SA_SIGINFO;
    return sigaction(SIGSYS, &action, NULL) == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) == 0;
}

enum { CALM = 0, CALLED = 1, WRONG = 2, BLIND = 3, NO_FILTER = 77 };

/* Jobs. The engine's threads block all signals; the kernel ends a process whose trap finds SIGSYS blocked. */
static pst_status unblock(psti_core *core, void *argument) {
    sigset_t set;
    (void)core;
    (void)argument;
    sigemptyset(&set);
    sigaddset(&set, SIGSYS);
    return pthread_sigmask(SIG_UNBLOCK, &set, NULL) ? PST_E_HOST : PST_OK;
}

static pst_status call_the_system(psti_core *core, void *argument) {
    (void)argument;
    (void)syscall(core == core->engine->caller ? SYS_getppid : SYS_getpgid, 0);
    return PST_OK;
}

static int child_of_calls(int which, const char *format, uint32_t cores, unsigned also) {
    subject s = subject_watched(which, format, cores); /* in this process: an engine does not survive a fork */
    if (psti_on_all_cores(s.engine, unblock, NULL))
        return WRONG;
    if (!trap_calls(also))
        return NO_FILTER;
    int wrong = drive(&s) + refuse(&s);
    if (wrong)
        return WRONG;
    if (seen->calls)
        return CALLED;
    /* The trap traps on every core, whatever a step might call to print. */
    (void)psti_on_all_cores(s.engine, call_the_system, NULL);
    (void)syscall(SYS_write, STDERR_FILENO, "", 0);
    return seen->by_number[SYS_getppid] == 1 && seen->by_number[SYS_getpgid] == cores - 1 &&
                   seen->by_number[SYS_write] == 1
               ? CALM
               : BLIND;
}

static int status_of(pid_t child) {
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFEXITED(status))
        fail_msg("the child was ended by signal %d", WTERMSIG(status));
    return WEXITSTATUS(status);
}

/* Where the C library reads the clock by a system call, idle cores do, too: that call is let through. Else another one
 * that is let through anyhow. */
static unsigned clock_call(void) {
    memset(seen, 0, sizeof *seen);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        alarm(60);
        if (!trap_calls(SYS_exit_group))
            _exit(CALM);
        (void)now_s();
        _exit(seen->calls ? CALLED : CALM);
    }
    if (status_of(child) == CALM)
        return SYS_exit_group;
    print_message("this system's clock is a system call, which is not counted\n");
    return SYS_clock_gettime;
}

static void no_system_call(int which, const char *format, uint32_t cores, unsigned also) {
    memset(seen, 0, sizeof *seen);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        alarm(60);
        _exit(child_of_calls(which, format, cores, also));
    }
    int status = status_of(child);
    if (status == NO_FILTER) {
        print_message("skipped: this system has no seccomp filters\n");
        skip();
    }
    if (status != CALM)
        fail_msg("model %d, %s, %u cores: %u system calls, the last of them number %u: %s", which, format, cores,
                 seen->calls, seen->last,
                 status == CALLED  ? "a step called the system"
                 : status == WRONG ? "a step failed"
                                   : "the filter traps nothing");
}

static void test_no_system_call(void **unused) {
    (void)unused;
    seen = mmap(NULL, sizeof *seen, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(seen != MAP_FAILED);
    unsigned also = clock_call();
    for (int which = 0; which < MODELS; which++)
        for (int f = which % (int)sample_of(2); f < FORMATS; f += (int)sample_of(2))
            for (uint32_t cores = 1; cores <= most_cores(which, f); cores++)
                no_system_call(which, formats[f], cores, also);
}

/* ---- page faults --------------------------------------------------------------------------------------------------
 */

/* Of all threads. */
static long faults(void) {
    struct rusage r;
    memset(&r, 0, sizeof r);
    getrusage(RUSAGE_SELF, &r);
    return r.ru_minflt + r.ru_majflt;
}

static void no_fault(const subject *s, const char *name) {
    faults();
    long before = faults();
    int wrong = drive(s);
    long after = faults();
    assert_int_equal(wrong, 0);
    if (after != before)
        fail_msg("%s: %ld page faults", name, after - before);
}

static void test_no_page_fault(void **unused) {
    (void)unused;
    if (getenv("PENSTOCK_EMULATED"))
        skip();
    volatile char *fresh = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    long before = faults();
    fresh[4096] = 1;
    assert_int_equal(faults(), before + 1); /* the counting counts */
    munmap((void *)(uintptr_t)fresh, 8192);
    each(no_fault);
}

/* The first step, settle and warm of a new process, before which no step was ever done in it: program and libraries are
 * as freshly mapped as they can be. Then some time in which other cores rehearse. Prints the faults of each. */
static int first_calls(int which, const char *format, uint32_t cores) {
    subject s = subject_make(which, format, cores);
    long count[5];
    double since = now_s();
    faults();
    count[0] = faults();
    int wrong = pst_step(s.stream, s.x, s.inputs, s.y, s.outputs);
    count[1] = faults();
    wrong |= pst_settle(s.stream, 1, NULL) | pst_settle(s.stream, 0, NULL);
    count[2] = faults();
    wrong |= pst_warm(s.stream);
    count[3] = faults();
    if (cores > 1) /* at least some rounds of them, where the core gets a CPU; and a time slice where it shares one */
        while (now_s() < since + 0.005)
            ;
    count[4] = faults();
    if (wrong)
        return WRONG;
    if (count[4] != count[0])
        fprintf(stderr,
                "model %d, %s, %u cores: page faults of the first step %ld, settle %ld, warm %ld, and afterwards %ld\n",
                which, format, cores, count[1] - count[0], count[2] - count[1], count[3] - count[2],
                count[4] - count[3]);
    return count[4] == count[0] ? CALM : CALLED;
}

static int first_calls_of(int which, const char *format, uint32_t cores) {
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        char number[16], core_count[16];
        snprintf(number, sizeof number, "%d", which);
        snprintf(core_count, sizeof core_count, "%u", cores);
        execl("/proc/self/exe", "test_path", "--first", number, format, core_count, (char *)NULL);
        _exit(WRONG);
    }
    return status_of(child);
}

static void test_first_step(void **unused) {
    (void)unused;
    if (getenv("PENSTOCK_EMULATED"))
        skip();
    int bad = 0;
    for (int which = 0; which < MODELS; which++)
        for (int f = which % (int)sample_of(2); f < FORMATS; f += (int)sample_of(2))
            for (uint32_t cores = 1; cores <= most_cores(which, f); cores++) {
                int status = first_calls_of(which, formats[f], cores);
                assert_true(status == CALM || status == CALLED);
                bad += status != CALM;
            }
    assert_int_equal(bad, 0);
}

/* ---- privileges ---------------------------------------------------------------------------------------------------
 */

/* What was refused is said; which is what the other tests then run on. */
static void test_shortfalls(void **unused) {
    (void)unused;
    subject s = subject_make(0, "f32", 1);
    pst_engine_info info;
    struct rlimit limit;
    int said = 0;
    PST_INIT(info);
    OK(pst_engine_get_info(s.engine, &info));
    assert_int_equal(getrlimit(RLIMIT_MEMLOCK, &limit), 0);
    print_message("user %d, lockable %lld, locked %llu of %llu bytes, pages of %llu\n", (int)geteuid(),
                  limit.rlim_cur == RLIM_INFINITY ? -1ll : (long long)limit.rlim_cur,
                  (unsigned long long)info.locked_bytes, (unsigned long long)info.weight_bytes,
                  (unsigned long long)info.page_bytes);
    for (size_t i = 0; i < info.shortfall_count; i++) {
        print_message("%s\n", info.shortfalls[i]);
        said |= strstr(info.shortfalls[i], "not locked") != NULL;
    }
    assert_int_equal(said, info.locked_bytes == 0);
    if (geteuid() != 0 && limit.rlim_cur == 0 && info.page_bytes <= 4096)
        assert_int_equal(info.locked_bytes, 0);
    subject_free(&s);
}

int main(int count, char **arguments) {
    level = getenv("PENSTOCK_ISA");
    is_caller = 1;
    if (count == 5 && strcmp(arguments[1], "--first") == 0) {
        alarm(60); /* a hang is a failure */
        return first_calls(atoi(arguments[2]), arguments[3], (uint32_t)atoi(arguments[4]));
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_allocation), cmocka_unit_test(test_no_system_call),
        cmocka_unit_test(test_no_page_fault), cmocka_unit_test(test_first_step),
        cmocka_unit_test(test_shortfalls),
    };
    alarm(110); /* a hang is a failure */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
