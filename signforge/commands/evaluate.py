"""`signforge evaluate` (also `signforge submit evaluate`): score features on a labelled corpus."""

from typing import Any

from core.jobs.kinds import EVALUATE
from core.jobs.scheduling import SchedulingOptions
from signforge.client import Client
from signforge.client.models import Job
from signforge.commands.jobs import Deadline, Priority
from signforge.commands.options.evaluate_options import (
    AllowIdenticalClips,
    EveryGloss,
    FineTuneChanges,
    LabelFraction,
    LabelsPerGloss,
    MaybeEncoder,
    NumNeighbours,
    NumSeeds,
    PerClass,
    PerSigner,
    ScoredBy,
    ScoredFeatures,
    ScoredOn,
    Seed,
    TestCorpus,
    TestSplits,
    TrainOnVal,
    check_tables,
)
from signforge.commands.printing.terminal import AsJson
from signforge.commands.scores import print_evaluation
from signforge.commands.submit import (
    CorpusName,
    DryRun,
    NotLabels,
    NotSigners,
    Signers,
    Splits,
    Watch,
    overrides,
    selection,
    submit,
)
from signforge.commands.submit import app as submissions


def evaluate(
    corpus: CorpusName,
    encoder: MaybeEncoder = None,
    features: ScoredFeatures = "encoder",
    protocol: ScoredBy = "knn",
    folds: ScoredOn = "split",
    test_corpus: TestCorpus = None,
    test_splits: TestSplits = None,
    train_on_val: TrainOnVal = False,
    allow_identical_clips: AllowIdenticalClips = False,
    label_fraction: LabelFraction = 1.0,
    labels_per_gloss: LabelsPerGloss = None,
    every_gloss: EveryGloss = True,
    seed: Seed = 0,
    num_seeds: NumSeeds = 1,
    num_neighbours: NumNeighbours = 20,
    changes: FineTuneChanges = None,
    splits: Splits = None,
    signers: Signers = None,
    exclude_signers: NotSigners = None,
    exclude_labels: NotLabels = None,
    priority: Priority = 0,
    deadline_seconds: Deadline = None,
    dry_run: DryRun = False,
    watch: Watch = False,
    per_class: PerClass = False,
    per_signer: PerSigner = False,
    as_json: AsJson = False,
) -> None:
    """Score features on a labelled corpus: probes on frozen features, search, or fine-tuning."""
    tables = {"--per-class": per_class, "--per-signer": per_signer}
    check_tables(tables, will_be_printed=watch and not as_json)
    spec: dict[str, Any] = {
        "kind": EVALUATE.name,
        "corpus": corpus,
        "encoder": encoder,
        "features": features,
        "protocol": protocol,
        "folds": folds,
        "clips": selection(splits, signers, exclude_signers, exclude_labels),
        "test_corpus": test_corpus,
        "test_clips": selection(test_splits, None, None, None),
        "train_on_val": train_on_val,
        "allow_identical_clips": allow_identical_clips,
        "label_fraction": label_fraction,
        "labels_per_gloss": labels_per_gloss,
        "every_gloss": every_gloss,
        "seed": seed,
        "num_seeds": num_seeds,
        "fine_tune": overrides(changes or []),
        "num_neighbours": num_neighbours,
    }

    def show(client: Client, job: Job) -> None:
        evaluation = client.evaluations.get((job.result or {})["evaluation_id"])
        print_evaluation(evaluation, per_class=per_class, per_signer=per_signer)

    scheduling = SchedulingOptions(priority, deadline_seconds)
    submit(spec, scheduling, dry_run=dry_run, watch=watch, as_json=as_json, show=show)


submissions.command()(evaluate)
