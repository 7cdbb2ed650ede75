"""Read and write checkpoints of the paper's released code: `.pth.tar`, a zip file written by torch.save.

They hold `epoch`, `state_dict` and, for resuming training, `optimizer`. Only weights are read. PyTorch's
restricted unpickler builds tensors and plain containers, and runs no code. `checkpoint_pickle` checks the
pickle before, which bounds its memory.
"""

import errno
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor
from torch.serialization import get_unsafe_globals_in_checkpoint

from core.corpora.readers.untrusted.tar_members import is_tar
from core.corpora.readers.untrusted.zip_files import UntrustedZip
from core.errors import CorpusError, EncoderError, is_out_of_memory
from core.exchange.card import EncoderCard
from core.exchange.checkpoint_pickle import ForeignObject, check_pickle
from core.exchange.clip_encoder import ClipEncoder
from core.exchange.released_encoder import encoder_from_released, encoder_to_released, first_names
from core.exchange.weights import MAX_CARD_CHARACTERS, LoadedEncoder
from core.file_kinds import kind_of
from core.specs.faults import fault_sentence
from core.specs.pretraining import EncoderConfig

_CARD = "signforge_card"
_RELEASED_ONLY = (
    "input_norm_eps",
    "streams",
    "motion_difference",
    "trunk_origin",
    "hand_origin",
    "missing_hands",
    "pooled_trunk_graph",
    "sub_part_readout",
    "coordinate_shortcut",
    "num_time_segments",
    "embedding_pieces",
)
"""Network settings for which only the released value can be exported."""
_DEPTHS = ("graph_block_widths", "pooled_block_widths", "num_temporal_blocks", "num_transformer_blocks")
"""Settings for numbers of blocks."""
_PARALLEL = "module."
"""Prefix of every name after training on several devices (DataParallel)."""
_ZIP = b"PK\x03\x04"
_LEGACY = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
"""First bytes of a file of PyTorch before 1.6."""
_LARGEST_PICKLE = 64 * 2**20
"""Maximum bytes of a pickle without its tensors; a released one has a few hundred thousand."""
_MAX_TENSORS = 100_000
_LARGEST_EPOCH = 2**31 - 1


@dataclass(frozen=True)
class ReleasedFile:
    """Content of a released file: tensors by released name, the epoch, and the signforge card if any."""

    state: Mapping[str, Tensor]
    epoch: int | None
    card: EncoderCard | None


def read_released(path: Path) -> ReleasedFile:
    """Load the weights of a released file into memory.

    Memory mapping is off, because PyTorch then does not check the tensors' sizes against the file.

    Raises:
        EncoderError: not such a file, damaged, in the format of PyTorch before 1.6, or its pickle holds more
            than tensors and containers.
        OSError: it cannot be read.
    """
    content = _content(path)
    if not isinstance(content, dict) or not isinstance(content.get("state_dict"), dict):
        raise EncoderError(f"{path} is not a released checkpoint: it must be a dict with a `state_dict`.")
    epoch = content.get("epoch")
    if epoch is not None and type(epoch) is not int:
        raise EncoderError(f"{path}: its `epoch` must be an integer; got {type(epoch).__name__}.")
    if epoch is not None and not 0 <= epoch <= _LARGEST_EPOCH:
        raise EncoderError(f"{path}: its `epoch` must be from 0 to {_LARGEST_EPOCH}.")
    return ReleasedFile(_state(path, content["state_dict"]), epoch, _card(path, content.get(_CARD)))


def _content(path: Path) -> Any:
    """Check the file, and load its pickle."""
    try:
        _check_archive(path)
        _check_pickles(path)
        return torch.load(path, map_location="cpu", weights_only=True, mmap=False)
    except OSError as error:
        if error.errno == errno.EINVAL:  # an offset before the file's start
            raise EncoderError(f"{path} is damaged: an offset in it is invalid.") from None
        raise
    except MemoryError:
        raise
    except ForeignObject as error:
        raise EncoderError(_why_foreign(path, error.name)) from None
    except EncoderError:
        raise
    except Exception as error:  # a malicious pickle can make the unpickler raise any exception
        if is_out_of_memory(error):
            raise MemoryError(str(error).splitlines()[0]) from None
        raise EncoderError(
            f"{path} cannot be read as weights: it is damaged, or holds other data ({type(error).__name__})."
        ) from None


def export_released(encoder: LoadedEncoder, path: Path) -> int:
    """Export the encoder to `path` with released names, read it back, and return its number of tensors.

    The file holds `epoch`, the signforge card and, in `state_dict`, both query encoders with their graphs. An
    encoder has no projection heads, key networks, queues and optimiser.

    Raises:
        EncoderError: the file read back differs from the encoder, blocks have different graphs, or the
            released code does not support the network; nothing is written.
        OSError: `path` cannot be written.
    """
    _check_expressible(encoder.card)
    ours = {name: tensor.cpu() for name, tensor in encoder.model.state_dict().items()}
    state = encoder_to_released(ours)
    card = encoder.card
    epoch = _num_epochs(card) if card.released is None else card.released.epoch
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("wb") as file:
            torch.save({"epoch": epoch, "state_dict": state, _CARD: card.model_dump_json()}, file)
            file.flush()
            os.fsync(file.fileno())
        restored = encoder_from_released(read_released(partial).state, ours)
        if not all(torch.equal(restored[name], tensor) for name, tensor in ours.items()):
            raise EncoderError(
                f"{path}: the exported file is not bit-identical to encoder {card.name!r}. No file was "
                "written."
            )
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return len(state)


