"""Writes tensors as a safetensors file and computes its SHA-256 while writing.

The bytes equal those of `safetensors.torch.save_file`. This implementation avoids a second copy of each
tensor and a second read of the file for the digest.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

_DTYPES = {
    torch.int64: "I64",
    torch.float64: "F64",
    torch.float32: "F32",
    torch.int32: "I32",
    torch.bfloat16: "BF16",
    torch.float16: "F16",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
"""The format's names, in its layout order: the largest alignment first."""
_ALIGNMENT = 8
_CHUNK = 2**23
"""Bytes hashed and written at once, without holding the GIL."""


class WrittenFile(NamedTuple):
    """Size and digest of a file, as in a manifest."""

    num_bytes: int
    sha256: str


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> WrittenFile:
    """Write named tensors to `path`, wait until they are on disk, and return the file's size and digest.

    Raises:
        OSError: the write failed, for example on a full disk; part of the file may be there.
    """
    ordered = _in_file_order(tensors)
    digest, num_bytes = hashlib.sha256(), 0
    with path.open("wb", buffering=0) as file:
        for chunk in _chunks(ordered):
            digest.update(chunk)
            _write_whole(file.fileno(), chunk)
            num_bytes += len(chunk)
        os.fsync(file.fileno())
    return WrittenFile(num_bytes, digest.hexdigest())


def _in_file_order(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    ranks = {dtype: rank for rank, dtype in enumerate(_DTYPES)}
    return dict(sorted(tensors.items(), key=lambda item: (ranks[item[1].dtype], item[0].encode())))


def _chunks(tensors: Mapping[str, Tensor]) -> Iterator[memoryview]:
    yield memoryview(_header(tensors))
    for tensor in tensors.values():
        flat = tensor.detach().cpu().contiguous().view(-1).view(torch.uint8)
        content = flat.numpy().data
        for first in range(0, len(content), _CHUNK):
            yield content[first : first + _CHUNK]


def _header(tensors: Mapping[str, Tensor]) -> bytes:
    """Return the header: the length of a JSON object, then the object with each tensor's type and offsets."""
    entries, end = {}, 0
    for name, tensor in tensors.items():
        start, end = end, end + tensor.numel() * tensor.element_size()
        entries[name] = {
            "dtype": _DTYPES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [start, end],
        }
    text = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    return len(text).to_bytes(8, "little") + text


def _write_whole(descriptor: int, content: memoryview) -> None:
    while content:
        content = content[os.write(descriptor, content) :]
