/* PyTorch's tensors as arguments of a step. Nothing here imports torch or is compiled against it: it is looked for
 * among the modules that are there. A tensor's memory comes through DLPack's exchange table for C where torch has one
 * (2.10 and later, a third of the time), else through the tensor's attributes. */
#include "native.h"

/* ---- DLPack's declarations, version 1 (github.com/dmlc/dlpack), as far as they are needed ---- */

typedef struct {
    void *data;
    int32_t device_type, device_id;
    int32_t rank;
    uint8_t type_code, type_bits;
    uint16_t type_lanes;
    int64_t *shape, *strides; /* elements; strides NULL: contiguous */
    uint64_t byte_offset;
} dlpack_tensor;

struct dlpack_exchange {
    uint32_t major, minor;
    void *previous;
    void *others[3];
    int (*borrow)(void *object, dlpack_tensor *out); /* 0, or an exception is set; nothing is owned */
    void *stream;
};

enum { DLPACK_CPU = 1, DLPACK_FLOAT = 2 };

static int borrow(const struct dlpack_exchange *exchange, PyObject *value, Py_ssize_t width, float **data) {
    dlpack_tensor t;
    if (exchange->borrow(value, &t))
        return -1;
    if (t.device_type != DLPACK_CPU || t.type_code != DLPACK_FLOAT || t.type_bits != 32 || t.type_lanes != 1)
        return -1;
    int32_t last = t.rank - 1;
    if (last < 0 || t.shape[last] != width || (t.strides && width > 1 && t.strides[last] != 1))
        return -1;
    for (int32_t i = 0; i < last; i++)
        if (t.shape[i] != 1)
            return -1;
    *data = t.data ? (float *)((char *)t.data + t.byte_offset) : NULL;
    return *data ? 0 : -1;
}

/* ---- torch ---- */

/* The table, or NULL where torch has none of this version. */
static const struct dlpack_exchange *find_exchange(PyObject *tensor) {
    const struct dlpack_exchange *exchange = NULL;
    PyObject *capsule = PyObject_GetAttrString(tensor, "__dlpack_c_exchange_api__");
    if (capsule && PyCapsule_IsValid(capsule, "dlpack_exchange_api"))
        exchange = PyCapsule_GetPointer(capsule, "dlpack_exchange_api");
    Py_XDECREF(capsule); /* it is static, and its capsule an attribute of the class */
    PyErr_Clear();
    return exchange && exchange->major == 1 && exchange->borrow ? exchange : NULL;
}

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
    state->exchange = find_exchange(tensor);
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

/* The same by attributes. */
static int look(module_state *state, PyObject *value, Py_ssize_t width, float **data) {
    if (!answers(value, state->dtype, 0, state->torch_float32) || !answers(value, state->is_cpu, 0, Py_True) ||
        !answers(value, state->is_contiguous, 1, Py_True))
        return -1;
    PyObject *shape = PyObject_GetAttr(value, state->shape);
    int fits = shape && tensor_has_shape(shape, width);
    Py_XDECREF(shape);
    if (!fits)
        return -1;
    PyObject *address = PyObject_CallMethodObjArgs(value, state->data_ptr, NULL);
    *data = address ? PyLong_AsVoidPtr(address) : NULL;
    Py_XDECREF(address);
    return *data ? 0 : -1;
}

/* Exactly a Tensor or a Parameter: what a subclass's memory means, if it has any, is not ours to know. is_neg: a view
 * of a complex tensor may stand with its signs turned. */
int tensor_take(module_state *state, PyObject *value, Py_ssize_t width, float **data) {
    PyTypeObject *type = Py_TYPE(value);
    if (!find_torch(state) || (type != (PyTypeObject *)state->tensor && type != (PyTypeObject *)state->parameter))
        return -1;
    if (!answers(value, state->requires_grad, 0, Py_False) || !answers(value, state->is_neg, 1, Py_False))
        return -1;
    return state->exchange ? borrow(state->exchange, value, width, data) : look(state, value, width, data);
}
