"""Native CPU kernels: compiles the C++ sources once per machine, caches the library, and calls it.

The sources are C++17 and need only OpenMP and a compiler (`c++`, or the one in CXX), so a build takes
seconds. The library's file name contains a digest of sources, compiler and processor.
"""

import ctypes
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import platformdirs
import torch
from torch import Tensor

from core.errors import KernelError

_SOURCES = Path(__file__).parent / "source"
_FLAGS = ("-std=c++17", "-O3", "-march=native", "-fopenmp", "-fno-math-errno", "-fno-trapping-math")
_BUILD_SECONDS = 300
_SUFFIXES = {torch.float32: "float32", torch.bfloat16: "bfloat16"}
MAX_CHANNELS = 8192
"""Longest row that fits into the kernels' buffers (`MAX_CHANNELS` in source/elements.h)."""


class NativeLibrary:
    """The compiled kernels, loaded with ctypes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._by_dtype: dict[tuple[str, torch.dtype], Any] = {}
        try:
            self._functions = ctypes.CDLL(str(path))
        except OSError as error:
            raise KernelError(
                f"The native kernels cannot be loaded: {error}. Set SIGNFORGE_CACHE_FOLDER to a folder from "
                "which programs may be run (not mounted noexec), or run.engine to 'eager' or 'compiled'."
            ) from None

    def call(self, kernel: str, dtype: torch.dtype, *arguments: object) -> None:
        """Call `kernel` for elements of `dtype`; tensors must be contiguous and are passed by address."""
        function = self._by_dtype.get((kernel, dtype)) or self._declared(kernel, dtype, arguments)
        function(*[_address(each) if isinstance(each, Tensor) else each for each in arguments])

    def _declared(self, kernel: str, dtype: torch.dtype, arguments: tuple[object, ...]) -> Any:
        """Return the function, with the C types of its first call's arguments, which all calls have."""
        function = getattr(self._functions, f"{kernel}_{_SUFFIXES[dtype]}")
        function.restype, function.argtypes = None, [_c_type(each) for each in arguments]
        self._by_dtype[kernel, dtype] = function
        return function


class NativeStructure(ctypes.Structure):
    """Base class of C structures that kernels take by value."""


@cache
def native_library() -> NativeLibrary:
    """Return this machine's kernels; the first call on a machine compiles them.

    Raises:
        KernelError: there is no compiler, or compiling fails; the message names another engine.
    """
    compiler = _compiler()
    path = cache_folder() / "kernels" / f"{_digest(compiler)}.so"
    if not path.exists():
        _compile(compiler, path)
    return NativeLibrary(path)


def _compiler() -> list[str]:
    """Return the command of the C++ compiler, such as `ccache g++`."""
    named = shlex.split(os.environ.get("CXX", ""))
    found = shutil.which(named[0]) if named else shutil.which("c++") or shutil.which("g++")
    if found is None:
        raise KernelError(
            f"The native kernels need a C++ compiler; {named[0] if named else 'c++ or g++'} was not found. "
            "Install one, or set run.engine to 'eager' or 'compiled'."
        )
    return [found, *named[1:]]


def runs_natively(tensor: Tensor, native: NativeLibrary | None) -> bool:
    """Whether kernels support this tensor: float32 or bfloat16 on the CPU, rows up to `MAX_CHANNELS`."""
    suits = tensor.device.type == "cpu" and tensor.dtype in _SUFFIXES and tensor.shape[-1] <= MAX_CHANNELS
    return native is not None and suits


def cache_folder() -> Path:
    """Return the cache folder of compiled code: SIGNFORGE_CACHE_FOLDER, or the user's cache folder."""
    return Path(
        os.environ.get("SIGNFORGE_CACHE_FOLDER", "").strip() or platformdirs.user_cache_dir("signforge")
    )


def _digest(compiler: list[str]) -> str:
    """Return a digest of all that the machine code depends on."""
    digest = hashlib.sha256(" ".join((*compiler, *_FLAGS)).encode())
    command = [*compiler, "--version"]
    digest.update(subprocess.run(command, capture_output=True, check=False, timeout=_BUILD_SECONDS).stdout)
    digest.update(
        (platform.machine() + "".join(_processor_facts("model name", "flags", "Features"))).encode()
    )
    for source in sorted(_SOURCES.iterdir()):
        digest.update(source.name.encode() + source.read_bytes())
    return digest.hexdigest()[:24]


def processor_name() -> str:
    """Return the processor's model and stepping; on virtual machines the model name alone is ambiguous."""
    facts = _processor_facts("model", "cpu family", "stepping", "cache size", "CPU implementer", "CPU part")
    return ", ".join([platform.machine(), *(" ".join(fact.split()).replace(" :", ":") for fact in facts)])


def _processor_facts(*names: str) -> list[str]:
    """Return the lines of /proc/cpuinfo with these names; empty on other systems than Linux."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return []
    return sorted({line for line in lines if line.startswith(names)})


def _compile(compiler: list[str], path: Path) -> None:
    """Compile into a temporary folder and rename, so that concurrent builds are safe."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            output = Path(folder) / path.name
            sources = [str(source) for source in sorted(_SOURCES.glob("*.cpp"))]
            command = [*compiler, *_FLAGS, "-fPIC", "-shared", *sources, "-o", str(output)]
            subprocess.run(command, capture_output=True, check=True, timeout=_BUILD_SECONDS)
            output.rename(path)
    except subprocess.CalledProcessError as error:
        raise KernelError(
            f"{shlex.join(compiler)} could not compile the native kernels; set run.engine to 'eager' or "
            f"'compiled' to run without them. Its output: {error.stderr.decode(errors='replace')[-500:]}"
        ) from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise KernelError(
            f"The native kernels could not be built in {path.parent}: {error}. Set SIGNFORGE_CACHE_FOLDER to "
            "a writable folder, or set run.engine to 'eager' or 'compiled'."
        ) from None


def _address(tensor: Tensor) -> int:
    assert tensor.is_contiguous(), "kernels take contiguous tensors"
    return tensor.data_ptr()


def _c_type(argument: object) -> Any:
    match argument:
        case Tensor() | None:
            return ctypes.c_void_p
        case bool() | int():
            return ctypes.c_int64
        case float():
            return ctypes.c_float
    return type(argument)
