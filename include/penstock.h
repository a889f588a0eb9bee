/* penstock.h: the whole public interface of Penstock.
 *
 * Penstock runs trained LSTM stacks one timestep at a time, with microsecond, predictable latency, on ordinary CPU
 * cores. The way of the data:
 *
 *     checkpoint --pst_model_read--> model --pst_compile--> program --pst_engine_open--> engine
 *                                                                    --pst_stream_open--> stream --pst_step--> y
 *
 * WORDS. A model is layers with fp32 weights and an initial state. A program is a model compiled into packed tiles of
 * one format, which says in how many bits weights and activations are held; it depends neither on the instruction set
 * nor on the number of cores. An engine is a program placed on this host, on one core or several: a core is one thread
 * and the part of the weights that it owns. A stream is the recurrent state of one input sequence on an engine. A step
 * is one timestep: x in, y out. Its respond part needs x and is the latency; its settle part prepares the next step.
 *
 * STATUS. Every call that can fail returns a pst_status: PST_OK is 0. On any other value all outputs and objects are
 * as they were before the call, and pst_last_error() of the same thread has the detail.
 *
 * STRUCTS. Every struct begins with its size; set it with PST_INIT, which also clears the rest. 0 and NULL mean "the
 * default". Fields are only ever appended. A struct larger than the library's own is accepted if the part the library
 * does not know is zero (and all of it at most 65,536 bytes), else PST_E_UNSUPPORTED. Structs that the library fills
 * are filled up to the caller's size.
 *
 * OWNERSHIP. Inputs are copied; nothing the caller passes is kept after the call. What a call creates belongs to the
 * caller, who frees it with the matching call; every freeing call takes NULL. A program may outlive its model. An
 * engine may outlive its program. A stream whose engine was closed answers PST_E_CLOSED until it is closed itself.
 *
 * THREADS. Models and programs are immutable and may be shared by any number of threads. An engine and its streams
 * are driven by one thread at a time (any thread); engines are independent of each other. Errors are per thread. An
 * engine on more than one core has threads of its own ("penstock/N", N the core), with all signals blocked; they settle
 * and wait by themselves.
 *
 * PROCESS. The library prints nothing, installs no signal handler, never exits, reads and writes no environment
 * variable, changes no resource limit, and leaves the caller's affinity alone unless asked. After fork() the child's
 * engines and streams answer PST_E_FORKED.
 *
 * STEP. pst_step, pst_settle and pst_warm never allocate, lock, print or make a system call (but for the idle
 * strategies yield and park), and touch no page that was not already resident. (The first failing call of a thread may
 * allocate its error; after a fork, the first writes to a stream's pages fault while the child shares them.) All other
 * calls may allocate and may block on memory and files.
 *
 * NUMBERS. Every sum has one order and one rounding, written down in docs/numerics.md: the same program gives the
 * same bits at every instruction set level and on every number of cores.
 */
#ifndef PENSTOCK_H
#define PENSTOCK_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The version of this header and of the library built with it, written nowhere else. */
#define PST_VERSION_MAJOR 0
#define PST_VERSION_MINOR 1
#define PST_VERSION_PATCH 0

#if defined(__GNUC__)
#define PST_API __attribute__((visibility("default")))
#else
#define PST_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- status and errors ------------------------------------------------------------------------------------------ */

typedef int pst_status;
enum {
    PST_OK = 0,
    PST_E_ARGUMENT,    /* an argument is missing, out of range or contradicts another */
    PST_E_SHAPE,       /* a tensor or an array has another shape than is needed */
    PST_E_FILE,        /* a file could not be opened, read or written: os_error says why */
    PST_E_CORRUPT,     /* the bytes are not what they claim to be: truncated, altered, overlapping, duplicate */
    PST_E_UNSUPPORTED, /* well formed, but not something this version runs */
    PST_E_MEMORY,      /* memory could not be had */
    PST_E_HOST,        /* the host lacks what was asked for: instruction set level, cores */
    PST_E_NONFINITE,   /* NaN, infinity, or a magnitude beyond what the formats hold; item and found say where */
    PST_E_TOLERANCE,   /* the compiled program misses the tolerance asked for */
    PST_E_MISMATCH,    /* a saved state belongs to another program */
    PST_E_BUSY,        /* reserved: another thread is driving this engine */
    PST_E_CLOSED,      /* the stream's engine was closed */
    PST_E_FORKED,      /* the engine belongs to the parent process */
    PST_E_CANCELLED,   /* the progress callback asked to stop */
    PST_E_FULL,        /* reserved for queues */
    PST_E_EMPTY,       /* there is none: a certificate, a tensor; reserved for queues */
    PST_E_LATE         /* a core of the engine has not answered within the deadline, or has not caught up since */
};

