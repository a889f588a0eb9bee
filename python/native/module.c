/* The module penstock._step: the second one in the extension's file, see penstock/_native.py. */
#include "native.h"

PyMODINIT_FUNC PyInit__step(void);

static void set(PyObject **place, PyObject *value) {
    PyObject *old = *place;
    *place = Py_NewRef(value);
    Py_XDECREF(old);
}

/* hooks(fail, refuse, misuse, empty, float32, ndarray): the Python that the hot path calls where something is wrong,
 * and what makes a new array. Called once, when the package is imported. */
static PyObject *hooks(PyObject *module, PyObject *args) {
    module_state *state = PyModule_GetState(module);
    PyObject *fail, *refuse, *misuse, *empty, *float32, *ndarray;
    if (!PyArg_ParseTuple(args, "OOOOOO:hooks", &fail, &refuse, &misuse, &empty, &float32, &ndarray))
        return NULL;
    set(&state->fail, fail);
    set(&state->refuse, refuse);
    set(&state->misuse, misuse);
    set(&state->empty, empty);
    set(&state->float32, float32);
    set(&state->ndarray, ndarray);
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"hooks", hooks, METH_VARARGS, "hooks(fail, refuse, misuse, empty, float32, ndarray)"},
    {NULL, NULL, 0, NULL},
};

static int add_type(PyObject *module, PyType_Spec *spec, PyTypeObject **place) {
    *place = (PyTypeObject *)PyType_FromModuleAndSpec(module, spec, NULL);
    return *place ? PyModule_AddType(module, *place) : -1;
}

static int execute(PyObject *module) {
    module_state *state = PyModule_GetState(module);
    struct {
        PyObject **place;
        const char *name;
    } names[] = {
        {&state->mask, "mask"},     {&state->requires_grad, "requires_grad"}, {&state->dtype, "dtype"},
        {&state->is_cpu, "is_cpu"}, {&state->is_contiguous, "is_contiguous"}, {&state->is_neg, "is_neg"},
        {&state->shape, "shape"},   {&state->data_ptr, "data_ptr"},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!(*names[i].place = PyUnicode_InternFromString(names[i].name)))
            return -1;
    return add_type(module, &gate_spec, &state->gate) || add_type(module, &stepper_spec, &state->stepper) ||
                   add_type(module, &bound_spec, &state->bound)
               ? -1
               : 0;
}

static int traverse(PyObject *module, visitproc visit, void *arg) {
    module_state *state = PyModule_GetState(module);
    Py_VISIT(state->gate);
    Py_VISIT(state->stepper);
    Py_VISIT(state->bound);
    Py_VISIT(state->fail);
    Py_VISIT(state->refuse);
    Py_VISIT(state->misuse);
    Py_VISIT(state->empty);
    Py_VISIT(state->float32);
    Py_VISIT(state->ndarray);
    Py_VISIT(state->tensor);
    Py_VISIT(state->parameter);
    Py_VISIT(state->torch_float32);
    return 0;
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, execute},
    {0, NULL},
};

/* No m_clear: streams may outlive the module's other contents at the interpreter's end, and would find nothing there.
 */
static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "penstock._step",
    .m_doc = "A step without cffi: the engine's gate and the stream's hot calls.",
    .m_size = sizeof(module_state),
    .m_methods = functions,
    .m_slots = slots,
    .m_traverse = traverse,
};

PyMODINIT_FUNC PyInit__step(void) {
    return PyModuleDef_Init(&definition);
}
