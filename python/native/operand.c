/* The arguments of a step: float32 arrays by the buffer protocol, or PyTorch's tensors (tensor.c); no copies. */
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

int operand_take(module_state *state, operand *o, PyObject *value, const char *name, Py_ssize_t width, int writable) {
    o->view.obj = NULL;
    o->held = NULL;
    if (!PyObject_CheckBuffer(value)) {
        if (tensor_take(state, value, width, &o->data))
            return refuse(state, value, name, width, writable);
        o->held = Py_NewRef(value);
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
