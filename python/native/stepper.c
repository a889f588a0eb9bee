/* Stepper: a stream, and its calls that cost less than a step: step, bind, settle, warm. */
#include "native.h"

int raise_status(module_state *state, pst_status status) {
    PyObject *result = PyObject_CallFunction(state->fail, "i", (int)status);
    if (result) {
        Py_DECREF(result);
        PyErr_Format(PyExc_SystemError, "penstock: status %d was no error to fail()", (int)status);
    }
    return -1;
}

int stepper_check(stepper_object *s) {
    gate_object *gate = s->gate;
    if (s->stream && gate->engine && !gate->busy)
        return 0;
    if (gate_check(gate))
        return -1;
    if (s->stream)
        return 0;
    return misuse(gate->state, "stream closed");
}

/* A call of the library on a stream, and its arguments. */
typedef struct call call;
struct call {
    pst_status (*make)(pst_stream *stream, const stepper_object *s, call *c);
    const float *x;
    float *y;
    uint32_t units, left;
};

static pst_status make_step(pst_stream *stream, const stepper_object *s, call *c) {
    return pst_step(stream, c->x, (size_t)s->inputs, c->y, (size_t)s->outputs);
}

static pst_status make_settle(pst_stream *stream, const stepper_object *s, call *c) {
    (void)s;
    return pst_settle(stream, c->units, &c->left);
}

static pst_status make_warm(pst_stream *stream, const stepper_object *s, call *c) {
    (void)s;
    (void)c;
    return pst_warm(stream);
}

/* Makes the call, with or without the GIL: 0, or -1 with the error set. Without it, another thread may close the stream
 * meanwhile, which is then only doomed. */
static int make(stepper_object *s, int release_gil, call *c) {
    if (stepper_check(s))
        return -1;
    pst_stream *stream = s->stream;
    if (!release_gil) {
        pst_status status = c->make(stream, s, c);
        return status ? raise_status(s->gate->state, status) : 0;
    }
    if (gate_enter(s->gate))
        return -1;
    PyThreadState *thread = PyEval_SaveThread();
    pst_status status = c->make(stream, s, c);
    PyEval_RestoreThread(thread);
    /* raised before what is doomed is closed: that, too, may fail on this thread */
    int raised = status ? raise_status(s->gate->state, status) : 0;
    gate_leave(s->gate);
    return raised;
}

int stepper_step(stepper_object *s, const float *x, float *y, int release_gil) {
    call c = {.make = make_step, .x = x, .y = y};
    return make(s, release_gil, &c);
}

/* ---- arguments ------------------------------------------------------------------------------------------------------
 */

/* Sorts the arguments of a fast call into places by name: 0, or -1 with TypeError set. Missing ones stay NULL. */
static int sort_arguments(const char *function, const char *const *names, int count, int required,
                          PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames, PyObject **places) {
    if (nargs > count) {
        PyErr_Format(PyExc_TypeError, "%s() takes at most %d arguments (%zd given)", function, count, nargs);
        return -1;
    }
    for (int i = 0; i < count; i++)
        places[i] = i < nargs ? args[i] : NULL;
    Py_ssize_t named = kwnames ? PyTuple_Size(kwnames) : 0;
    for (Py_ssize_t k = 0; k < named; k++) {
        PyObject *name = PyTuple_GetItem(kwnames, k);
        int i = 0;
        while (i < count && PyUnicode_CompareWithASCIIString(name, names[i]) != 0)
            i++;
        if (i == count || places[i]) {
            PyErr_Format(PyExc_TypeError,
                         i == count ? "%s() got an unexpected keyword argument '%U'"
                                    : "%s() got multiple values for argument '%U'",
                         function, name);
            return -1;
        }
        places[i] = args[nargs + k];
    }
    for (int i = 0; i < required; i++)
        if (!places[i]) {
            PyErr_Format(PyExc_TypeError, "%s() missing required argument: '%s'", function, names[i]);
            return -1;
        }
    return 0;
}

/* release_gil=None: the stream's own. */
static int release_wanted(stepper_object *s, PyObject *value) {
    return value && value != Py_None ? PyObject_IsTrue(value) : s->release_gil;
}

/* ---- methods --------------------------------------------------------------------------------------------------------
 */