/* Clears a struct and sets its size. */
#define PST_INIT(o) (memset(&(o), 0, sizeof(o)), (void)((o).size = sizeof(o)))

/* The detail of the last failing call of this thread. Strings belong to the library and stay valid until the next
 * failing call of the same thread; absent ones are NULL. expected and found are meaningful when the message names
 * them. */
typedef struct {
    size_t size;
    pst_status status;
    int os_error;                    /* errno of the failing system call, else 0 */
    const char *message;             /* one line, complete by itself */
    const char *file, *item, *field; /* path; tensor, layer, unit, array; field of the item */
    int64_t expected, found;
} pst_error;

/* "0.1.0". Never fails, static storage. */
PST_API const char *pst_version(void);
/* A short fixed name of a status: "PST_E_SHAPE"; "unknown status" for any other number. */
PST_API const char *pst_status_name(pst_status status);
/* Fills *e with the detail of this thread's last failing call. Changes nothing; does not allocate. */
PST_API void pst_last_error(pst_error *e);

/* ---- models ----------------------------------------------------------------------------------------------------- */

typedef struct pst_model pst_model;

/* Element types of tensors; numbers never change. */
enum { PST_F32 = 0, PST_F64 = 1, PST_F16 = 2, PST_BF16 = 3 };

/* One tensor in memory, C order, contiguous, host byte order. Values are converted to fp32 (nearest even). name:
 * PyTorch's within its layer: weight_ih, weight_hh, bias_ih, bias_hh, weight, bias; h0, c0. */
typedef struct {
    size_t size;
    const char *name;
    int dtype, rank;
    const uint64_t *shape;
    const void *data;
} pst_tensor;

/* One scalar setting of a layer: alpha, beta. */
typedef struct {
    size_t size;
    const char *name;
    double value;
} pst_attribute;

/* One layer, in the order of the data.
 *
 * kind        tensors (H units, n inputs; * = may be absent, meaning zeros)
 * lstm        weight_ih [4H, n], weight_hh [4H, H], bias_ih* [4H], bias_hh* [4H], h0* [H], c0* [H];
 *             gates in PyTorch's order i, f, g, o; torch.nn.LSTM's equations
 * linear      weight [out, n], bias* [out]; y = W x + b
 * activation  none; function names it; directly after an lstm, a linear or another activation
 * softmax     none; over all features; only as the last layer, not as the first
 *
 * function: relu; leaky_relu (alpha = slope, 0.01); elu (alpha, 1); tanh; sigmoid; hard_sigmoid (alpha 1/6, beta 0.5:
 * clamp(alpha v + beta, 0, 1)); clip (alpha = lowest, beta = highest; both required, alpha <= beta); silu; gelu (by
 * erf); gelu_tanh; softplus (log(1 + exp(v))). */
typedef struct {
    size_t size;
    const char *kind, *function; /* function: activation only, else NULL */
    const pst_tensor *const *tensors;
    size_t tensor_count;
    const pst_attribute *const *attributes;
    size_t attribute_count;
} pst_layer;

/* prefix: only tensors whose name begins with it are considered, and it is cut off; NULL: everything, the prefix (if
 * the file has one) is found by itself. */
typedef struct {
    size_t size;
    const char *prefix;
} pst_read_options;

/* readout: what the source that the model comes from gave: "all" (NULL too), its output at every step; or "last", only
 * that of the last step (y[:, -1], return_sequences=False): after T steps from reset, y is its answer to T inputs. A
 * record that changes no number: every step answers. Any other: PST_E_UNSUPPORTED. */
typedef struct {
    size_t size;
    const char *readout;
} pst_model_options;

