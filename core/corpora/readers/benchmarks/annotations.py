"""Annotation files of WLASL and MS-ASL and lists of NLA-SLR and Uni-Sign, as validated records."""

from collections.abc import Sized
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    FailFast,
    NonNegativeInt,
    TypeAdapter,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from core.corpora.readers.untrusted.json_file import read_json_text
from core.errors import CorpusError
from core.specs.faults import fault_sentence

MAX_RECORDS = 500_000
"""Maximum records of an annotation file; a record takes about a kilobyte of memory."""
MAX_WORDS = 1000
"""Maximum words of a gloss."""
_ADVICE = "Import the benchmark in parts."

_T = TypeVar("_T")
_OneFault = FailFast()
"""Stop at the first item that does not fit: the faults of millions would take gigabytes."""


def _one_by_one(entries: object, validate: ValidatorFunctionWrapHandler) -> object:
    """Stop at the first entry of a dict that does not fit, too."""
    if not isinstance(entries, dict):
        return validate(entries)
    return {key: entry for name in entries for key, entry in validate({name: entries[name]}).items()}


def _check_words(gloss: object) -> object:
    if isinstance(gloss, list) and len(gloss) > MAX_WORDS:
        raise ValueError(f"it has {len(gloss)} words; the limit is {MAX_WORDS}")
    return gloss


_OneFaultOfDict = WrapValidator(_one_by_one)


class WlaslInstance(BaseModel):
    """A video in `WLASL_v0.3.json`."""

    video_id: str
    split: str
    signer_id: int | None = None


class WlaslGloss(BaseModel):
    """A gloss in `WLASL_v0.3.json`; its position in the file is its class number."""

    gloss: str
    instances: Annotated[list[WlaslInstance], _OneFault]


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
    gloss: Annotated[str | list[str], BeforeValidator(_check_words)] = ""


WLASL = TypeAdapter(Annotated[list[WlaslGloss], _OneFault])
NSLT = TypeAdapter(Annotated[dict[str, NsltEntry], _OneFaultOfDict])
MSASL = TypeAdapter(Annotated[list[MsaslEntry], _OneFault])
NAMES = TypeAdapter(Annotated[list[str], _OneFault])
NUMBERS = TypeAdapter(Annotated[list[NonNegativeInt], _OneFault])
NLA = TypeAdapter(Annotated[list[NlaEntry], _OneFault])
UNI_SIGN = TypeAdapter(Annotated[dict[str | int, UniSignEntry], _OneFaultOfDict])


def read_annotations(path: Path, kind: TypeAdapter[_T]) -> _T:
    """Read an annotation file in JSON.

    Raises:
        CorpusError: unreadable, too large, or not in the benchmark's published format.
    """
    text = read_json_text(path, advice=_ADVICE)
    _check_count(text.count(b"{"), path)
    try:
        return kind.validate_json(text)
    except ValidationError as error:
        raise _not_as_published(path, error) from None


def validate_records(value: Any, kind: TypeAdapter[_T], path: Path) -> _T:
    """Validate the records in a pickle's value; `path` is named in errors.

    Raises:
        CorpusError: the records have another format.
    """
    _check_count(len(value) if isinstance(value, Sized) else 0, path)
    try:
        return kind.validate_python(value)
    except ValidationError as error:
        raise _not_as_published(path, error) from None


def _check_count(num_records: int, path: Path) -> None:
    if num_records > MAX_RECORDS:
        raise CorpusError(f"{path} has {num_records} records; the limit is {MAX_RECORDS}. {_ADVICE}")


def _not_as_published(path: Path, error: ValidationError) -> CorpusError:
    return CorpusError(
        f"{path} does not have the published annotation format. {fault_sentence(error.errors()[0])}"
    )
