"""Files of the paper's released naming: `.pth.tar`, in truth a zip of a pickle and of tensors.

They hold `epoch`, `state_dict` and, where training may go on from them, `optimizer`. Only weights are ever
read of them: PyTorch's restricted unpickler makes tensors and plain containers, and runs nothing.
"""

import os
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor
from torch.serialization import get_unsafe_globals_in_checkpoint

from core.errors import EncoderError
from core.exchange.card import EncoderCard
from core.exchange.clip_encoder import ClipEncoder
from core.exchange.released_encoder import encoder_from_released, encoder_to_released, few
from core.exchange.weights import LoadedEncoder
from core.specs.faults import fault_sentence
from core.specs.pretraining import EncoderConfig

_CARD = "signforge_card"
_REPAIRS = (
    "input_norm_eps",
    "streams",
    "motion_difference",
    "trunk_origin",
    "missing_hands",
    "pooled_trunk_graph",
    "sub_part_readout",
    "coordinate_shortcut",
    "num_time_segments",
)
"""Settings of a network in which only the released value can be exported."""
_DEPTHS = ("graph_block_widths", "pooled_block_widths", "num_temporal_blocks", "num_transformer_blocks")
"""Settings of how many blocks there are."""
_PARALLEL = "module."
"""What stands before every name where several devices trained."""
_ZIP = b"PK\x03\x04"
_LEGACY = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
"""How a file of PyTorch before 1.6 begins."""
_LARGEST_PICKLE = 64 * 2**20
"""Bytes of a pickle without its tensors; a released one has a few hundred thousand."""
_LARGEST_EPOCH = 2**31 - 1


@dataclass(frozen=True)
class ReleasedFile:
    """What an encoder may be made of: tensors by released name, the epoch, and our card if it has one."""

    state: Mapping[str, Tensor]
    epoch: int | None
    card: EncoderCard | None


def read_released(path: Path) -> ReleasedFile:
    """Read the weights of a released file, into memory: where tensors stay on disk, PyTorch does not compare
    what they claim with the bytes that are there.

    Raises:
        EncoderError: not such a file, damaged, in the format of PyTorch before 1.6, or its pickle asks for
            more than tensors and containers.
        OSError: it cannot be read.
    """
    _check_archive(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=False)
    except (OSError, MemoryError):
        raise
    except Exception as error:  # a hostile pickle can make the unpickler raise anything
        raise EncoderError(_why_unreadable(path, error)) from None
    if not isinstance(content, dict) or not isinstance(content.get("state_dict"), dict):
        raise EncoderError(f"{path} holds no `state_dict`; a released checkpoint has one beside its `epoch`.")
    epoch = content.get("epoch")
    if epoch is not None and type(epoch) is not int:
        raise EncoderError(f"{path}: its `epoch` is no whole number but {type(epoch).__name__}.")
    if epoch is not None and not 0 <= epoch <= _LARGEST_EPOCH:
        raise EncoderError(f"{path}: its `epoch` must be 0 to {_LARGEST_EPOCH}.")
    return ReleasedFile(_state(path, content["state_dict"]), epoch, _card(path, content.get(_CARD)))


def export_released(encoder: LoadedEncoder, path: Path) -> int:
    """Write the encoder to `path` under the released names, read it back, and return how many tensors it has.

    It holds `epoch` and, in `state_dict`, both query encoders with their graphs; an encoder has no projection
    heads, key networks, queues and optimiser any more. Our card lies beside them.

    Raises:
        EncoderError: what is read back is not the encoder bit for bit, has a graph for each block, or is a
            network that the released code does not know; nothing is written.
        OSError: `path` cannot be written.
    """
    _check_expressible(encoder.card)
    ours = {name: tensor.cpu() for name, tensor in encoder.model.state_dict().items()}
    state = encoder_to_released(ours)
    card = encoder.card
    epoch = card.config.run.num_epochs if card.released is None else card.released.epoch
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("wb") as file:
            torch.save({"epoch": epoch, "state_dict": state, _CARD: card.model_dump_json()}, file)
            file.flush()
            os.fsync(file.fileno())
        restored = encoder_from_released(read_released(partial).state, ours)
        if not all(torch.equal(restored[name], tensor) for name, tensor in ours.items()):
            raise EncoderError(
                f"{path} does not read back as encoder {card.name!r} bit for bit; it was not kept."
            )
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return len(state)


