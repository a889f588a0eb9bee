/* Instruction set levels: what the processor and the operating system can run, asked of CPUID and XGETBV. */
#include "cpu/levels.h"

#include <pthread.h>
#include <string.h>

#include "base/status.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#define PSTI_LEVEL(name, text) #name,
const char *const psti_level_names[PSTI_LEVELS] = {
#include "cpu/levels.def"
};
#undef PSTI_LEVEL

#define PSTI_LEVEL(name, text) text,
static const char *const level_needs[PSTI_LEVELS] = {
#include "cpu/levels.def"
};
#undef PSTI_LEVEL

#define PSTI_LEVEL(name, text) " " #name
static const char all_names[] =
#include "cpu/levels.def"
    ;
#undef PSTI_LEVEL

/* Asked once: CPUID leaves the guest of a virtual machine, which takes tens of microseconds. */
static pthread_once_t asked = PTHREAD_ONCE_INIT;
static uint32_t levels, features;
static const char *names_here[PSTI_LEVELS];
static size_t names_count;

#if defined(__x86_64__)

/* Bits, from the Intel SDM volume 2A, CPUID, and AMD's APM volume 3, appendix E. */
enum {
    LEAF1_ECX_FMA = 1 << 12,
    LEAF1_ECX_OSXSAVE = 1 << 27,
    LEAF1_ECX_AVX = 1 << 28,
    LEAF7_EBX_AVX2 = 1 << 5,
    LEAF7_EBX_AVX512F = 1 << 16,
    LEAF7_EBX_AVX512DQ = 1 << 17,
    LEAF7_EBX_AVX512BW = 1 << 30,
    LEAF7_ECX_AVX512_VNNI = 1 << 11,
    LEAF7_1_EAX_AVX_VNNI = 1 << 4,
    LEAF7_1_EAX_AVX512_BF16 = 1 << 5,
    XCR0_XMM_YMM = 0x06,   /* the operating system saves both halves of ymm */
    XCR0_OPMASK_ZMM = 0xe0 /* k0-k7, the upper halves of zmm0-15, and zmm16-31 */
};
#define LEAF7_EBX_AVX512VL 0x80000000u

/* The register states that the operating system saves; only valid with OSXSAVE. */
static uint32_t enabled_states(void) {
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

static void ask(uint32_t *level_bits, uint32_t *feature_bits) {
    uint32_t a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d))
        return;
    if (!(c & LEAF1_ECX_OSXSAVE) || !(c & LEAF1_ECX_AVX) || !(c & LEAF1_ECX_FMA))
        return;
    uint32_t states = enabled_states();
    if ((states & XCR0_XMM_YMM) != XCR0_XMM_YMM)
        return;
    uint32_t highest_subleaf, leaf7_b, leaf7_c;
    if (!__get_cpuid_count(7, 0, &highest_subleaf, &leaf7_b, &leaf7_c, &d) || !(leaf7_b & LEAF7_EBX_AVX2))
        return;
    uint32_t leaf7_1_a = 0;
    if (highest_subleaf >= 1)
        __get_cpuid_count(7, 1, &leaf7_1_a, &b, &c, &d);

    const uint32_t wide_bits = LEAF7_EBX_AVX512F | LEAF7_EBX_AVX512DQ | LEAF7_EBX_AVX512BW | LEAF7_EBX_AVX512VL;
    int wide = (leaf7_b & wide_bits) == wide_bits && (states & XCR0_OPMASK_ZMM) == XCR0_OPMASK_ZMM;
    int wide_vnni = wide && (leaf7_c & LEAF7_ECX_AVX512_VNNI);
    if (leaf7_1_a & LEAF7_1_EAX_AVX_VNNI)
        *feature_bits |= PSTI_CPU_AVX_VNNI;
    if (wide_vnni)
        *feature_bits |= PSTI_CPU_AVX512_VNNI_VL;

    *level_bits |= 1u << PSTI_LEVEL_avx2;
    if (*feature_bits)
        *level_bits |= 1u << PSTI_LEVEL_avx2_vnni;
    if (wide)
        *level_bits |= 1u << PSTI_LEVEL_avx512;
    if (wide_vnni)
        *level_bits |= 1u << PSTI_LEVEL_avx512_vnni;
    if (wide_vnni && (leaf7_1_a & LEAF7_1_EAX_AVX512_BF16))
        *level_bits |= 1u << PSTI_LEVEL_avx512_bf16;
}

#else

static void ask(uint32_t *level_bits, uint32_t *feature_bits) {
    (void)level_bits;
    (void)feature_bits;
}

#endif

static void ask_once(void) {
    levels = 1u << PSTI_LEVEL_scalar;
    ask(&levels, &features);
    for (int i = 0; i < PSTI_LEVELS; i++) {
        if (levels & 1u << i)
            names_here[names_count++] = psti_level_names[i];
    }
}

uint32_t psti_levels_here(void) {
    pthread_once(&asked, ask_once);
    return levels;
}

uint32_t psti_cpu_features(void) {
    pthread_once(&asked, ask_once);
    return features;
}

void pst_levels(const char *const **names, size_t *count) {
    pthread_once(&asked, ask_once);
    if (names)
        *names = names_here;
    if (count)
        *count = names_count;
}

pst_status psti_level_choose(const char *name, int *level) {
    uint32_t here = psti_levels_here();
    if (!name) {
        for (int i = 0; i < PSTI_LEVELS; i++) {
            if (here & 1u << i)
                *level = i;
        }
        return PST_OK;
    }
    for (int i = 0; i < PSTI_LEVELS; i++) {
        if (strcmp(name, psti_level_names[i]) != 0)
            continue;
        if (!(here & 1u << i))
            return psti_fail(PST_E_HOST, (psti_where){.field = "level"},
                             "level %s: this machine or build lacks it (it needs %s); the best here is %s", name,
                             level_needs[i], names_here[names_count - 1]);
        *level = i;
        return PST_OK;
    }
    return psti_fail(PST_E_ARGUMENT, (psti_where){.field = "level"}, "level \"%s\" is unknown; the levels are%s", name,
                     all_names);
}
