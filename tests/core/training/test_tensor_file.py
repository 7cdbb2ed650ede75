"""Our safetensors files against the library's own."""

import hashlib
import tempfile
from pathlib import Path

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save

from core.training.tensor_file import _CHUNK, _DTYPES, write_tensors

NAMES = st.text('abz.é"_0', min_size=1, max_size=6)
SHAPES = st.lists(st.integers(0, 5), max_size=3)
FILES = st.dictionaries(NAMES, st.tuples(st.sampled_from(list(_DTYPES)), SHAPES), max_size=8)


@given(FILES, st.integers(0, 2**31))
@settings(deadline=None, max_examples=60)
def test_the_bytes_are_those_of_the_library(
    kinds: dict[str, tuple[torch.dtype, list[int]]], seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    tensors = {
        name: (100 * torch.rand(shape, generator=generator)).to(dtype)
        for name, (dtype, shape) in kinds.items()
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "some.safetensors"
        written = write_tensors(path, tensors)
        content = path.read_bytes()
    assert content == save(tensors)
    assert written == (len(content), hashlib.sha256(content).hexdigest())


def test_tensors_of_many_chunks_and_odd_strides_come_back(tmp_path: Path) -> None:
    tensors = {
        "large": torch.arange(_CHUNK // 2, dtype=torch.float32),  # two chunks
        "turned": torch.arange(12.0).view(3, 4).T,
        "learned": torch.nn.Parameter(torch.ones(2)),
        "position": torch.tensor(7),
    }
    written = write_tensors(tmp_path / "some.safetensors", tensors)
    assert written.num_bytes == (tmp_path / "some.safetensors").stat().st_size
    for name, tensor in load_file(tmp_path / "some.safetensors").items():
        assert torch.equal(tensor, tensors[name])