def other_depths(card: EncoderCard) -> list[str]:
    """Return the settings in which the encoder's number of blocks differs from the released code's.

    The released code must be changed to build the same number of blocks. Otherwise
    blocks that are missing in the file keep their random initial values.
    """
    settings, released = card.config.encoder, EncoderConfig()
    return [name for name in _DEPTHS if _depth(settings, name) != _depth(released, name)]


def _depth(settings: EncoderConfig, name: str) -> int:
    depth = getattr(settings, name)
    return depth if isinstance(depth, int) else len(depth)


def model_of(file: ReleasedFile, model: ClipEncoder) -> ClipEncoder:
    """Load the file's weights into `model` and set it to evaluation mode.

    Raises:
        EncoderError: the weights do not match the model, or are not finite.
    """
    model.load_state_dict(encoder_from_released(file.state, model.state_dict()))
    return model.eval()


def _num_epochs(card: EncoderCard) -> int:
    """Passes over the corpus, at least one; of a run with a number of steps, about so many."""
    run = card.config.run
    if run.num_steps is None or not card.clips_an_epoch:
        return run.num_epochs
    return max(1, round(run.num_steps * run.batch_size / card.clips_an_epoch))


def _check_expressible(card: EncoderCard) -> None:
    """Reject a network that the released code would compute differently, or has no names for."""
    settings, released = card.config.encoder, EncoderConfig()
    others = [name for name in _RELEASED_ONLY if getattr(settings, name) != getattr(released, name)]
    if others:
        raise EncoderError(
            f"Encoder {card.name!r} has settings that the released code does not support: "
            f"{', '.join(others)}. Export it as ONNX or torch.export instead."
        )


def _check_archive(path: Path) -> None:
    """Reject files that PyTorch would read with fewer checks, or would read although they are damaged."""
    with path.open("rb") as file:
        start = file.read(len(_LEGACY))
    if not (start.startswith(_ZIP) and zipfile.is_zipfile(path)):
        raise EncoderError(_why_not_torch_save(path, start))
    try:
        with UntrustedZip(path, max_members=_MAX_TENSORS) as archive:
            members = archive.infolist()
            packed = [member.filename for member in members if member.compress_type != zipfile.ZIP_STORED]
            if packed:
                raise EncoderError(
                    f"{path} has compressed members ({first_names(packed)}), so it was not written by "
                    "torch.save."
                )
            if sum(member.file_size for member in members) > path.stat().st_size:
                raise EncoderError(f"{path} is damaged: its members overlap, or are longer than the file.")
            pickles = list(filter(_is_pickle, members))
            if sum(member.file_size for member in pickles) > _LARGEST_PICKLE:
                raise EncoderError(
                    f"{path} has a pickle above the limit of {_LARGEST_PICKLE} bytes (tensors not counted)."
                )
            damaged = archive.testzip()
    except CorpusError as error:
        raise EncoderError(str(error)) from None
    except (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError, RuntimeError) as error:
        raise EncoderError(f"{path} is damaged: {error}.") from None
    if damaged is not None:
        raise EncoderError(f"{path} is damaged: the checksum of {damaged!r} does not match.")


def _is_pickle(member: zipfile.ZipInfo) -> bool:
    """Whether PyTorch may take a member for the pickle; it ignores upper and lower case."""
    return member.filename.lower().endswith(".pkl")


def _check_pickles(path: Path) -> None:
    with UntrustedZip(path, max_members=_MAX_TENSORS) as archive:
        for member in filter(_is_pickle, archive.infolist()):
            with archive.open(member) as stream:
                check_pickle(path, stream, member.file_size)


def _why_not_torch_save(path: Path, start: bytes) -> str:
    if start.startswith(_ZIP):
        return f"{path} is truncated or damaged: the zip directory at its end is missing."
    if start == _LEGACY:
        return (
            f"{path} is in PyTorch's format before 1.6, which has no checksums. Convert it with "
            "torch.save(torch.load(OLD, weights_only=True), NEW)."
        )
    if start.startswith(b"\x80"):
        return f"{path} is a plain pickle, not a file of torch.save. Only files of torch.save are imported."
    if is_tar(path):
        return (
            f"{path} is a tar archive. Released checkpoints are named .pth.tar, but are files of torch.save."
        )
    return (
        f"{path} is not a file of torch.save: it seems to be {kind_of(start)}. Expected a .pth.tar "
        "checkpoint of the released code."
    )


def _why_foreign(path: Path, name: str) -> str:
    """Name what a pickle uses: `name`, and all that PyTorch's restricted unpickler refuses."""
    try:
        foreign = sorted({name, *get_unsafe_globals_in_checkpoint(path)})
    except Exception:  # a malicious pickle can make it raise any exception
        foreign = [name]
    objects = first_names([repr(each) for each in foreign])
    return f"{path} is rejected: its pickle uses {objects}, which is not allowed in a file of weights."


def _state(path: Path, found: dict[Any, Any]) -> dict[str, Tensor]:
    foreign = [repr(name) for name, value in found.items() if not _is_plain_tensor(name, value)]
    if foreign:
        raise EncoderError(
            f"{path}: entries of its `state_dict` are not plain tensors: {first_names(foreign)}."
        )
    state = {name.removeprefix(_PARALLEL): tensor for name, tensor in found.items()}
    if len(state) < len(found):
        raise EncoderError(f"{path} holds some names both with and without the prefix {_PARALLEL!r}.")
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
    if isinstance(text, str) and len(text) > MAX_CARD_CHARACTERS:
        raise EncoderError(
            f"{path}: its signforge card has {len(text)} characters; the limit is {MAX_CARD_CHARACTERS}."
        )
    try:
        return EncoderCard.model_validate_json(text if isinstance(text, str) else "")
    except ValidationError as error:
        fault = fault_sentence(error.errors()[0])
        raise EncoderError(f"{path}: its signforge card cannot be read. {fault}") from None