/* What a model or program is made of. */
typedef struct {
    size_t size;
    uint32_t layers;          /* all kinds */
    uint32_t inputs, outputs; /* features of x, of y */
    uint64_t parameters;
    /* Of programs, else 0 or NULL. Weights and scales that respond reads, that settle reads; bytes of pst_stream_save;
     * how many bytes of the weights are padding; hash of all that steps depend on, certificates left out. */
    uint64_t critical_bytes, settle_bytes, state_bytes, padding_bytes, hash;
    const char *format; /* as compiled for, then ";" and those of layers; "mixed" beyond 63 characters. Lives as long as
                           the object */
    const char *readout; /* "all" or "last", of pst_model_options or the checkpoint. Lives as long as the object */
} pst_info;

/* What one layer is. Strings live as long as the object asked. Encodings are those of the program; NULL in models. */
typedef struct {
    size_t size;
    const char *kind, *function; /* function: of an activation, else NULL */
    uint32_t inputs, outputs;
    uint64_t parameters;
    const char *input_encoding, *recurrent_encoding; /* of W_ih or the Linear's weight; of W_hh. NULL without */
    uint64_t critical_bytes, settle_bytes, padding_bytes;
    double h_scale;     /* of the integer formats: the static scale of h in 16 bits, 2^k; 0 without */
    double alpha, beta; /* of an activation */
    double h_scale_8;   /* the scale of h in 8 bits; 0 without */
    double rho;         /* of a rest of W_ih: the share of it in the next bracket */
    uint32_t matrices;  /* of pst_program_get_matrix */
} pst_layer_info;

/* One matrix of a program. Names: "W_ih" (or a Linear's weight), "W_hh", and the rests that coarser codes leave of
 * them, "W_hh rest", "W_ih rest". error: rms error of y where this one alone is held so and all others in f32, a rest
 * together with what leaves it; error_share: its square's share of the sum of all. NaN where that was not measured. */
typedef struct {
    size_t size;
    const char *name, *encoding;
    uint64_t bytes, padding_bytes; /* weights, multipliers and row scales; padding of the weights */
    uint32_t group;                /* inputs that share a multiplier; 0: there are none */
    double error, error_share;
    /* rms error of a row's product over the calibration: as rounded, and to nearest. NaN where not calibrated, and of a
     * program from a file. */
    double product_error, product_error_nearest;
} pst_matrix_info;

/* Builds a model from layers in memory, in the data's order. Copies everything. Checks shapes, that each layer's
 * inputs are the outputs of the one below, and that every value is finite and at most 2^40 in magnitude. Errors name
 * layer and tensor: "layer 1 (lstm), weight_ih". o may be NULL. */
PST_API pst_status pst_model_create(const pst_layer *const *layers, size_t count, const pst_model_options *o,
                                    pst_model **out);

/* Reads a .safetensors checkpoint: either one with Penstock's layer graph in its metadata (docs/format.md), or a bare
 * state_dict of an LSTM stack and Linear (lstm.weight_ih_l0 ... fc.weight, any names and prefix, with and without
 * biases), from which layers and sizes are inferred. Tensors F32, F64, F16, BF16. What is ambiguous or left over is an
 * error that lists the tensors. o may be NULL. Reads the whole file into memory. */
PST_API pst_status pst_model_read(const char *path, const pst_read_options *o, pst_model **out);
/* The same from n bytes in memory. */
PST_API pst_status pst_model_read_memory(const void *bytes, size_t n, const pst_read_options *o, pst_model **out);
PST_API pst_status pst_model_get_info(const pst_model *m, pst_info *out);
/* Layer `index`, counted from 0 in the order of the data. */
PST_API pst_status pst_model_get_layer(const pst_model *m, uint32_t index, pst_layer_info *out);
/* The tensor of that name (pst_tensor) of a layer, as the model holds it: PST_F32. What *out points to lives as long as
 * the model. PST_E_EMPTY: absent, zeros; PST_E_ARGUMENT: the kind has no such tensor. Allocates nothing. */
PST_API pst_status pst_model_get_tensor(const pst_model *m, uint32_t layer, const char *name, pst_tensor *out);
/* Writes a .safetensors checkpoint with a layer graph, tensors F32, as pst_program_save does. Reading it gives the same
 * model bit for bit; the same model gives the same bytes. */
PST_API pst_status pst_model_save(const pst_model *m, const char *path);
PST_API void pst_model_free(pst_model *m);

