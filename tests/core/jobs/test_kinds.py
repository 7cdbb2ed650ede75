"""The registry of job kinds: it is whole, and the only list of kinds."""

import ast
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import ValidationError

from core.errors import SpecError
from core.jobs.job_kind import Artifact, Example, JobKind, RefersTo, Resolution
from core.jobs.kinds import IMPORT, KINDS, find, register, spec_adapter, title_of
from core.jobs.scheduling import SchedulingOptions
from core.specs.jobs import JobSpec, PretrainSpec
from core.specs.recipes import resolve, spell_out

PROJECT = Path(__file__).resolve().parents[3]
TELLING = {"import_encoder", "leak_audit"}
"""Names of kinds that mean nothing else."""
RESULTS = {
    "core/evaluation/leak_audit/run.py": ["leak_audit"],
    "signforge/commands/leak_audit.py": ["leak_audit"],
}
"""Where such a name is a field of the program's result."""


class SortSpec(JobSpec):
    """Not a kind of the service."""

    kind: Literal["sort"] = "sort"
    corpus: str


class LooseSpec(SortSpec):
    """Any word passes as its kind."""

    kind: str = "loose"  # type: ignore[assignment]


def sources() -> Iterator[tuple[str, ast.Module]]:
    """The modules that may not list kinds; migrations tell what kinds were once called."""
    for package in ("api", "core", "worker", "signforge"):
        for path in (PROJECT / package).rglob("*.py"):
            name = str(path.relative_to(PROJECT))
            if not name.startswith(("core/specs/", "core/jobs/kinds.py", "core/jobs/migrations/")):
                yield name, ast.parse(path.read_text())


def texts(nodes: Iterator[ast.AST] | list[Any]) -> list[str]:
    return [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]


def test_names_of_kinds_are_written_in_the_registry_alone() -> None:
    found = {name: [text for text in texts(ast.walk(tree)) if text in TELLING] for name, tree in sources()}
    assert {name: names for name, names in found.items() if names} == RESULTS


def test_no_collection_elsewhere_lists_kinds() -> None:
    lists = []
    for name, tree in sources():
        for node in ast.walk(tree):
            entries = node.keys if isinstance(node, ast.Dict) else getattr(node, "elts", [])
            if len(set(KINDS) & set(texts(entries))) > 1:
                lists.append(f"{name}:{node.lineno}")  # type: ignore[attr-defined]
    assert lists == []


def test_every_kind_has_a_program_an_example_and_a_description() -> None:
    for name, kind in KINDS.items():
        assert importlib.util.find_spec(kind.program) is not None
        assert kind.examples
        assert kind.spec_type.__doc__
        for example in kind.examples.values():
            assert spec_adapter().validate_python({"kind": name, **example.fields}).kind == name
    names = [example for kind in KINDS.values() for example in kind.examples]
    assert len(set(names)) == len(names)


def test_no_specification_has_a_scheduling_option() -> None:
    """They are in the query: two runs that differ in priority have the same specification (decision 37)."""
    options = {option.name for option in fields(SchedulingOptions)} | {"deadline", "deadline_at"}
    for name, kind in KINDS.items():
        assert options & set(kind.spec_type.model_fields) == set(), name


