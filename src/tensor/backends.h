/* backends.h - the table of backends (private to tensor). A backend is a folder with an open function and a row here. */
#ifndef FETTLE_TENSOR_BACKENDS_H
#define FETTLE_TENSOR_BACKENDS_H

#include "tensor/tensor.h"

#define BACKENDS(X) X(cpu)

#define X(name) backend *backend_##name##_open(err *e);
BACKENDS(X)
#undef X

#endif