/* The reference: the model in float64, slow and obvious, from its fp32 weights. x is [sequences, steps, inputs], y is
 * [sequences, steps, outputs]; each sequence starts from the model's initial state. Takes time in proportion to
 * sequences * steps * parameters (about 1e-9 s each). */
PST_API pst_status pst_model_reference(const pst_model *m, const float *x, uint64_t sequences, uint64_t steps,
                                       double *y);

/* ---- error, and programs ---------------------------------------------------------------------------------------- */

typedef struct pst_program pst_program;

/* Called now and then during long work, on the calling thread: done in [0, 1], stage a short text. Non-zero cancels:
 * the call returns PST_E_CANCELLED. Must not call back into the object being made. */
typedef int (*pst_progress)(void *user, double done, const char *stage);

/* The distance between an answer and the float64 answer, pooled over outputs, steps and sequences from the first step
 * on. relative_rms = rms error / rms of (y - mean y), mean y being each output's own; NaN if y is constant. */
typedef struct {
    size_t size;
    uint64_t steps, sequences, seed;     /* compared; of the noise, 0 where the input was the caller's */
    uint64_t worst_step, worst_sequence; /* where max_abs was found, */
    uint32_t worst_output;               /* and of which output */
    uint32_t from_caller;                /* 1: over the caller's input; 0: over seeded noise */
    double max_abs, rms, relative_rms;
    /* What it is over: "calibration"; "noise"; "held-back", input that nothing was calibrated on; "long run", 10,000
     * steps of that, or of what there is; "step change", the steps right after x has jumped from one held-back input to
     * another; "after reset", first steps; made to hurt: "saturated", "spikes" of 1e4, "zero", "alternating", "tiny".
     */
    const char *over;
    double drift; /* rms error of the last tenth of the steps / that of the first tenth; NaN if that is 0 */
    double constant_rms, constant_max_abs; /* the errors that a constant y would have, at each output's mean */
} pst_certificate;

/* Fills the error fields of *out for y against expect, both [sequences, steps, outputs]. Doubles in expect may be any
 * finite number; a y that is not finite gives PST_E_NONFINITE. */
PST_API pst_status pst_compare(const float *y, const double *expect, uint64_t sequences, uint64_t steps,
                               uint32_t outputs, pst_certificate *out);

/* One format that "auto" has tried. */
typedef struct {
    size_t size;
    const char *format, *layer_formats; /* as in pst_compile_options; NULL: none */
    double predicted_us;                /* a respond on the host that compiled, on that many cores */
    double max_abs, rms, relative_rms;  /* certified: the worse of calibration and held-back */
    uint32_t holds, chosen;             /* 1: within the tolerance; the one that was kept */
} pst_frontier;
/* Called with each once the search has ended, in the order of predicted latency, on the calling thread; `tried` lives
 * during the call. So they are known also where none holds and there is no program. */
typedef void (*pst_tried)(void *user, const pst_frontier *tried);

/* flags of pst_compile_options. UNCERTIFIED: no certificate. NEAREST: weights are rounded to nearest, whatever the
 * calibration says. PROVE: also certificates over a long run and inputs made to hurt, and the error of each matrix. */
enum { PST_COMPILE_UNCERTIFIED = 1, PST_COMPILE_NEAREST = 2, PST_COMPILE_PROVE = 4 };

/* FORMATS. w4a8 means weights of 4 bits, activations of 8. A whole format is f32, bf16, w8a16, w8a8, w6a16, w4a16,
 * w4a8, w3a8, w2a8 (W_ih so; of fewer than 8 bits W_hh, off the path, and the Linear are w8a16), or w8r, w6r, w4r, w3r,
 * w2r: respond multiplies W_ih coarsely (as w8a16, w6a16, w4a8, w3a8, w2a8), settle adds the rest in 8 bits. Or roles,
 * any of "ih=w4r,hh=w16a16,linear=w8a16" (those left out: as in the format of ih's name). Or "auto": the search below.
 */
