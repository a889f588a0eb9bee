/* Nothing else on the path: pst_step, pst_settle and pst_warm take no memory, call no system, fault no page, and meet
 * no denormal, from the first call on. Runs at the level that PENSTOCK_ISA names, else at the machine's best; tests/run
 * repeats it as a user without privileges who may lock no memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/expect.h"
#include "support/model.h"

enum { STEPS = 1000, SPARE = 4 };

/* ---- memory: this program's own allocation functions, which count -------------------------------------------------
 */

#if !defined(__SANITIZE_ADDRESS__)
#define COUNTED 1
extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t count, size_t n);
extern void *__libc_realloc(void *p, size_t n);
extern void *__libc_memalign(size_t alignment, size_t n);
extern void __libc_free(void *p);

static volatile unsigned allocations;

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
static volatile unsigned allocations;
#endif

/* ---- a subject: one stream, and input made beforehand -------------------------------------------------------------
 */

static const char *level;

typedef struct {
    pst_program *program;
    pst_engine *engine;
    pst_stream *stream, *other;
    uint32_t inputs, outputs;
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

static subject subject_of(const pst_model *m, const char *format) {
    subject s = {.program = model_program(m, format)};
    pst_info info;
    PST_INIT(info);
    OK(pst_program_get_info(s.program, &info));
    s.inputs = info.inputs;
    s.outputs = info.outputs;
    s.x = model_normals(5, (size_t)STEPS * s.inputs);
    s.y = calloc((size_t)STEPS * s.outputs, sizeof *s.y);
    memset(s.y, 1, (size_t)STEPS * s.outputs * sizeof *s.y); /* resident: the caller's arrays are not ours */
    s.engine = model_engine(s.program, level);
    s.stream = model_stream(s.engine);
    s.other = model_stream(s.engine);
    return s;
}

static subject subject_make(int which, const char *format) {
    pst_model *m = model_of(which);
    subject s = subject_of(m, format);
    pst_model_free(m);
    return s;
}

static void subject_free(subject *s) {
    pst_stream_close(s->other);
    pst_stream_close(s->stream);
    pst_engine_close(s->engine);
    pst_program_free(s->program);
    free(s->y);
    free(s->x);
}

/* The steps from `from` to `to`: settle whole, in units, not at all; warm; two streams; now and then an x that is
 * refused. Returns the number of wrong answers. */
static int drive(const subject *s, size_t from, size_t to) {
    int wrong = 0;
    for (size_t t = from; t < to; t++) {
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
    }
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
        for (int f = 0; f < MODEL_FORMATS; f++) {
            char name[64];
            subject s = subject_make(which, model_formats[f]);
            snprintf(name, sizeof name, "model %d, %s", which, model_formats[f]);
            test(&s, name);
            subject_free(&s);
        }
}

/* ---- allocations --------------------------------------------------------------------------------------------------
 */

static void no_allocation(const subject *s, const char *name) {
    unsigned before = allocations;
    int wrong = drive(s, 0, STEPS) + refuse(s);
    unsigned after = allocations;
    assert_int_equal(wrong, 0);
    if (after != before)
        fail_msg("%s: %u allocations in %d steps", name, after - before, STEPS);
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

/* In a page shared with the parent, who prints: the child may not even write. */
static volatile struct seen { sig_atomic_t calls, last; } * seen;

static void trapped(int number, siginfo_t *info, void *context) {
    (void)number;
    (void)context;
    seen->calls++;
    seen->last = info->si_syscall;
}

/* From here on, of this thread's system calls only these reach the kernel; the others arrive in trapped(). 0 if the
 * kernel has no such filters. */
static int trap_calls(void) {
    struct sigaction action;
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_rt_sigreturn, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    memset(&action, 0, sizeof action);
    action.sa_sigaction = trapped;
    action.sa_flags = SA_SIGINFO;
    return sigaction(SIGSYS, &action, NULL) == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

enum { CALM = 0, CALLED = 1, WRONG = 2, BLIND = 3, NO_FILTER = 77 };

static int child_of_calls(int which, const char *format) {
    subject s = subject_make(which, format); /* in this process: an engine does not survive a fork */
    if (!trap_calls())
        return NO_FILTER;
    int wrong = drive(&s, 0, STEPS) + refuse(&s);
    if (wrong)
        return WRONG;
    if (seen->calls)
        return CALLED;
    (void)syscall(SYS_getppid); /* the trap traps, whatever a step might call to print */
    (void)syscall(SYS_write, STDERR_FILENO, "", 0);
    return seen->calls == 2 ? CALM : BLIND;
}

static void test_no_system_call(void **unused) {
    (void)unused;
    seen = mmap(NULL, sizeof *seen, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(seen != MAP_FAILED);
    for (int which = 0; which < MODELS; which++)
        for (int f = 0; f < MODEL_FORMATS; f++) {
            int status = 0;
            seen->calls = seen->last = 0;
            pid_t child = fork();
            assert_true(child >= 0);
            if (child == 0) {
                alarm(60);
                _exit(child_of_calls(which, model_formats[f]));
            }
            assert_int_equal(waitpid(child, &status, 0), child);
            assert_true(WIFEXITED(status));
            if (WEXITSTATUS(status) == NO_FILTER) {
                print_message("skipped: this system has no seccomp filters\n");
                skip();
            }
            if (WEXITSTATUS(status) != CALM)
                fail_msg("model %d, %s: %d system calls, the last of them number %d: %s", which, model_formats[f],
                         (int)seen->calls, (int)seen->last,
                         WEXITSTATUS(status) == CALLED  ? "a step called the system"
                         : WEXITSTATUS(status) == WRONG ? "a step failed"
                                                        : "the filter traps nothing");
        }
}

/* ---- page faults --------------------------------------------------------------------------------------------------
 */

static long faults(void) {
    struct rusage r;
    memset(&r, 0, sizeof r);
    getrusage(RUSAGE_THREAD, &r);
    return r.ru_minflt + r.ru_majflt;
}

static void no_fault(const subject *s, const char *name) {
    faults();
    long before = faults();
    int wrong = drive(s, 0, STEPS);
    long after = faults();
    assert_int_equal(wrong, 0);
    if (after != before)
        fail_msg("%s: %ld page faults in %d steps", name, after - before, STEPS);
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
 * as freshly mapped as they can be. Prints the faults of each. */
static int first_calls(int which, const char *format) {
    subject s = subject_make(which, format);
    long count[4];
    faults();
    count[0] = faults();
    int wrong = pst_step(s.stream, s.x, s.inputs, s.y, s.outputs);
    count[1] = faults();
    wrong |= pst_settle(s.stream, 1, NULL) | pst_settle(s.stream, 0, NULL);
    count[2] = faults();
    wrong |= pst_warm(s.stream);
    count[3] = faults();
    if (wrong)
        return WRONG;
    if (count[3] != count[0])
        fprintf(stderr, "model %d, %s: page faults of the first step %ld, settle %ld, warm %ld\n", which, format,
                count[1] - count[0], count[2] - count[1], count[3] - count[2]);
    return count[3] == count[0] ? CALM : CALLED;
}

static void test_first_step(void **unused) {
    (void)unused;
    if (getenv("PENSTOCK_EMULATED"))
        skip();
    int bad = 0;
    for (int which = 0; which < MODELS; which++)
        for (int f = 0; f < MODEL_FORMATS; f++) {
            int status = 0;
            pid_t child = fork();
            assert_true(child >= 0);
            if (child == 0) {
                char number[16];
                snprintf(number, sizeof number, "%d", which);
                execl("/proc/self/exe", "test_path", "--first", number, model_formats[f], (char *)NULL);
                _exit(WRONG);
            }
            assert_int_equal(waitpid(child, &status, 0), child);
            assert_true(WIFEXITED(status));
            assert_true(WEXITSTATUS(status) != WRONG);
            bad += WEXITSTATUS(status) != CALM;
        }
    assert_int_equal(bad, 0);
}

/* ---- privileges ---------------------------------------------------------------------------------------------------
 */

/* What was refused is said; which is what the other tests then run on. */
static void test_shortfalls(void **unused) {
    (void)unused;
    subject s = subject_make(0, "f32");
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
    if (count == 4 && strcmp(arguments[1], "--first") == 0)
        return first_calls(atoi(arguments[2]), arguments[3]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_allocation), cmocka_unit_test(test_no_system_call),
        cmocka_unit_test(test_no_page_fault), cmocka_unit_test(test_first_step),
        cmocka_unit_test(test_shortfalls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
