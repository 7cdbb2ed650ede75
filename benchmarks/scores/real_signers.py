"""Leave-one-signer-out evaluation, including pretraining: table of baselines and encoders on unseen signers.

    signforge up &
    signforge corpora add ../shared/data/signs/signs.npz --image-width 640 --image-height 480
    python benchmarks/scores/real_signers.py signs --exclude-label -

Needs a running service and a corpus with glosses and two or more signers. For each signer it pretrains on the
others' clips without their labels, then fits a probe on the others and scores it on that signer.
"""

import argparse
import sys
from typing import Any

from rich.console import Console
from rich.table import Table

from core.specs.jobs import ClipSelection, EvaluateSpec, PretrainSpec
from signforge import Client
from signforge.client.models import Job

WAIT_SECONDS = 3600.0
ROWS = {"keypoints": "raw keypoints", "untrained": "untrained encoder", "encoder": "trained encoder"}
PROTOCOLS = ("knn", "linear")


def main() -> None:
    """Submit all jobs, wait for them, and print the table."""
    options = arguments()
    excluded = tuple(options.exclude_label)
    with Client() as client:
        signers = client.corpora.get(options.corpus).summary["signer_names"]
        encoders = {signer: client.jobs.submit(pretraining(options, signer, excluded)) for signer in signers}
        for job in encoders.values():
            finished(client, job)
        scores = {
            (features, protocol, signer): scored(client, options, features, protocol, signer, excluded)
            for features in ROWS
            for protocol in PROTOCOLS
            for signer in signers
        }
    Console().print(table(scores, signers))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("corpus", help="name or id of a corpus of the service")
    parser.add_argument("--recipe", default="smoke")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--exclude-label", action="append", default=[])
    return parser.parse_args()


def pretraining(options: argparse.Namespace, signer: str, excluded: tuple[str, ...]) -> PretrainSpec:
    return PretrainSpec(
        name=f"without-{signer}",
        corpus=options.corpus,
        recipe=options.recipe,
        overrides={"run": {"seed": options.seed}},
        clips=ClipSelection(exclude_signers=(signer,), exclude_labels=excluded),
    )


def scored(
    client: Client,
    options: argparse.Namespace,
    features: str,
    protocol: str,
    signer: str,
    excluded: tuple[str, ...],
) -> float:
    """Return the top-1 accuracy on `signer`, with the encoder pretrained without that signer."""
    spec = EvaluateSpec(
        corpus=options.corpus,
        encoder=f"without-{signer}",
        features=features,  # type: ignore[arg-type]
        protocol=protocol,  # type: ignore[arg-type]
        folds="each_signer",
        clips=ClipSelection(exclude_labels=excluded),
    )
    result: Any = finished(client, client.jobs.submit(spec)).result
    return next(float(fold["top1"]) for fold in result["scores"]["folds"] if fold["name"] == signer)


def finished(client: Client, job: Job) -> Job:
    job = client.jobs.wait(job.id, timeout=WAIT_SECONDS)
    if not job.has_succeeded:
        sys.exit(f"{job.id} {job.state}: {job.status_message}")
    return job


def table(scores: dict[tuple[str, str, str], float], signers: list[str]) -> Table:
    made = Table("features", "probe", *signers, "mean", title="top-1 on the signer left out")
    for features, name in ROWS.items():
        for protocol in PROTOCOLS:
            row = [scores[features, protocol, signer] for signer in signers]
            made.add_row(name, protocol, *(f"{each:.3f}" for each in [*row, sum(row) / len(row)]))
    return made


if __name__ == "__main__":
    main()