static PyObject *stepper_step_method(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames) {
    static const char *const names[] = {"x", "out", "release_gil"};
    stepper_object *s = (stepper_object *)self;
    module_state *state = s->gate->state;
    PyObject *places[3];
    if (sort_arguments("step", names, 3, 1, args, nargs, kwnames, places))
        return NULL;
    int release_gil = release_wanted(s, places[2]);
    if (release_gil < 0)
        return NULL;
    operand x, y;
    if (operand_take(state, &x, places[0], "x", s->inputs, 0))
        return NULL;
    PyObject *out = places[1] && places[1] != Py_None ? Py_NewRef(places[1])
                                                      : PyObject_Call(state->empty, s->empty_arguments, NULL);
    if (!out || operand_take(state, &y, out, "out", s->outputs, 1)) {
        operand_release(&x);
        Py_XDECREF(out);
        return NULL;
    }
    int failed = stepper_step(s, x.data, y.data, release_gil);
    operand_release(&x);
    operand_release(&y);
    if (failed)
        Py_CLEAR(out);
    return out;
}

static PyObject *stepper_bind(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames) {
    static const char *const names[] = {"x", "y"};
    PyObject *places[2];
    if (sort_arguments("bind", names, 2, 2, args, nargs, kwnames, places))
        return NULL;
    return bound_new((stepper_object *)self, places[0], places[1]);
}

static PyObject *stepper_settle(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames) {
    static const char *const names[] = {"units", "release_gil"};
    stepper_object *s = (stepper_object *)self;
    PyObject *places[2];
    if (sort_arguments("settle", names, 2, 0, args, nargs, kwnames, places))
        return NULL;
    unsigned long units = places[0] ? PyLong_AsUnsignedLong(places[0]) : 0;
    if (units == (unsigned long)-1 && PyErr_Occurred()) {
        misuse(s->gate->state, "units");
        return NULL;
    }
    call c = {.make = make_settle, .units = units > UINT32_MAX ? UINT32_MAX : (uint32_t)units};
    int release_gil = release_wanted(s, places[1]);
    if (release_gil < 0 || make(s, release_gil, &c))
        return NULL;
    return PyLong_FromUnsignedLong(c.left);
}

static PyObject *stepper_warm(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames) {
    static const char *const names[] = {"release_gil"};
    stepper_object *s = (stepper_object *)self;
    PyObject *place;
    if (sort_arguments("warm", names, 1, 0, args, nargs, kwnames, &place))
        return NULL;
    call c = {.make = make_warm};
    int release_gil = release_wanted(s, place);
    if (release_gil < 0 || make(s, release_gil, &c))
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *stepper_close(PyObject *self, PyObject *unused) {
    stepper_object *s = (stepper_object *)self;
    (void)unused;
    pst_stream *stream = s->stream;
    s->stream = NULL;
    gate_doom(s->gate, stream);
    Py_RETURN_NONE;
}

/* ---- the type -------------------------------------------------------------------------------------------------------
 */

static PyObject *stepper_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    PyObject *given, *address, *outputs;
    Py_ssize_t inputs;
    int release_gil;
    if (kwargs && PyDict_Size(kwargs)) {
        PyErr_SetString(PyExc_TypeError, "Stepper takes no keyword arguments");
        return NULL;
    }
    if (!PyArg_ParseTuple(args, "OO!nO!p:Stepper", &given, &PyLong_Type, &address, &inputs, &PyLong_Type, &outputs,
                          &release_gil))
        return NULL;
    gate_object *gate = gate_of(given);
    if (!gate)
        return NULL;
    void *stream = PyLong_AsVoidPtr(address);
    Py_ssize_t width = PyLong_AsSsize_t(outputs);
    if (!stream || width < 1 || inputs < 1) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_ValueError, "Stepper: a stream's address and its widths are wanted");
        return NULL;
    }
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    stepper_object *s = (stepper_object *)allocate(type, 0);
    if (!s)
        return NULL;
    s->gate = (gate_object *)Py_NewRef((PyObject *)gate);
    s->empty_arguments = PyTuple_Pack(2, outputs, gate->state->float32);
    if (!s->empty_arguments) {
        Py_DECREF((PyObject *)s);
        return NULL;
    }
    s->stream = stream;
    s->inputs = inputs;
    s->outputs = width;
    s->release_gil = release_gil;
    return (PyObject *)s;
}

static void stepper_dealloc(PyObject *self) {
    stepper_object *s = (stepper_object *)self;
    PyTypeObject *type = Py_TYPE(self);
    if (s->gate)
        gate_doom(s->gate, s->stream);
    Py_XDECREF((PyObject *)s->gate);
    Py_XDECREF(s->empty_arguments);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF((PyObject *)type);
}

