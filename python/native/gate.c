/* Gate: an engine, and that only one thread at a time drives it. */
#include <unistd.h>

#include "native.h"

int misuse(module_state *state, const char *what) {
    PyErr_Clear();
    PyObject *result = PyObject_CallFunction(state->misuse, "s", what);
    if (result) {
        Py_DECREF(result);
        PyErr_SetString(PyExc_SystemError, "penstock: misuse() did not raise");
    }
    return -1;
}

/* A call that was under way when the process forked is under way in the parent only. */
static int is_busy(gate_object *gate) {
    if (gate->busy && (long)getpid() != gate->pid) {
        gate->busy = 0;
        gate->pid = (long)getpid();
    }
    return gate->busy;
}

int gate_check(gate_object *gate) {
    if (gate->busy && is_busy(gate))
        return misuse(gate->state, "busy");
    return gate->engine ? 0 : misuse(gate->state, "closed");
}

int gate_enter(gate_object *gate) {
    if (gate_check(gate))
        return -1;
    gate->busy = 1;
    return 0;
}

void gate_leave(gate_object *gate) {
    gate->busy = 0;
    while (gate->doomed_count)
        pst_stream_close(gate->doomed[--gate->doomed_count]);
}

void gate_doom(gate_object *gate, pst_stream *stream) {
    if (!stream)
        return;
    if (!is_busy(gate)) {
        pst_stream_close(stream);
        return;
    }
    if (gate->doomed_count == gate->doomed_room) {
        size_t room = gate->doomed_room ? 2 * gate->doomed_room : 4;
        pst_stream **doomed = PyMem_Realloc(gate->doomed, room * sizeof *doomed);
        if (!doomed) /* rather a stream that is never closed than one that is closed under a step */
            return;
        gate->doomed = doomed;
        gate->doomed_room = room;
    }
    gate->doomed[gate->doomed_count++] = stream;
}

static PyObject *gate_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    PyObject *address;
    if (kwargs && PyDict_Size(kwargs)) {
        PyErr_SetString(PyExc_TypeError, "Gate takes no keyword arguments");
        return NULL;
    }
    if (!PyArg_ParseTuple(args, "O!:Gate", &PyLong_Type, &address))
        return NULL;
    void *engine = PyLong_AsVoidPtr(address);
    if (!engine) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_ValueError, "Gate: an engine's address is wanted");
        return NULL;
    }
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    gate_object *gate = (gate_object *)allocate(type, 0);
    if (!gate)
        return NULL;
    gate->state = PyType_GetModuleState(type);
    gate->engine = engine;
    gate->pid = (long)getpid();
    return (PyObject *)gate;
}

static void gate_dealloc(PyObject *self) {
    gate_object *gate = (gate_object *)self;
    PyTypeObject *type = Py_TYPE(self);
    /* Nothing runs on it any more: what runs holds a reference. */
    gate_leave(gate);
    pst_engine_close(gate->engine);
    PyMem_Free(gate->doomed);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF((PyObject *)type);
}

gate_object *gate_of(PyObject *object) {
    if (PyType_GetSlot(Py_TYPE(object), Py_tp_new) == (void *)gate_new)
        return (gate_object *)object;
    PyErr_SetString(PyExc_TypeError, "a Gate is wanted");
    return NULL;
}

static PyObject *gate_dunder_enter(PyObject *self, PyObject *unused) {
    (void)unused;
    if (gate_enter((gate_object *)self))
        return NULL;
    return Py_NewRef(self);
}

static PyObject *gate_dunder_exit(PyObject *self, PyObject *args) {
    (void)args;
    gate_leave((gate_object *)self);
    Py_RETURN_NONE;
}

/* Joins the engine's threads, which takes a while: without the GIL. */
static PyObject *gate_close(PyObject *self, PyObject *unused) {
    gate_object *gate = (gate_object *)self;
    (void)unused;
    if (!gate->engine)
        Py_RETURN_NONE;
    if (gate_enter(gate))
        return NULL;
    pst_engine *engine = gate->engine;
    gate->engine = NULL;
    PyThreadState *thread = PyEval_SaveThread();
    pst_engine_close(engine);
    PyEval_RestoreThread(thread);
    gate_leave(gate);
    Py_RETURN_NONE;
}

static PyObject *gate_address(PyObject *self, void *unused) {
    gate_object *gate = (gate_object *)self;
    (void)unused;
    if (!gate->engine) {
        misuse(gate->state, "closed");
        return NULL;
    }
    return PyLong_FromVoidPtr(gate->engine);
}

static PyObject *gate_closed(PyObject *self, void *unused) {
    (void)unused;
    return PyBool_FromLong(!((gate_object *)self)->engine);
}

static PyMethodDef methods[] = {
    {"__enter__", gate_dunder_enter, METH_NOARGS, "Takes the engine, or raises BusyError or ClosedError."},
    {"__exit__", gate_dunder_exit, METH_VARARGS, "Gives it back."},
    {"close", gate_close, METH_NOARGS, "Closes the engine; BusyError while a call is under way. Twice is no error."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef attributes[] = {
    {"address", gate_address, NULL, "Of the pst_engine; ClosedError where it is closed.", NULL},
    {"closed", gate_closed, NULL, "Whether it was closed.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "An engine, and that only one thread at a time drives it. Gate(address) takes ownership."},
    {Py_tp_new, gate_new},
    {Py_tp_dealloc, gate_dealloc},
    {Py_tp_methods, methods},
    {Py_tp_getset, attributes},
    {0, NULL},
};

PyType_Spec gate_spec = {
    .name = "penstock._step.Gate",
    .basicsize = sizeof(gate_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};
