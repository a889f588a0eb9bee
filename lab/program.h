/* A program: one subject in one format, and what is true of it on any number of cores. Its cells share it. */
#ifndef LAB_PROGRAM_H
#define LAB_PROGRAM_H

#include "lab/subject.h"
#include "penstock.h"

enum { LAB_PILOT_MOST = 9 };

/* Numbers of cores that a pilot run has tried: see pilot.h. */
typedef struct {
    struct {
        uint32_t cores;
        double p50_us;
    } tried[LAB_PILOT_MOST];
    uint32_t count, best; /* count 0: there was no pilot run; best: index of the least p50 */
} lab_pilot;

typedef struct {
    const lab_subject *subject;
    pst_program *own;   /* NULL for a .pstk, which is its subject's */
    const char *format; /* as it was asked for; of a .pstk its own */
    pst_info info;
    pst_certificate errors;         /* over --input's kind; of a .pstk as certified; steps 0: not known */
    double relative_rms[LAB_KINDS]; /* of the format over each kind, calibrated on the same one; NaN: not known */
    double compile_s;               /* 0: it was not compiled here */
    lab_pilot pilot;
} lab_program;

/* Compiles, calibrated on --input's kind, and finds the errors over it, on one core: the bits are the same on any
 * number. format is NULL for a .pstk, and else must outlive *p. A .pstk has no model to compare with: its certificate
 * says. */
int lab_program_open(const lab_subject *subject, const char *format, const lab_options *o, lab_program *p);
/* Finds relative_rms over another kind. */
int lab_program_try(lab_program *p, int kind, const lab_options *o);
void lab_program_close(lab_program *p);

/* What it is called in a table: a path's last part. */
const char *lab_program_name(const lab_program *p);
/* Its format in a table, where there is room for so many characters of it. JSON has all of it. */
enum { LAB_FORMAT_CELL = 28 };

static inline const pst_program *lab_program_of(const lab_program *p) {
    return p->own ? p->own : p->subject->compiled;
}

#endif
