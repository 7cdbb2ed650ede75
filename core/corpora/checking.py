"""Check a source as an import would, without keeping a corpus."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_args

from core.corpora.importing import import_corpus
from core.program.control_group import available_cores
from core.program.observer import Observer
from core.specs.finding_codes import FindingCode
from core.specs.import_jobs import ImportSpec


@dataclass(frozen=True)
class CheckedSource:
    """What an import would understand, and the codes of findings for which it would be refused."""

    summary: Mapping[str, Any]
    refused_for: tuple[str, ...]


def check_source_of(spec: ImportSpec, observer: Observer) -> CheckedSource:
    """Import into a temporary folder, whatever is found, and say what was found.

    Raises:
        CorpusError: an import would fail for another reason than a finding.
        SplitError: the split leaks, or a side of it is empty.
    """
    with TemporaryDirectory(prefix=".signforge-check-") as folder:
        everything = spec.model_copy(update={"accept": get_args(FindingCode)})
        summary = import_corpus(everything, Path(folder), observer, processes=available_cores())
    report: Any = summary["report"]
    refused = [found["code"] for found in report["findings"] if found["refused"]]
    return CheckedSource(summary, tuple(code for code in refused if code not in spec.accept))
