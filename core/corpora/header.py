"""The header of a packed corpus, `corpus.json`, and the layout of the arrays beside it."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, ValidationError

from core.errors import CorpusError
from core.file_kinds import seems_to_be
from core.pose.skeleton import NUM_JOINTS
from core.specs.faults import fault_sentence
from core.specs.fields import Closed, Name
from core.specs.preprocessing import Preprocessing

HEADER_FILE = "corpus.json"
FORMAT_VERSION = 1

Count = Annotated[int, Field(ge=1)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
ArrayName = Literal["points", "visible", "offsets", "labels", "signers", "sessions", "splits", "names"]


class ArrayEntry(Closed):
    """One array file."""

    num_bytes: Count
    """Size of the file."""
    sha256: Sha256
    """Digest of the file."""


class CorpusHeader(Closed):
    """Header of a packed corpus: sizes, names, digests and provenance."""

    format: Literal["signforge corpus"] = "signforge corpus"
    """File type marker."""
    version: Literal[1] = 1
    """Version of the layout."""
    name: Name
    """Name of the corpus."""
    num_clips: Count
    """Number of clips."""
    num_frames: Count
    """Total number of frames of all clips."""
    name_width: Count
    """Largest length of a clip's name, in bytes of UTF-8."""
    label_names: tuple[str, ...]
    """Glosses; `labels` are indices into these."""
    signer_names: tuple[str, ...]
    """Signers; `signers` are indices into these."""
    session_names: tuple[str, ...]
    """Recording sessions; `sessions` are indices into these."""
    split_names: tuple[str, ...]
    """Splits; `splits` are indices into these."""
    arrays: dict[ArrayName, ArrayEntry]
    """The array files, `<name>.npy` each."""
    digest: Sha256
    """Digest of the content: the arrays' digests and the names."""
    provenance: dict[str, Any]
    """Origin of the corpus: source format, file, its digest, import options, report."""

    @property
    def preprocessing(self) -> Preprocessing | None:
        """How the clips were read; None if unknown."""
        return Preprocessing.of(self.provenance)

    def layout(self) -> dict[ArrayName, tuple[np.dtype[Any], tuple[int, ...]]]:
        """Type and shape that each array must have."""
        return array_layout(self.num_clips, self.num_frames, self.name_width)

    def computed_digest(self) -> str:
        """Compute the `digest` of these names and array digests."""
        names = (self.label_names, self.signer_names, self.session_names, self.split_names)
        return content_digest(self.arrays, names)


def array_layout(
    num_clips: int, num_frames: int, name_width: int
) -> dict[ArrayName, tuple[np.dtype[Any], tuple[int, ...]]]:
    """Type and shape of each array of a corpus of this size."""
    return {
        "points": (np.dtype("<f4"), (num_frames, NUM_JOINTS, 2)),
        "visible": (np.dtype("?"), (num_frames, NUM_JOINTS)),
        "offsets": (np.dtype("<i8"), (num_clips + 1,)),
        "labels": (np.dtype("<i4"), (num_clips,)),
        "signers": (np.dtype("<i4"), (num_clips,)),
        "sessions": (np.dtype("<i4"), (num_clips,)),
        "splits": (np.dtype("i1"), (num_clips,)),
        "names": (np.dtype(f"S{name_width}"), (num_clips,)),
    }


def read_header(folder: Path) -> CorpusHeader:
    """Read a packed corpus' header.

    Raises:
        CorpusError: there is no header, it is damaged, or its version is not supported.
    """
    path = folder / HEADER_FILE
    try:
        header = CorpusHeader.model_validate_json(path.read_bytes())
    except NotADirectoryError:
        raise CorpusError(
            f"{folder} is not a packed corpus: it seems to be {seems_to_be(folder)}. Give the corpus' folder."
        ) from None
    except FileNotFoundError:
        raise CorpusError(f"{folder} is not a packed corpus: it has no {HEADER_FILE}.") from None
    except OSError as error:
        raise CorpusError(f"Cannot read {path}: {error.strerror}.") from None
    except ValidationError as error:
        raise CorpusError(
            f"{path} is damaged or not of version {FORMAT_VERSION}. {fault_sentence(error.errors()[0])}"
        ) from None
    missing = sorted(set(header.layout()) - set(header.arrays))
    if missing:
        raise CorpusError(f"{path} is damaged: it does not list the arrays {', '.join(missing)}.")
    return header


def content_digest(arrays: Mapping[ArrayName, ArrayEntry], name_lists: Iterable[tuple[str, ...]]) -> str:
    """Return the SHA-256 over the arrays' digests and the label, signer, session and split names."""
    entries = {array: arrays[array].sha256 for array in sorted(arrays)}
    content = json.dumps([entries, list(name_lists)], ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(content.encode()).hexdigest()


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