typedef struct {
    size_t size;
    const char *format;         /* NULL: "bf16" */
    const float *calibration;   /* [sequences, steps, inputs], or NULL */
    uint64_t steps, sequences;  /* of the calibration; sequences 0 means 1 */
    uint64_t seed;              /* of the noise that the certificate uses without calibration; 0: a fixed seed */
    uint64_t certificate_steps; /* of each sequence that the certificate runs, at most; 0: 64 to 1,000 in all, as many
                                   as 2e9 reference multiply-adds allow: the first steps of the first sequences */
    double tolerance, tolerance_abs; /* on relative rms, on max absolute error; 0: none */
    uint32_t flags;
    pst_progress progress;
    void *user;
    const char *level;         /* highest level that the certificate's engine may use, as in pst_engine_options */
    const char *layer_formats; /* other formats of some layers: "0=w8a16;2=ih=w4r,hh=bf16"; NULL: none */
    uint32_t group; /* inputs that share a multiplier, of 2 to 4 bits: a power of two from 32 on; 0: 32 (2 bits: 64) */
    const float *held_back; /* [held_back_sequences, held_back_steps, inputs]: input to certify over that nothing is
                               calibrated on; NULL: the last fifth of the calibration, which then is no more of it:
                               of its sequences if there are 5, else of the steps of each if those are 100, else
                               nothing */
    uint64_t held_back_steps, held_back_sequences; /* sequences 0 means 1 */
    uint32_t cores;                                /* "auto": on how many its formats are timed; 0: 1 */
    pst_tried tried;                               /* "auto": called with each format; with `user`; NULL: not */
} pst_compile_options;

/* Compiles a model into a program and certifies it: the program is run on this host against the float64 reference, over
 * the calibration input and held-back input, or without any over seeded normal noise (an error on noise is not an error
 * on your data). With calibration the integer formats take from it the scales of h and of x's features, the rhos of
 * rests, and round weights to the least error of the products (docs/numerics.md). o may be NULL. PST_E_TOLERANCE if a
 * tolerance was given and missed, by either certificate; the message has the figure reached. "auto" needs a tolerance:
 * it times formats on this host, tries those per matrix that promise most, and gives the fastest of them that holds. */
PST_API pst_status pst_compile(const pst_model *m, const pst_compile_options *o, pst_program **out);
/* The certificate made at compiling; it travels in the file. PST_E_EMPTY if there is none. */
PST_API pst_status pst_program_certificate(const pst_program *p, pst_certificate *out);
/* All certificates, the same one as number 0, then those over other inputs. PST_E_EMPTY beyond the last. */
PST_API pst_status pst_program_get_certificate(const pst_program *p, uint32_t index, pst_certificate *out);
/* What "auto" has tried, in the order of predicted latency; texts live as long as the program; in no file. PST_E_EMPTY
 * beyond the last, and where nothing was searched. */
PST_API pst_status pst_program_get_frontier(const pst_program *p, uint32_t index, pst_frontier *out);
/* Writes a .pstk file: to a temporary name in the same folder, fsync, rename. */
PST_API pst_status pst_program_save(const pst_program *p, const char *path);
/* Reads a .pstk file whole and checks it: truncated, altered or of an unknown version is refused with the reason. */
PST_API pst_status pst_program_open(const char *path, pst_program **out);
PST_API pst_status pst_program_open_memory(const void *bytes, size_t n, pst_program **out);
PST_API pst_status pst_program_get_info(const pst_program *p, pst_info *out);
PST_API pst_status pst_program_get_layer(const pst_program *p, uint32_t index, pst_layer_info *out);
PST_API pst_status pst_program_get_matrix(const pst_program *p, uint32_t layer, uint32_t index, pst_matrix_info *out);
PST_API void pst_program_free(pst_program *p);

/* ---- engines ---------------------------------------------------------------------------------------------------- */

typedef struct pst_engine pst_engine;

/* How a core waits for its next work, and for the others in a step. SPIN polls. WAIT sleeps on the line it awaits
 * (umwait, mwaitx, wfe) where the processor can, between steps. YIELD polls, then calls sched_yield; PARK polls, then
 * sleeps in the kernel between steps, and the caller wakes it: both make system calls in a step. AUTO: SPIN where every
 * thread of the engine, the caller's too, has a CPU to itself, else YIELD. What the host lacks leaves a line in the
 * engine's information. Cores that spin or wait rehearse: after some 50 us without work they touch their weights again.
 */
enum { PST_IDLE_AUTO = 0, PST_IDLE_SPIN, PST_IDLE_WAIT, PST_IDLE_YIELD, PST_IDLE_PARK };
/* CORE: the calling thread is core 0, so an engine on n cores starts n - 1 threads. APART: the engine starts n threads,
 * and the caller only hands over x and takes y. */
