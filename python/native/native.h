/* The hot path of the Python package: a step without cffi, which would release the GIL in each call. Everything that is
 * not called once a step goes through cffi, in Python. All of this runs with the GIL held unless it says otherwise. */
#ifndef PENSTOCK_PYTHON_NATIVE_H
#define PENSTOCK_PYTHON_NATIVE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "penstock.h"

/* What the module holds. */
typedef struct {
    PyTypeObject *gate, *stepper, *bound;
    PyObject *fail;    /* fail(status): raises the error of this thread's last failing call */
    PyObject *refuse;  /* refuse(name, value, width, writable): raises what is wrong with an argument */
    PyObject *misuse;  /* misuse(what): raises what went wrong; its words are those of penstock/_native.py */
    PyObject *empty;   /* numpy.empty */
    PyObject *ndarray; /* numpy.ndarray */
    PyObject *float32; /* numpy.dtype("float32") */
    /* Found in sys.modules once somebody has imported torch, which this package does not. */
    PyObject *tensor, *parameter, *torch_float32;
    const struct dlpack_exchange *exchange; /* NULL: an older torch */
    /* interned */
    PyObject *mask, *requires_grad, *dtype, *is_cpu, *is_contiguous, *is_neg, *shape, *data_ptr;
} module_state;

/* An engine, and who may drive it: one thread at a time. It is owned here, so that it is closed exactly once and after
 * whatever is running on it, in whichever order Python frees things. */
typedef struct {
    PyObject_HEAD module_state *state; /* the module lives as long as its types */
    pst_engine *engine;                /* NULL: closed */
    int busy;                          /* a call is under way without the GIL; set and cleared with it */
    long pid;                          /* of the process that opened it: in a child nobody is left to clear `busy` */
    pst_stream **doomed;               /* streams freed while a call was under way: closed behind it */
    size_t doomed_count, doomed_room;
} gate_object;

/* A stream on an engine; penstock.Stream is a subclass. */
typedef struct {
    PyObject_HEAD gate_object *gate;
    pst_stream *stream; /* NULL: closed */
    Py_ssize_t inputs, outputs;
    int release_gil;
    PyObject *empty_arguments; /* (outputs, float32) for numpy.empty */
} stepper_object;

/* ---- gate.c ---- */
extern PyType_Spec gate_spec;
/* Raises by the module's `misuse`: "busy", "closed" ...; -1. */
int misuse(module_state *state, const char *what);
/* 0, or -1 with BusyError or ClosedError set. */
int gate_check(gate_object *gate);
/* The same, and busy until gate_leave. */
int gate_enter(gate_object *gate);
void gate_leave(gate_object *gate);
/* The object if it is one, else NULL with TypeError set. */
gate_object *gate_of(PyObject *object);
/* Closes a stream now, or as soon as what is under way on its engine has ended. */
void gate_doom(gate_object *gate, pst_stream *stream);

/* ---- operand.c ---- */
/* The floats of an array or a tensor, held until operand_release. */
typedef struct {
    Py_buffer view; /* view.obj is NULL where `held` is */
    PyObject *held; /* a tensor */
    float *data;
} operand;
/* Takes `width` float32 of value, [width] or [1, .., width], without a copy: 0, or -1 with the error set. `name` is
 * what the error calls it. */
int operand_take(module_state *state, operand *o, PyObject *value, const char *name, Py_ssize_t width, int writable);
void operand_release(operand *o);

/* ---- tensor.c ---- */
/* The memory of a tensor that is as operand_take wants it; else -1, perhaps with an exception set. */
int tensor_take(module_state *state, PyObject *value, Py_ssize_t width, float **data);

/* ---- stepper.c, bound.c ---- */
extern PyType_Spec stepper_spec, bound_spec;
/* 0, or -1 with the error set: a closed stream, or a busy engine. */
int stepper_check(stepper_object *stepper);
/* One step: 0, or -1 with the error set. */
int stepper_step(stepper_object *stepper, const float *x, float *y, int release_gil);
/* The callable of stream.bind. */
PyObject *bound_new(stepper_object *stepper, PyObject *x, PyObject *y);
/* Raises by the module's `fail`; -1. */
int raise_status(module_state *state, pst_status status);

#endif