def test_specifications_are_closed_and_told_apart_by_kind() -> None:
    adapter = spec_adapter()
    assert isinstance(adapter.validate_python({"kind": "pretrain", "corpus": "c"}), PretrainSpec)
    with pytest.raises(ValidationError, match="corpuss"):
        adapter.validate_python({"kind": "pretrain", "corpus": "c", "corpuss": 1})
    with pytest.raises(ValidationError, match="need `encoder`"):
        adapter.validate_python({"kind": "evaluate", "corpus": "c"})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"references": {"encoder": RefersTo(Artifact.ENCODER)}}, "SortSpec has no field encoder"),
        ({"references": {"corpus": RefersTo(Artifact.CORPUS, clips="clips")}}, "no field clips"),
        ({"makes": Artifact.ENCODER}, "no field name"),
        ({"makes": Artifact.UPLOAD}, "cannot make any uploads"),
        ({"spec_type": JobSpec}, r"JobSpec\.kind is not one word"),
        ({"spec_type": LooseSpec}, r"LooseSpec\.kind is not one word"),
        ({"program": "core/sort.py"}, "'core/sort.py', which is not the name of a module"),
        ({"program": ""}, "'', which is not the name of a module"),
        (
            {"references": {"corpus": RefersTo(Artifact.CORPUS, clips="corpus")}},
            r"SortSpec\.corpus selects clips of `corpus`, but its type is .*str",
        ),
        (
            {"references": {"corpus": RefersTo(Artifact.CORPUS, shares_glosses_with="corpus")}},
            "`corpus`, which is not another field that refers to a corpus; such fields are: none",
        ),
        (
            {"references": {"corpus": RefersTo(Artifact.CORPUS, shares_glosses_with="kind")}},
            "`kind`, which is not another field that refers to a corpus",
        ),
        (
            {"references": {"corpus": RefersTo(Artifact.CORPUS, of_each="corpus")}},
            r"SortSpec\.corpus is .*str.*, but `of_each` needs a tuple of models",
        ),
        (
            {
                "spec_type": PretrainSpec,
                "references": {"also": RefersTo(Artifact.CORPUS, of_each="corpora", clips="clips")},
            },
            "MoreClips has no field corpora",
        ),
        (
            {
                "spec_type": PretrainSpec,
                "references": {"also": RefersTo(Artifact.CORPUS, of_each="corpus", clips="weight")},
            },
            r"MoreClips\.weight selects clips of `also`, but its type is .*float",
        ),
        ({"examples": {"odd": Example("Odd", {"corpuss": "c"})}}, "Example 'odd' of kind 'sort' .*: /corpus"),
    ],
)
def test_a_declaration_that_does_not_fit_is_refused(changes: dict[str, Any], words: str) -> None:
    declared: dict[str, Any] = {"spec_type": SortSpec, "program": "sort", "noun": "sorting", **changes}
    with pytest.raises(ValueError, match=words):
        JobKind(**declared)


@pytest.mark.parametrize("artifact", [Artifact.UPLOAD, Artifact.ENCODER])
@pytest.mark.parametrize("option", ["clips", "shares_glosses_with"])
def test_only_a_corpus_has_clips_and_glosses(artifact: Artifact, option: str) -> None:
    with pytest.raises(ValueError, match=f"has {option}='corpus', but only corpora have"):
        RefersTo(artifact, **{option: "corpus"})


def test_nothing_refers_to_an_evaluation() -> None:
    with pytest.raises(ValueError, match="cannot refer to evaluations; it can to uploads"):
        RefersTo(Artifact.EVALUATION)


@pytest.mark.parametrize("estimate", ["api.submission.estimates", "estimate:", ":estimate", "a/b:f"])
def test_an_estimate_names_a_module_and_a_function(estimate: str) -> None:
    with pytest.raises(ValueError, match="write it as `module:function`"):
        Resolution(resolve, spell_out, estimate=estimate)


def test_a_name_is_registered_once() -> None:
    with pytest.raises(ValueError, match="'import' already"):
        register(IMPORT)
    taken = {"pretrain": Example("Sort", {"corpus": "c"})}
    sorting = JobKind(spec_type=SortSpec, program="sort", noun="sorting", examples=taken)
    with pytest.raises(ValueError, match="example 'pretrain' already"):
        register(sorting)
    assert "sort" not in KINDS


def test_a_job_is_called_by_its_name_its_reference_or_its_noun() -> None:
    assert title_of("pretrain", {"name": "letters", "corpus": "cor_1"}) == "letters"
    assert title_of("leak_audit", {"corpus": "cor_1"}) == "leak audit of cor_1"
    assert title_of("evaluate", {"features": "keypoints", "encoder": None, "protocol": "knn"}) == (
        "knn of keypoints"
    )
    assert JobKind(spec_type=SortSpec, program="sort", noun="sorting").title_of({"corpus": "c"}) == "sorting"
    assert title_of("sort", {"corpus": "cor_1"}) == "sort"


def test_an_unknown_kind_is_answered_with_the_known_ones() -> None:
    with pytest.raises(SpecError, match=r"'pretrian'. There are: import, .*Did you mean 'pretrain'"):
        find("pretrian")


def test_a_client_can_read_the_registry() -> None:
    program = (
        "import sys, core.jobs.kinds, signforge.client; "
        "sys.exit(', '.join({'sqlalchemy', 'torch', 'fastapi', 'celery'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""
