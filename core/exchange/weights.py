"""Save and load an encoder: a safetensors file with the card in its metadata, and a copy of the card."""

import hashlib
import json
import os
import struct
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from core.corpora.readers.untrusted.zip_files import UntrustedZip
from core.errors import CorpusError, EncoderError, UserError
from core.exchange.base_encoder import BASE_NAME, or_base
from core.exchange.card import EncoderCard
from core.exchange.clip_encoder import ClipEncoder
from core.exchange.described import check_described
from core.file_kinds import SAFETENSORS, seems_to_be
from core.specs.faults import fault_sentence

WEIGHTS = "encoder.safetensors"
CARD = "card.json"
MAX_CARD_CHARACTERS = 2**20
_EXPECTED = f"Expected a downloaded .safetensors file, or a folder with the file {WEIGHTS}."
_PRETRAINED_CLIPS = "pretrained_clips"
"""Name of the tensor for `LoadedEncoder.pretrained_clips`, which is not part of the network."""


@dataclass(frozen=True)
class LoadedEncoder:
    """A network in evaluation mode, its card, and digests of the clips it was pretrained on.

    `pretrained_clips` are short digests (`core.corpora.contents`), ascending; None if the file has none.
    """

    model: ClipEncoder
    card: EncoderCard
    pretrained_clips: Int64[np.ndarray, " N"] | None = None


def save_encoder(
    folder: Path,
    model: ClipEncoder,
    card: EncoderCard,
    *,
    pretrained_clips: Int64[np.ndarray, " N"] | None = None,
) -> str:
    """Write encoder.safetensors (the card in its metadata) and card.json; return the SHA-256 of the first."""
    folder.mkdir(parents=True, exist_ok=True)
    text = card.model_dump_json(indent=1)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    if pretrained_clips is not None:
        tensors[_PRETRAINED_CLIPS] = torch.from_numpy(np.unique(pretrained_clips))
    content = save(tensors, metadata={"signforge_card": text})
    for path, data in ((folder / WEIGHTS, content), (folder / CARD, (text + "\n").encode())):
        with path.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    return hashlib.sha256(content).hexdigest()


def load_encoder(path: Path | str, *, device: str | torch.device = "cpu") -> LoadedEncoder:
    """Load an encoder from its file or its folder, or the installed one by its name `signforge-base`.

    Raises:
        EncoderError: not a signforge encoder, damaged, of a newer format, or its card is of another network.
        UserError: this machine has no such device.
    """
    _check_device(device)
    file = encoder_file(Path(path))
    try:
        with safe_open(file, framework="pt") as content:
            card = _read_card(file, (content.metadata() or {}).get("signforge_card"))
            tensors = {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise EncoderError(_why_unreadable(file, error)) from None
    clips = tensors.pop(_PRETRAINED_CLIPS, None)
    if clips is not None and (clips.dtype != torch.int64 or clips.dim() != 1):
        raise EncoderError(f"{file} is damaged: its {_PRETRAINED_CLIPS} are not digests.")
    check_described(card.config, sum(tensor.numel() for tensor in tensors.values()), file)
    model = ClipEncoder(card.config)
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise EncoderError(
            f"{file}: its tensors do not match its card: {str(error).splitlines()[-1].strip()}"
        ) from None
    return LoadedEncoder(model.to(device).eval(), card, None if clips is None else clips.numpy())


def encoder_file(path: Path) -> Path:
    """Return the file of an encoder that is at `path`, or in the folder `path`, or that is called so."""
    return path / WEIGHTS if path.is_dir() else or_base(path)


def _check_device(device: str | torch.device) -> None:
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError):  # AssertionError: PyTorch is built without the device
        present = ["cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
        raise UserError(
            f"The device {str(device)!r} cannot be used on this machine. It has: {', '.join(present)}. "
            "Choose one of these (--device)."
        ) from None


def _why_unreadable(file: Path, error: Exception) -> str:
    if _is_checkpoint(file):
        return (
            f"{file} is a PyTorch checkpoint, not a downloaded encoder. If it comes from the released code, "
            f"import it with `signforge encoders import {file} --name NAME`, then download the encoder."
        )
    if not file.exists():
        return (
            f"There is no encoder {file}. {_EXPECTED} `signforge download NAME` gets one from a service; "
            f"{BASE_NAME!r} is the one of this installation."
        )
    kind = seems_to_be(file)
    if kind != SAFETENSORS:
        return f"{file} is not a readable encoder: it seems to be {kind}. {_EXPECTED}"
    return f"{file} is a damaged encoder ({error}). Download it again."


def _is_checkpoint(file: Path) -> bool:
    """Whether torch.save wrote the file: a zip with a pickle, or before PyTorch 1.6 a pickle."""
    try:
        with file.open("rb") as content:
            if content.read(2) == b"\x80\x02":
                return True
        with UntrustedZip(file) as archive:
            return any(name.endswith("/data.pkl") for name in archive.namelist())
    except (OSError, ValueError, struct.error, zipfile.BadZipFile, CorpusError):
        return False


def _read_card(file: Path, text: str | None) -> EncoderCard:
    if text is None:
        raise EncoderError(f"{file} is not a signforge encoder: it has no signforge card in its metadata.")
    if len(text) > MAX_CARD_CHARACTERS:
        raise EncoderError(
            f"{file}: its signforge card has {len(text)} characters; the limit is {MAX_CARD_CHARACTERS}."
        )
    try:
        return EncoderCard.model_validate_json(text)
    except ValidationError as error:
        version = json.loads(text).get("format_version") if text.startswith("{") else None
        raise EncoderError(
            f"{file}: this version of signforge cannot read its card (format {version}). "
            f"{fault_sentence(error.errors()[0])}"
        ) from None