static PyObject *stepper_address(PyObject *self, void *unused) {
    stepper_object *s = (stepper_object *)self;
    (void)unused;
    if (!s->stream || !s->gate->engine) {
        misuse(s->gate->state, s->gate->engine ? "stream closed" : "closed");
        return NULL;
    }
    return PyLong_FromVoidPtr(s->stream);
}

static PyObject *stepper_closed(PyObject *self, void *unused) {
    (void)unused;
    return PyBool_FromLong(!((stepper_object *)self)->stream);
}

static PyObject *stepper_inputs(PyObject *self, void *unused) {
    (void)unused;
    return PyLong_FromSsize_t(((stepper_object *)self)->inputs);
}

static PyObject *stepper_release_gil(PyObject *self, void *unused) {
    (void)unused;
    return PyBool_FromLong(((stepper_object *)self)->release_gil);
}

/* An attribute and not a member, so that it cannot be set. */
static PyObject *stepper_gate(PyObject *self, void *unused) {
    (void)unused;
    return Py_NewRef((PyObject *)((stepper_object *)self)->gate);
}

static PyObject *stepper_outputs(PyObject *self, void *unused) {
    (void)unused;
    return PyLong_FromSsize_t(((stepper_object *)self)->outputs);
}

#define FAST(function) ((PyCFunction)(void (*)(void))(function))

static PyMethodDef methods[] = {
    {"step", FAST(stepper_step_method), METH_FASTCALL | METH_KEYWORDS,
     "step($self, /, x, out=None, release_gil=None)\n--\n\n"
     "One timestep: x in, y out. Returns when y is there; the settle that is still owing is finished first.\n\n"
     "x: float32, [inputs] or [1, inputs]: a NumPy array, a PyTorch tensor on the CPU that requires no grad, or\n"
     "anything else with a buffer; C-contiguous; never copied.\n"
     "out: the same for [outputs], writable, may be x itself; None: a new array [outputs].\n"
     "release_gil: whether other Python threads may run meanwhile; None: as the stream was opened. Releasing it costs\n"
     "some 10 us at the median and 5 ms at the 99th percentile where another thread is busy.\n\n"
     "Returns y (out, if given). Raises ArgumentError, ShapeError, NonFiniteError (y and the stream are untouched),\n"
     "LateError, BusyError, ClosedError, ForkedError."},
    {"bind", FAST(stepper_bind), METH_FASTCALL | METH_KEYWORDS,
     "bind($self, /, x, y)\n--\n\n"
     "A function f() that steps from x to y, both checked once, here: write x, call f(), read y. x, y as in step.\n"
     "It returns y, and keeps both arrays and the stream alive."},
    {"settle", FAST(stepper_settle), METH_FASTCALL | METH_KEYWORDS,
     "settle($self, /, units=0, release_gil=None)\n--\n\n"
     "Does now what the next step would have to do first: at most `units` units of it (0: all). Returns how many are\n"
     "still owing. Never needed for the result."},
    {"warm", FAST(stepper_warm), METH_FASTCALL | METH_KEYWORDS,
     "warm($self, /, release_gil=None)\n--\n\n"
     "Brings code and data of a step into the caches and wakes the vector units; changes no state. For use shortly\n"
     "before a step after a long pause; takes about as long as a step and its settle."},
    {"close", stepper_close, METH_NOARGS,
     "close($self, /)\n--\n\n"
     "Ends the stream; what is called later raises ClosedError. Twice is no error. While another thread runs on the\n"
     "same engine its memory is freed after that."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef attributes[] = {
    {"address", stepper_address, NULL, "Of the pst_stream; ClosedError where it is closed.", NULL},
    {"closed", stepper_closed, NULL, "Whether the stream itself was closed.", NULL},
    {"inputs", stepper_inputs, NULL, "Features of x.", NULL},
    {"outputs", stepper_outputs, NULL, "Features of y.", NULL},
    {"release_gil", stepper_release_gil, NULL, "Whether a step lets other Python threads run meanwhile.", NULL},
    {"_gate", stepper_gate, NULL, "Of its engine.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "Stepper(gate, address, inputs, outputs, release_gil): a stream, which it takes ownership of."},
    {Py_tp_new, stepper_new},
    {Py_tp_dealloc, stepper_dealloc},
    {Py_tp_methods, methods},
    {Py_tp_getset, attributes},
    {0, NULL},
};

PyType_Spec stepper_spec = {
    .name = "penstock._step.Stepper",
    .basicsize = sizeof(stepper_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};