enum { PST_CALLER_CORE = 0, PST_CALLER_APART };

typedef struct {
    size_t size;
    uint32_t cores;       /* 0: 1. At most 64; and unless PST_ENGINE_OVERSUBSCRIBE no more than the caller's CPUs (but
                             where cpus names them) and its cgroup's quota, else PST_E_HOST. (A caller that is the only
                             core is not checked.) */
    const uint32_t *cpus; /* [cores]: the system's number of each core's CPU, core 0 first (of the caller that is core 0
                             a place for its weights, and for pst_engine_bind_caller); one that the system
                             refuses: PST_E_HOST, with PST_ENGINE_OVERSUBSCRIBE a line in the information. NULL: chosen
                             among the CPUs that the calling thread may run on, its own first (last where the caller is
                             apart), then those that share the nearest cache */
    int caller;           /* PST_CALLER_... */
    int idle;             /* PST_IDLE_... */
    uint32_t spin_us;     /* YIELD, PARK: how long to poll first; 0: the default: YIELD not at all, PARK 50 */
    uint32_t flags;       /* PST_ENGINE_... */
    const char
        *level; /* highest instruction set level to use; NULL: the machine's best. One the machine lacks: PST_E_HOST */
    uint32_t deadline_us; /* a step in which a core stays silent for longer, counted anew for each slice that the caller
                             waits for, is given up with PST_E_LATE; 0: never */
} pst_engine_options;

/* flags of pst_engine_options */
enum {
    PST_ENGINE_NO_HUGE_PAGES = 1, /* do not ask for huge pages */
    PST_ENGINE_NO_LOCK = 2,       /* do not lock pages in memory */
    PST_ENGINE_OVERSUBSCRIBE = 4, /* more cores than CPUs are meant, or several on one CPU */
    PST_ENGINE_NO_TOUCH = 8       /* settle does not end with reading respond's weights again (see retouched_bytes) */
};

typedef struct {
    size_t size;
    uint32_t cores;
    const char *level;   /* the level whose kernels run */
    uint64_t page_bytes; /* size of the pages that hold the weights; 4096 if huge pages were refused */
    /* All cores together: weights copied, of them locked in memory, pages that one stream takes. */
    uint64_t weight_bytes, locked_bytes, stream_bytes;
    uint64_t settle_units;         /* units of one whole settle of the caller's share: pst_settle counts in these */
    const char *const *shortfalls; /* one sentence for each thing that was refused, and the fallback taken */
    size_t shortfall_count;
    const uint32_t *cpus;     /* [cores]: the CPU each core is bound to, or meant for (the caller's); UINT32_MAX: any */
    const char *idle;         /* "spin", "wait", "yield", "park" */
    uint32_t threads;         /* started by the engine */
    uint64_t retouched_bytes; /* of respond's weights, how many a core reads again at the end of a settle, because its
                                 share of the weights exceeds its L2: the core with the most of them; 0: none */
} pst_engine_info;

/* Places a program on this host: copies its weights into pages of its own (hugetlb if the system has some free, else
 * transparent huge pages, else ordinary ones; each refusal leaves a line in the information), resident before the call
 * returns, each core's share touched first by its own thread, and chooses the kernels. One core starts no thread and
 * pins nothing; on more, each thread is bound to its CPU. The bits do not depend on the number of cores. o may be NULL.
 * Takes about as long as copying the weights, and some milliseconds for threads and topology (hwloc, which reads
 * environment variables of its own). */
PST_API pst_status pst_engine_open(const pst_program *p, const pst_engine_options *o, pst_engine **out);
/* Strings and lists live until the engine is closed. */
PST_API pst_status pst_engine_get_info(const pst_engine *e, pst_engine_info *out);
/* Binds the calling thread to the CPU of core 0, where the weights it will read were placed (PST_E_UNSUPPORTED if the
 * caller is apart); PST_E_HOST if the system refuses. The library does this nowhere by itself. Unbinding gives the
 * thread that was bound the affinity it had; call it on that thread. PST_E_ARGUMENT if it is bound already, or not. */
