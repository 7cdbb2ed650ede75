"""The declaration of one kind of job: what the API, the workers and the command line must know about it.

Free of torch and SQLAlchemy, because clients import it; tables are named by `Artifact`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from core.specs.faults import fault_sentence
from core.specs.jobs import ClipSelection, JobSpec


class Artifact(StrEnum):
    """What jobs use and make. The value names its table, its folder in the artifact store and its URLs."""

    UPLOAD = "uploads"
    CORPUS = "corpora"
    ENCODER = "encoders"
    EVALUATION = "evaluations"

    @property
    def noun(self) -> str:
        """What one of them is called."""
        return self.name.lower()


_FIELDS_OF_MAKERS: Mapping[Artifact | None, frozenset[str]] = {
    None: frozenset(),
    Artifact.CORPUS: frozenset({"name"}),
    Artifact.ENCODER: frozenset({"name"}),
    Artifact.EVALUATION: frozenset({"corpus", "features", "protocol", "folds"}),
}
"""What kinds of job can make, and the fields that such a row takes from the specification."""
_MODULE = r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*"
_REFERRED_TO = (Artifact.UPLOAD, Artifact.CORPUS, Artifact.ENCODER)


@dataclass(frozen=True)
class RefersTo:
    """What a field of a specification refers to; the row cannot be deleted until the job has ended.

    A user gives an id or, of a corpus or encoder, a name. The job record holds the id, the program gets a
    local path. A field that refers to an upload may hold a path below a corpus root instead.

    Raises:
        ValueError: nothing can refer to such artifacts, or an option for corpora is given for others.
    """

    to: Artifact
    clips: str | None = None
    """The field that selects clips of the corpus."""
    shares_glosses_with: str | None = None
    """The field of another corpus; the two must have a gloss in common."""
    of_each: str | None = None
    """The field is a list, and this field of each entry refers; `clips` is a field of the entry too."""

    def __post_init__(self) -> None:
        if self.to not in _REFERRED_TO:
            raise ValueError(
                f"A specification cannot refer to {self.to}; it can to {', '.join(_REFERRED_TO)}."
            )
        for option in ("clips", "shares_glosses_with"):
            if getattr(self, option) is not None and self.to != Artifact.CORPUS:
                raise ValueError(
                    f"RefersTo({self.to.value!r}) has {option}={getattr(self, option)!r}, but only corpora "
                    f"have clips and glosses; omit `{option}`, or refer to {Artifact.CORPUS.value!r}."
                )


@dataclass(frozen=True)
class Resolution:
    """How a specification that names a recipe becomes a full configuration, stored beside it.

    Raises:
        ValueError: `estimate` does not have the form `module:function`.
    """

    resolve: Callable[[Any], BaseModel]
    """Specification -> configuration."""
    spell_out: Callable[[Mapping[str, Any], Mapping[str, Any]], dict[str, Any]]
    """Specification and stored configuration, as JSON -> the specification that the program gets."""
    estimate: str | None = None
    """`module:function` of the API that estimates the cost of a run from its `JobRow`."""

    def __post_init__(self) -> None:
        if self.estimate is not None and re.fullmatch(rf"{_MODULE}:{_MODULE}", self.estimate) is None:
            raise ValueError(
                f"Resolution.estimate is {self.estimate!r}; write it as `module:function`, such as "
                "'api.submission.estimates:estimate'."
            )


@dataclass(frozen=True)
class Example:
    """A specification shown in the OpenAPI document; the tests submit it."""

    summary: str
    fields: Mapping[str, Any]
    """The specification without its kind."""


@dataclass(frozen=True, kw_only=True)
class JobKind:
    """A kind of job.

    Raises:
        ValueError: the declaration does not fit the specification's fields.
    """

    spec_type: type[JobSpec]
    program: str
    """The module that does it: `python -m MODULE --spec FILE --out DIR` (core/program/frame.py)."""
    noun: str
    """What such a job is called: `leak audit`."""
    makes: Artifact | None = None
    """What a success adds besides the job's result."""
    references: Mapping[str, RefersTo] = field(default_factory=dict)
    """Fields that refer to rows."""
    resolution: Resolution | None = None
    """For specifications that name a recipe."""
    title: Callable[[Mapping[str, Any]], str] | None = None
    """How lists call a job of a given stored specification, where neither a name nor a reference will do."""
    examples: Mapping[str, Example] = field(default_factory=dict)
    """By a name that is unique among all kinds."""

    def __post_init__(self) -> None:
        name = self.name
        if self.makes not in _FIELDS_OF_MAKERS:
            raise ValueError(f"A job of kind {name!r} cannot make any {self.makes}; set `makes` to None.")
        if re.fullmatch(_MODULE, self.program) is None:
            raise ValueError(
                f"The program of kind {name!r} is {self.program!r}, which is not the name of a module; write "
                "it as 'package.module'."
            )
        self._check_fields()
        for name, reference in self.references.items():
            self._check_reference(name, reference)
        for title, example in self.examples.items():
            self._check_example(title, example)

    def _check_fields(self) -> None:
        single = [reference for reference in self.references.values() if reference.of_each is None]
        named = {field for reference in single for field in _other_fields(reference)}
        self._check_has(self.spec_type, {*self.references, *named, *_FIELDS_OF_MAKERS[self.makes]})
        for name, reference in self.references.items():
            if reference.of_each is not None:
                self._check_has(self._entry_of(name), {reference.of_each, *_other_fields(reference)})

    def _check_has(self, model: type[BaseModel], needed: set[str]) -> None:
        if lacking := sorted(needed - set(model.model_fields)):
            raise ValueError(
                f"{model.__name__} has no field {', '.join(lacking)}, which the declaration of "
                f"kind {self.name!r} needs; add it, or change `references` or `makes`."
            )

    def _entry_of(self, field: str) -> type[BaseModel]:
        """The model of the entries of a list."""
        declared = self.spec_type.model_fields[field].annotation
        entries = [each for each in get_args(declared) if isinstance(each, type)]
        if len(entries) != 1 or not issubclass(entries[0], BaseModel):
            raise ValueError(
                f"{self.spec_type.__name__}.{field} is {declared}, but `of_each` needs a tuple of models; "
                "declare it as tuple[MODEL, ...], or omit `of_each`."
            )
        return entries[0]

    def _check_reference(self, field: str, reference: RefersTo) -> None:
        model = self.spec_type if reference.of_each is None else self._entry_of(field)
        owner, other = model.__name__, reference.shares_glosses_with
        if (clips := reference.clips) is not None:
            declared = model.model_fields[clips].annotation
            if declared is not ClipSelection:
                raise ValueError(
                    f"{owner}.{clips} selects clips of `{field}`, but its type is {declared}; declare it as "
                    "ClipSelection."
                )
        corpora = [name for name, each in self.references.items() if each.to == Artifact.CORPUS]
        if other is not None and (other == field or other not in corpora):
            raise ValueError(
                f"{owner}.{field} shares glosses with `{other}`, which is not another field that refers to a "
                f"corpus; such fields are: {', '.join(name for name in corpora if name != field) or 'none'}."
            )

    def _check_example(self, title: str, example: Example) -> None:
        try:
            self.spec_type.model_validate({"kind": self.name, **example.fields})
        except ValidationError as error:
            raise ValueError(
                f"Example {title!r} of kind {self.name!r} is not a {self.spec_type.__name__}: "
                f"{fault_sentence(error.errors()[0])}"
            ) from None

    @property
    def name(self) -> str:
        """The `kind` of its specifications."""
        declared = self.spec_type.model_fields["kind"]
        name = declared.default
        if not isinstance(name, str) or get_args(declared.annotation) != (name,):
            raise ValueError(
                f"{self.spec_type.__name__}.kind is not one word; declare it as `kind: Literal[NAME] = NAME`."
            )
        return name

    @property
    def is_named(self) -> bool:
        """Whether its specifications have a name."""
        return "name" in self.spec_type.model_fields

    @property
    def reads_uploads(self) -> bool:
        """Whether its program reads what users upload, so that its memory is limited."""
        return any(reference.to == Artifact.UPLOAD for reference in self.references.values())

    def title_of(self, spec: Mapping[str, Any]) -> str:
        """What lists call a job of that stored specification."""
        if self.title is not None:
            return self.title(spec)
        if self.is_named:
            return str(spec["name"])
        single = [field for field, reference in self.references.items() if reference.of_each is None]
        referred_to = next((spec[field] for field in single if spec.get(field)), None)
        return self.noun if referred_to is None else f"{self.noun} of {referred_to}"


def _other_fields(reference: RefersTo) -> list[str]:
    return [field for field in (reference.clips, reference.shares_glosses_with) if field is not None]
