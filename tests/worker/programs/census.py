"""A kind of job that is not built in: it counts the clips of each signer of a corpus.

Its specification has no name and it makes no artifact. Whatever needs to know the kind registers `CENSUS`.
"""

import sys
from collections import Counter
from collections.abc import Mapping
from typing import Literal

from core.corpora.packed import PackedCorpus
from core.jobs.job_kind import Artifact, Example, JobKind, RefersTo
from core.program.frame import Launch, main
from core.specs.fields import Reference
from core.specs.jobs import ClipSelection, JobSpec


class CensusSpec(JobSpec):
    """Count the clips of each signer."""

    kind: Literal["census"] = "census"
    corpus: Reference
    """The corpus to count."""
    clips: ClipSelection = ClipSelection()
    """Clips to count."""


CENSUS = JobKind(
    spec_type=CensusSpec,
    program="tests.worker.programs.census",
    noun="census",
    references={"corpus": RefersTo(Artifact.CORPUS, clips="clips")},
    examples={"census": Example("Count the clips of each signer", {"corpus": "my-signs"})},
)


def census(launch: Launch[CensusSpec]) -> Mapping[str, object]:
    """Count the clips of each signer."""
    corpus = PackedCorpus.open(launch.spec.corpus)
    chosen = corpus.select(launch.spec.clips)
    launch.observer.on_phase("counting", total_steps=len(chosen))
    counts = Counter(corpus.header.signer_names[corpus.signers[index]] for index in chosen)
    launch.observer.on_step(len(chosen), {"signers": float(len(counts))})
    return {"census": dict(counts)}


if __name__ == "__main__":
    sys.exit(main(census, CensusSpec))