PST_API pst_status pst_engine_bind_caller(pst_engine *e);
PST_API pst_status pst_engine_unbind_caller(pst_engine *e);
/* Stops and joins the engine's threads, whatever settle they still owe, and frees the engine. Blocks until they have
 * ended. Any thread may call it, but none may be using the engine. A bound caller stays bound. Its streams answer
 * PST_E_CLOSED until they are closed. In a forked child: frees the child's copy. */
PST_API void pst_engine_close(pst_engine *e);

/* The levels that this machine and this build have, best last: "scalar", "avx2", ... Static storage; *count may be
 * asked alone with names NULL. Never fails. */
PST_API void pst_levels(const char *const **names, size_t *count);

/* ---- streams ---------------------------------------------------------------------------------------------------- */

typedef struct pst_stream pst_stream;

/* h0, c0: the initial state, the units of all lstm layers one after the other in the data's order; NULL: the model's. A
 * value that is not finite, or an h0 beyond what the format's scale of h holds, is an error naming layer and unit. */
typedef struct {
    size_t size;
    const float *h0, *c0;
} pst_stream_options;

/* Opens a stream in its initial state, no settle owing. Allocates. o may be NULL. Like every call on a stream but
 * pst_step, pst_settle and pst_warm, it waits until all cores have done their part. */
PST_API pst_status pst_stream_open(pst_engine *e, const pst_stream_options *o, pst_stream **out);
/* One timestep: x[nx] in, y[ny] out; nx and ny must be the program's inputs and outputs. Returns when y is written.
 * If settle is still owing from the step before, it is finished first. x that is not finite or beyond 2^60 in
 * magnitude: PST_E_NONFINITE naming the first index; y and the stream are untouched. x and y may be the same array.
 * PST_E_LATE: a core was silent for the engine's deadline. The stream stands as before the step, y is untouched, and
 * every call on the engine and its streams answers PST_E_LATE at once until that core has caught up (pst_stream_close
 * and pst_engine_close wait for it instead). The first call after that waits for the cores to go back, no longer than
 * the deadline. */
PST_API pst_status pst_step(pst_stream *s, const float *x, size_t nx, float *y, size_t ny);
/* Does work that the next step would otherwise have to do first: at most `units` units (0: all) of the settle that the
 * calling thread's core owes. *left, if not NULL, becomes the number of units still owing (0 where the caller is
 * apart). The engine's threads settle their own shares unasked. Calling it is never needed for correctness. */
PST_API pst_status pst_settle(pst_stream *s, uint32_t units, uint32_t *left);
/* Brings what the next step needs, code and data, into the caches of all cores and wakes the wide vector units, by a
 * step of no stream; changes no state. Takes about as long as a step and its settle. For use shortly before a step
 * after a long pause. PST_E_LATE as pst_step. */
PST_API pst_status pst_warm(pst_stream *s);
/* `steps` steps, settle included: x [steps, inputs], y [steps, outputs]; the same bits as that many pst_step. On an
 * error (message: which step) the steps before it have been done and their y written. */
PST_API pst_status pst_run(pst_stream *s, const float *x, size_t steps, float *y);
/* Back to the initial state that the stream was opened with. Leaves no settle owing. */
PST_API pst_status pst_stream_reset(pst_stream *s);
/* Bytes that pst_stream_save writes; 0 for NULL, and where the engine was closed, is late, or is the parent's. */
PST_API size_t pst_stream_state_size(const pst_stream *s);
/* Saves the state after the last step, whether settled or not (where W_ih leaves a rest the settle is finished first):
 * n >= pst_stream_state_size. Portable between machines, levels and numbers of cores; carries the program's hash. Does
 * not allocate. */
PST_API pst_status pst_stream_save(const pst_stream *s, void *state, size_t n);
/* Puts the stream into a saved state; leaves no settle owing. PST_E_MISMATCH if it was saved under another program,
 * PST_E_CORRUPT if it was altered. */
PST_API pst_status pst_stream_restore(pst_stream *s, const void *state, size_t n);
/* A second stream of the same engine in the same state. Allocates. */
PST_API pst_status pst_stream_clone(const pst_stream *s, pst_stream **out);
/* h and c after the last step, [n] each, n = the units of all lstm layers in the data's order, h in the precision in
 * which W_hh reads it: as h0 and c0 of pst_stream_options they go on with the same bits, unless W_ih leaves a rest,
 * which has the last input to add, too (pst_stream_save has it). Does not allocate. */
