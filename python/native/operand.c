/* The arguments of a step: float32 arrays by the buffer protocol, PyTorch's tensors by their attributes; no copies. */
#include "native.h"

/* Raises what is wrong with the value, found out in Python. */
static int refuse(module_state *state, PyObject *value, const char *name, Py_ssize_t width, int writable) {
    PyErr_Clear();
    PyObject *result = PyObject_CallFunction(state->refuse, "sOni", name, value, width, writable);
    if (result) {
        Py_DECREF(result);
        PyErr_Format(PyExc_SystemError, "penstock: %s was refused, and refuse() did not say why", name);
    }
    return -1;
}

static int is_float32(const Py_buffer *view) {
    const char *format = view->format ? view->format : "B";
    if (*format == '@' || *format == '=' || *format == (PY_LITTLE_ENDIAN ? '<' : '>'))
        format++;
    return format[0] == 'f' && format[1] == 0 && view->itemsize == 4;
}

/* An array with a mask is more than its numbers. */
static int is_masked(module_state *state, PyObject *value) {
    return Py_TYPE(value) != (PyTypeObject *)state->ndarray && PyObject_HasAttr(value, state->mask);
}

static int has_shape(const Py_buffer *view, Py_ssize_t width) {
    int last = view->ndim - 1;
    if (last < 0 || view->shape[last] != width)
        return 0;
    for (int i = 0; i < last; i++)
        if (view->shape[i] != 1)
            return 0;
    return 1;
}

/* ---- tensors --------------------------------------------------------------------------------------------------------
 */

/* Looks for torch among the modules that are imported; 1 if it is there, whole. */
static int find_torch(module_state *state) {
    if (state->tensor)
        return 1;
    PyObject *name = PyUnicode_FromString("torch");
    PyObject *torch = name ? PyImport_GetModule(name) : NULL;
    Py_XDECREF(name);
    PyObject *nn = torch ? PyObject_GetAttrString(torch, "nn") : NULL;
    PyObject *parameter = nn ? PyObject_GetAttrString(nn, "Parameter") : NULL;
    PyObject *float32 = parameter ? PyObject_GetAttrString(torch, "float32") : NULL;
    PyObject *tensor = float32 ? PyObject_GetAttrString(torch, "Tensor") : NULL;
    Py_XDECREF(torch);
    Py_XDECREF(nn);
    if (!tensor) {
        Py_XDECREF(parameter);
        Py_XDECREF(float32);
        PyErr_Clear();
        return 0;
    }
    state->tensor = tensor;
    state->parameter = parameter;
    state->torch_float32 = float32;
    return 1;
}

/* Whether value.NAME, or value.NAME() where `call`, is this object. */
static int answers(PyObject *value, PyObject *name, int call, PyObject *expected) {
    PyObject *found = call ? PyObject_CallMethodObjArgs(value, name, NULL) : PyObject_GetAttr(value, name);
    Py_XDECREF(found); /* dtypes and truth values outlive this */
    return found == expected;
}

static int tensor_has_shape(PyObject *shape, Py_ssize_t width) {
    Py_ssize_t last = PyTuple_Check(shape) ? PyTuple_Size(shape) - 1 : -1;
    if (last < 0)
        return 0;
    for (Py_ssize_t i = 0; i <= last; i++)
        if (PyLong_AsSsize_t(PyTuple_GetItem(shape, i)) != (i < last ? 1 : width))
            return 0;
    return 1;
}

/* Exactly a Tensor or a Parameter: what a subclass's pointer means, if it has one, is not ours to know. is_neg: a view
 * of a complex tensor may stand with its signs turned. */
static int take_tensor(module_state *state, operand *o, PyObject *value, Py_ssize_t width) {
    PyTypeObject *type = Py_TYPE(value);
    if (!find_torch(state) || (type != (PyTypeObject *)state->tensor && type != (PyTypeObject *)state->parameter))
        return -1;
    if (!answers(value, state->requires_grad, 0, Py_False) || !answers(value, state->dtype, 0, state->torch_float32) ||
        !answers(value, state->is_cpu, 0, Py_True) || !answers(value, state->is_contiguous, 1, Py_True) ||
        !answers(value, state->is_neg, 1, Py_False))
        return -1;
    PyObject *shape = PyObject_GetAttr(value, state->shape);
    int fits = shape && tensor_has_shape(shape, width);
    Py_XDECREF(shape);
    if (!fits)
        return -1;
    PyObject *address = PyObject_CallMethodObjArgs(value, state->data_ptr, NULL);
    o->data = address ? PyLong_AsVoidPtr(address) : NULL;
    Py_XDECREF(address);
    if (!o->data)
        return -1;
    o->held = Py_NewRef(value);
    return 0;
}

/* ---- both -----------------------------------------------------------------------------------------------------------
 */

int operand_take(module_state *state, operand *o, PyObject *value, const char *name, Py_ssize_t width, int writable) {
    o->view.obj = NULL;
    o->held = NULL;
    if (!PyObject_CheckBuffer(value)) {
        if (take_tensor(state, o, value, width))
            return refuse(state, value, name, width, writable);
        return 0;
    }
    if (PyObject_GetBuffer(value, &o->view, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | (writable ? PyBUF_WRITABLE : 0))) {
        o->view.obj = NULL;
        return refuse(state, value, name, width, writable);
    }
    if (!is_float32(&o->view) || !has_shape(&o->view, width) || (uintptr_t)o->view.buf % sizeof(float) != 0 ||
        is_masked(state, value)) {
        PyBuffer_Release(&o->view);
        return refuse(state, value, name, width, writable);
    }
    o->data = o->view.buf;
    return 0;
}

void operand_release(operand *o) {
    if (o->view.obj)
        PyBuffer_Release(&o->view);
    Py_CLEAR(o->held);
}
