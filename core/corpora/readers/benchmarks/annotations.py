"""Annotation files of WLASL and MS-ASL and lists of NLA-SLR and Uni-Sign, as validated records."""

from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, NonNegativeInt, TypeAdapter, ValidationError

from core.corpora.readers.untrusted.npz import as_corpus_error
from core.errors import CorpusError
from core.source_files import read_source
from core.specs.faults import fault_sentence

MAX_JSON_BYTES = 2**28

_T = TypeVar("_T")


class WlaslInstance(BaseModel):
    """A video in `WLASL_v0.3.json`."""

    video_id: str
    split: str
    signer_id: int | None = None


class WlaslGloss(BaseModel):
    """A gloss in `WLASL_v0.3.json`; its position in the file is its class number."""

    gloss: str
    instances: list[WlaslInstance]


class NsltEntry(BaseModel):
    """A video in `nslt_<classes>.json`: its split, and its class, first frame and last frame."""

    subset: str
    action: tuple[NonNegativeInt, int, int]


class MsaslEntry(BaseModel):
    """A sign in `MSASL_<split>.json`: a segment of a video."""

    label: NonNegativeInt
    text: str
    signer_id: int | None = None
    url: str | None = None
    start: int | None = None
    end: int | None = None
    width: float | None = None
    height: float | None = None


class NlaEntry(BaseModel):
    """A video in NLA-SLR's `train.pkl`, `dev.pkl` or `test.pkl`."""

    name: str
    label: str | int
    video_file: str = ""


class UniSignEntry(BaseModel):
    """A video in Uni-Sign's `labels-<classes>.<split>`."""

    video_path: str
    text: str = ""
    gloss: str | list[str] = ""


WLASL = TypeAdapter(list[WlaslGloss])
NSLT = TypeAdapter(dict[str, NsltEntry])
MSASL = TypeAdapter(list[MsaslEntry])
NAMES = TypeAdapter(list[str])
NUMBERS = TypeAdapter(list[NonNegativeInt])
NLA = TypeAdapter(list[NlaEntry])
UNI_SIGN = TypeAdapter(dict[str | int, UniSignEntry])


def read_annotations(path: Path, kind: TypeAdapter[_T]) -> _T:
    """Read an annotation file in JSON.

    Raises:
        CorpusError: unreadable, too large, or not in the benchmark's published format.
    """
    with as_corpus_error(path):
        if (num_bytes := path.stat().st_size) > MAX_JSON_BYTES:
            raise CorpusError(f"{path} has {num_bytes} bytes; the limit is {MAX_JSON_BYTES} bytes.")
        data = read_source(path)
    try:
        return kind.validate_json(data)
    except ValidationError as error:
        raise _not_as_published(path, error) from None


def validate_records(value: Any, kind: TypeAdapter[_T], path: Path) -> _T:
    """Validate the records in a pickle's value; `path` is named in errors.

    Raises:
        CorpusError: the records have another format.
    """
    try:
        return kind.validate_python(value)
    except ValidationError as error:
        raise _not_as_published(path, error) from None


def _not_as_published(path: Path, error: ValidationError) -> CorpusError:
    return CorpusError(
        f"{path} does not have the published annotation format. {fault_sentence(error.errors()[0])}"
    )