PST_API pst_status pst_stream_get_state(const pst_stream *s, float *h, float *c, size_t n);
PST_API void pst_stream_close(pst_stream *s);

/* ---- the host, and the floor ------------------------------------------------------------------------------------ */

typedef struct {
    size_t size;
    char cpu[64];
    uint32_t logical_cpus, virtualised; /* virtualised 1: the CPU says that a hypervisor is there */
    uint64_t l1d_bytes, l2_bytes, l3_bytes;
    double l1_gbs, l2_gbs, l3_gbs; /* one core's reads at half of L1d, 3/4 of L2, 1/4 of L3 (16 MB at most); 1e9 B/s */
    double hiccup_seconds;         /* how long a loop that only reads the clock was watched */
    uint64_t hiccups_1us, hiccups_10us, hiccups_100us; /* gaps in it at least that long */
    double hiccup_max_us, hiccup_share;                /* the longest gap; share of the time lost in gaps >= 1 us */
} pst_host;

/* Describes the host and measures what it does to latency, on the calling thread, for about `seconds` in all (at
 * least 0.2). Blocks that long. level as in pst_engine_options. */
PST_API pst_status pst_host_measure(double seconds, const char *level, pst_host *out);

/* The floor of a respond: how long this engine's cores take only to read their critical weights from where a settle has
 * left them, and to hand a line from one to the next, nothing else done. */
typedef struct {
    size_t size;
    uint64_t critical_bytes; /* on the path: the largest share of a core, layer by layer */
    double read_ns; /* median time of a bare read of them, all cores at once, each after a settle: the slowest core's */
    double bandwidth_gbs, p_slow; /* critical_bytes / read_ns; share of the reads above 1.2 times the median */
    uint32_t hops;                /* of a step, one after the other: from x to y; 0 where the caller is the only core */
    double hop_ns, floor_ns;      /* median time of one, half of the way there and back; read_ns + hops * hop_ns */
} pst_floor;

/* Measures the floor with `repeats` (at least 3) reads spaced by spacing_us microseconds, on the calling thread.
 * Changes no stream. */
PST_API pst_status pst_engine_floor(pst_engine *e, uint32_t repeats, double spacing_us, pst_floor *out);

/* The CPUs (hardware threads, by the system's numbers) that the calling thread may run on: the lowest, then the best
 * company for it first, as far as the system tells: own cores before the second threads of cores, near caches before
 * far ones. *count is the room in cpus and becomes their number; cpus NULL: only that. Too little room:
 * PST_E_ARGUMENT, and `expected` of the error is the number. Allocates meanwhile; takes some milliseconds. */
PST_API pst_status pst_host_cpus(uint32_t *cpus, size_t *count);

/* How long a cache line takes from one CPU to another: half a round trip, in ns, to 1 %. */
typedef struct {
    size_t size;
    uint64_t count; /* round trips */
    double p50_ns, p99_ns, p999_ns, max_ns, mean_ns;
} pst_hop;

/* Lets two threads of its own, one bound to each CPU, answer each other through memory for about `seconds` (in [0,
 * 3600]; at least 1 ms), spinning; where both are the same CPU, yielding it. Blocks that long; allocates. The caller's
 * affinity stays. PST_E_HOST if a CPU is not this process's to use, or gave its thread no time within 2 s more: then
 * the call returns all the same, and the thread ends when it gets to run. */
PST_API pst_status pst_host_hop(uint32_t cpu_a, uint32_t cpu_b, double seconds, pst_hop *out);

/* What the same register-only work takes on CPU a while b sleeps, and while b does it too. The ratio is near 1 for
 * cores of their own and near 2 for two threads of one core, which a virtual machine may not tell otherwise. */
typedef struct {
    size_t size;
    uint64_t count;               /* pieces of work timed */
    double alone_ns, together_ns; /* medians of one piece */
    double slowdown;              /* together_ns / alone_ns */
} pst_sharing;

/* As pst_host_hop, in turns of 2 ms and at least 20 ms; a and b must differ. */
PST_API pst_status pst_host_sharing(uint32_t cpu_a, uint32_t cpu_b, double seconds, pst_sharing *out);

#ifdef __cplusplus
}
#endif
#endif
