/* A program: one subject in one format, and what is true of it on any number of cores. Its cells share it. */
#ifndef LAB_PROGRAM_H
#define LAB_PROGRAM_H

#include "lab/subject.h"
#include "penstock.h"

typedef struct {
    const lab_subject *subject;
    pst_program *own; /* NULL for a .pstk, which is its subject's */
    char format[16];
    pst_info info;
    pst_certificate errors; /* steps 0: not known */
    double compile_s;       /* 0: it was not compiled here */
} lab_program;

/* Compiles, and finds the errors, on one core: the bits are the same on any number. format is NULL for a .pstk. */
int lab_program_open(const lab_subject *subject, const char *format, const lab_options *o, lab_program *p);
void lab_program_close(lab_program *p);

static inline const pst_program *lab_program_of(const lab_program *p) {
    return p->own ? p->own : p->subject->compiled;
}

#endif
