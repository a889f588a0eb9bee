# cffi's module over penstock.h, made when the package is built: whatever the header declares.
from typing import Any

ffi: Any
lib: Any
