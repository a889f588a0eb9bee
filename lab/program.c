/* A program: see program.h. */
#include "lab/program.h"

#include <string.h>

#include "lab/error.h"

int lab_program_open(const lab_subject *subject, const char *format, const lab_options *o, lab_program *p) {
    memset(p, 0, sizeof *p);
    p->subject = subject;
    PST_INIT(p->info);
    int result = subject->model ? lab_subject_compile(subject, format, &p->own, &p->compile_s) : 0;
    if (!result && pst_program_get_info(lab_program_of(p), &p->info) != PST_OK)
        result = lab_fail_library(subject->name);
    if (!result)
        result = lab_subject_errors(subject, lab_program_of(p), o->level, &p->errors);
    if (result) {
        lab_program_close(p);
        return result;
    }
    p->format = format ? format : p->info.format;
    return 0;
}

void lab_program_close(lab_program *p) {
    pst_program_free(p->own);
    memset(p, 0, sizeof *p);
}

const char *lab_program_name(const lab_program *p) {
    const char *slash = strrchr(p->subject->name, '/');
    return slash ? slash + 1 : p->subject->name;
}
