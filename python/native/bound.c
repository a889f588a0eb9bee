/* What stream.bind(x, y) returns: a builtin function over both arrays, so that a call is little more than pst_step. */
#include "native.h"

typedef struct {
    PyObject_HEAD stepper_object *stepper;
    operand x, y;
    PyObject *result; /* y as it was given */
} bound_object;

static PyObject *bound_call(PyObject *self, PyObject *unused) {
    bound_object *b = (bound_object *)self;
    (void)unused;
    if (stepper_step(b->stepper, b->x.data, b->y.data, b->stepper->release_gil))
        return NULL;
    return Py_NewRef(b->result);
}

static PyMethodDef method = {
    "step", bound_call, METH_NOARGS,
    "step()\n--\n\nOne timestep of the stream, from the x to the y that were bound; returns y."};

/* A tensor's memory may be exchanged behind its back. A view of it as an array holds that memory and keeps it in place.
 */
static int hold_memory(operand *o) {
    if (!o->held)
        return 0;
    PyObject *detached = PyObject_CallMethod(o->held, "detach", NULL);
    PyObject *array = detached ? PyObject_CallMethod(detached, "numpy", NULL) : NULL;
    Py_XDECREF(detached);
    if (!array)
        return -1;
    Py_DECREF(o->held);
    o->held = array;
    return 0;
}

PyObject *bound_new(stepper_object *stepper, PyObject *x, PyObject *y) {
    module_state *state = stepper->gate->state;
    if (stepper_check(stepper))
        return NULL;
    allocfunc allocate = (allocfunc)PyType_GetSlot(state->bound, Py_tp_alloc);
    bound_object *b = (bound_object *)allocate(state->bound, 0);
    if (!b)
        return NULL;
    b->stepper = (stepper_object *)Py_NewRef((PyObject *)stepper);
    PyObject *function = NULL;
    if (!operand_take(state, &b->x, x, "x", stepper->inputs, 0) &&
        !operand_take(state, &b->y, y, "y", stepper->outputs, 1) && !hold_memory(&b->x) && !hold_memory(&b->y)) {
        b->result = Py_NewRef(y);
        function = PyCFunction_New(&method, (PyObject *)b);
    }
    Py_DECREF((PyObject *)b);
    return function;
}

static void bound_dealloc(PyObject *self) {
    bound_object *b = (bound_object *)self;
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    operand_release(&b->x);
    operand_release(&b->y);
    Py_XDECREF((PyObject *)b->stepper);
    Py_XDECREF(b->result);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF((PyObject *)type);
}

static int bound_traverse(PyObject *self, visitproc visit, void *arg) {
    bound_object *b = (bound_object *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT((PyObject *)b->stepper);
    Py_VISIT(b->x.view.obj);
    Py_VISIT(b->y.view.obj);
    Py_VISIT(b->x.held);
    Py_VISIT(b->y.held);
    Py_VISIT(b->result);
    return 0;
}

static PyType_Slot slots[] = {
    {Py_tp_doc, "Both arrays of a bound step."},
    {Py_tp_dealloc, bound_dealloc},
    {Py_tp_traverse, bound_traverse},
    {0, NULL},
};

PyType_Spec bound_spec = {
    .name = "penstock._step.Bound",
    .basicsize = sizeof(bound_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = slots,
};