def other_depths(card: EncoderCard) -> list[str]:
    """Settings of which the encoder has another number of blocks than the released code builds.

    That code has names for them, but would have to build as many: it leaves blocks that it does not find in a
    file as they were drawn.
    """
    settings, released = card.config.encoder, EncoderConfig()
    return [name for name in _DEPTHS if _depth(settings, name) != _depth(released, name)]


def _depth(settings: EncoderConfig, name: str) -> int:
    depth = getattr(settings, name)
    return depth if isinstance(depth, int) else len(depth)


def model_of(file: ReleasedFile, model: ClipEncoder) -> ClipEncoder:
    """`model` with the file's weights, ready to embed.

    Raises:
        EncoderError: they do not fit, or are not finite.
    """
    model.load_state_dict(encoder_from_released(file.state, model.state_dict()))
    return model.eval()


def _check_expressible(card: EncoderCard) -> None:
    """Refuse a network that the released code would compute otherwise, or has no names for."""
    settings, released = card.config.encoder, EncoderConfig()
    others = [name for name in _REPAIRS if getattr(settings, name) != getattr(released, name)]
    if others:
        raise EncoderError(
            f"Encoder {card.name!r} has settings that the released code does not know: {', '.join(others)}. "
            "Export it as ONNX or torch.export instead."
        )


def _check_archive(path: Path) -> None:
    """Refuse what PyTorch would read with less care, or would read although it is damaged."""
    with path.open("rb") as file:
        start = file.read(len(_LEGACY))
    if not (start.startswith(_ZIP) and zipfile.is_zipfile(path)):
        raise EncoderError(_what_else(path, start))
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            packed = [member.filename for member in members if member.compress_type != zipfile.ZIP_STORED]
            if packed:
                raise EncoderError(
                    f"{path} has compressed members ({few(packed)}), which PyTorch never writes."
                )
            pickles = [member for member in members if member.filename.endswith(".pkl")]
            if sum(member.file_size for member in pickles) > _LARGEST_PICKLE:
                raise EncoderError(
                    f"{path} has a pickle of more than {_LARGEST_PICKLE} bytes without its tensors."
                )
            damaged = archive.testzip()
    except (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError, RuntimeError) as error:
        raise EncoderError(f"{path} is damaged: {error}.") from None
    if damaged is not None:
        raise EncoderError(f"{path} is damaged: the bytes of {damaged!r} do not have their checksum.")


def _what_else(path: Path, start: bytes) -> str:
    if start.startswith(_ZIP):
        return f"{path} is cut short or damaged: its table of contents is missing at the end."
    if start == _LEGACY:
        return (
            f"{path} is in PyTorch's format before 1.6, which has no checksums. It becomes the newer one by "
            "torch.save(torch.load(OLD, weights_only=True), NEW)."
        )
    if start.startswith(b"\x80"):
        return f"{path} is a bare pickle, not a file of torch.save; it is not read."
    if tarfile.is_tarfile(path):
        return (
            f"{path} is a tar archive. Released checkpoints are called .pth.tar but are files of torch.save."
        )
    return f"{path} is no file of torch.save."


def _why_unreadable(path: Path, error: Exception) -> str:
    """PyTorch's own words advise to read the file without restriction."""
    try:
        foreign = sorted(get_unsafe_globals_in_checkpoint(path))
    except Exception:
        foreign = []
    if foreign:
        asked = few([repr(name) for name in foreign])
        return f"{path} is refused: its pickle asks for {asked}; weights need no such thing."
    return f"{path} cannot be read as weights: it is damaged, or holds more ({type(error).__name__})."


def _state(path: Path, found: dict[Any, Any]) -> dict[str, Tensor]:
    foreign = [repr(name) for name, value in found.items() if not _is_plain_tensor(name, value)]
    if foreign:
        raise EncoderError(f"{path}: entries of its `state_dict` are no plain tensors: {few(foreign)}.")
    state = {name.removeprefix(_PARALLEL): tensor for name, tensor in found.items()}
    if len(state) < len(found):
        raise EncoderError(f"{path} holds some names both with and without {_PARALLEL!r} in front.")
    return state


def _is_plain_tensor(name: object, value: object) -> bool:
    return (
        isinstance(name, str)
        and isinstance(value, Tensor)
        and value.layout == torch.strided
        and value.device.type == "cpu"
        and not value.is_quantized
    )


def _card(path: Path, text: object) -> EncoderCard | None:
    if text is None:
        return None
    try:
        return EncoderCard.model_validate_json(text if isinstance(text, str) else "")
    except ValidationError as error:
        fault = fault_sentence(error.errors()[0])
        raise EncoderError(f"{path}: its signforge card cannot be read. {fault}") from None
