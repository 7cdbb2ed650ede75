"""`signforge demo`: import, pretrain, evaluate and embed synthetic signers on a temporary service."""

import os
import shlex
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from core.errors import StorageError, UserError
from core.exchange.base_encoder import BASE_NAME
from core.pose.synthetic.recording import (
    HEIGHT,
    WIDTH,
    SyntheticConfig,
    generate,
    generate_clips,
    names_of,
    save_npz,
)
from core.specs.import_jobs import SplitConfig
from core.specs.jobs import EvaluateSpec, Features, PretrainSpec
from core.specs.recipes import find_recipe
from signforge.client import Client
from signforge.client.errors import ServiceError
from signforge.client.models import Job
from signforge.commands.printing.terminal import output
from signforge.commands.printing.training_report import rising_loss
from signforge.commands.printing.watching import watch_job
from signforge.embedded.children import Child, wait_until
from signforge.encoder import load_encoder, read_clips

CORPUS = "made-up-signers"
NUM_NEW_SIGNERS = 2
"""Number of signers that are in the test split only."""

_RECIPE = "signforge"
_MARKER = ".made-by-signforge-demo"
_START_SECONDS = 60.0
_STOP_SECONDS = 90.0
_BASE_ROW = f"{BASE_NAME}, of real signers"
_ROWS: dict[str, Features] = {
    "raw keypoints": "keypoints",
    "raw keypoints, placed hands": "placed_keypoints",
    "untrained encoder": "untrained",
    _BASE_ROW: "encoder",
    "trained encoder": "encoder",
}
"""What is compared."""
_PROBES: dict[str, dict[str, Any]] = {
    "kNN": {"protocol": "knn"},
    "linear, 1 label a sign": {"protocol": "linear", "labels_per_gloss": 1, "num_seeds": 5},
    "5 labels": {"protocol": "linear", "labels_per_gloss": 5, "num_seeds": 5},
    "all": {"protocol": "linear"},
}
"""How features are scored; with few labels the mean of five draws of them."""
_TUNED_ROWS: dict[str, Features] = {
    "from scratch with labels, one draw": "untrained",
}
_TUNED_PROBES: dict[str, dict[str, Any]] = {
    "linear, 1 label a sign": {"protocol": "fine_tune", "labels_per_gloss": 1},
    "5 labels": {"protocol": "fine_tune", "labels_per_gloss": 5},
}
"""A whole network trained with labels, on the first of the five draws: training takes much longer."""
_CELLS: dict[tuple[str, str], dict[str, Any]] = {
    **{(row, column): {"features": _ROWS[row], **_PROBES[column]} for row in _ROWS for column in _PROBES},
    **{
        (row, column): {"features": _TUNED_ROWS[row], **_TUNED_PROBES[column]}
        for row in _TUNED_ROWS
        for column in _TUNED_PROBES
    },
}
"""Row and column of the table -> how its score is measured."""


@dataclass(frozen=True)
class DemoSize:
    """Size of the demo's data and training. `epochs` None uses the recipe's value."""

    signs: int = 20
    signers: int = 8
    takes: int = 8
    epochs: int | None = None
    seed: int = 0

    @property
    def num_training_clips(self) -> int:
        """Number of clips of all signers except the new ones."""
        return self.signs * (self.signers - NUM_NEW_SIGNERS) * self.takes


def run_demo(folder: Path, size: DemoSize) -> None:
    """Run the demo. All its files are in `folder`.

    Raises:
        SignforgeError: a part failed. The message names the part and its log.
    """
    began = time.monotonic()
    console = output()
    folder = folder.absolute()
    _fresh(folder)
    config = SyntheticConfig(
        num_signs=size.signs, num_signers=size.signers, takes_per_sign=size.takes, seed=size.seed
    )
    recordings = folder / "recordings.npz"
    _head(console, "Recordings of synthetic signers")
    save_npz(generate(config), recordings, dtype=np.float16)
    console.print(
        f"{config.num_clips} clips: {size.signs} signs, {size.signers} signers, {size.takes} takes each."
    )
    with _service(folder, console) as client:
        stage = _Stage(client, console)
        stage.make_corpus(recordings, names_of(config).signers[-NUM_NEW_SIGNERS:])
        encoder_id = stage.pretrain(size)
        base_id = stage.add_base()
        scores = {
            (row, column): stage.evaluate(base_id if row == _BASE_ROW else encoder_id, row, column)
            for row, column in _CELLS
        }
        encoder = client.encoders.download(encoder_id, folder)
    features = _embed_one_clip(encoder, config, folder / "one_clip.npz")
    _head(
        console, f"Top-1 on signers never seen in training: {size.signs} signs, chance {1 / size.signs:.2f}"
    )
    console.print(_table(scores))
    console.print(
        f"The encoder (sha256 verified): {encoder}\n"
        f"One clip embedded with it: {folder / 'one_clip.npz'} -> features {features.shape}\n"
        f"The service's data and logs: {folder / 'service'}\n"
        f"Start that service again: signforge up --data {shlex.quote(str(folder / 'service'))}\n"
        f"Done in {time.monotonic() - began:.0f} s."
    )


@dataclass(frozen=True)
class _Stage:
    """Runs the jobs of the demo and follows each to its end on the console."""

    client: Client
    console: Console

    def make_corpus(self, recordings: Path, new_signers: tuple[str, ...]) -> None:
        """Upload and import. The new signers are in the test split only."""
        _head(self.console, f"Upload and import; test signers: {', '.join(new_signers)}")
        split = SplitConfig(by="signer", test=new_signers)
        self._finish(self.client.corpora.add(recordings, name=CORPUS, split=split))

    def pretrain(self, size: DemoSize) -> str:
        """Pretrain on the training split, without labels. Returns the encoder's id."""
        _head(self.console, f"Pretrain without labels, recipe {_RECIPE}")
        recipe = find_recipe(_RECIPE).config.run
        run = {"seed": size.seed, "batch_size": min(recipe.batch_size, size.num_training_clips)}
        if size.epochs is not None:
            run["num_epochs"] = size.epochs
        spec = PretrainSpec(name="demo-encoder", corpus=CORPUS, recipe=_RECIPE, overrides={"run": run})
        job = self.client.jobs.submit(spec)
        encoder_id = str(self._finish(job)["encoder_id"])
        if (sentence := rising_loss(self.client.jobs.metrics(job.id, name="loss"))) is not None:
            self.console.print(sentence)
        return encoder_id

    def add_base(self) -> str:
        """Add the encoder of this installation. Returns its id."""
        _head(self.console, f"Add {BASE_NAME}, the encoder of this installation")
        return str(self._finish(self.client.encoders.add(BASE_NAME, name=BASE_NAME))["encoder_id"])

    def evaluate(self, encoder_id: str, row: str, column: str) -> float:
        """Score features, or a network trained with labels, on the new signers. Returns top-1 accuracy."""
        _head(self.console, f"Evaluate on new signers: {row}, {column}")
        spec = EvaluateSpec(corpus=CORPUS, encoder=encoder_id, **_CELLS[row, column])
        return float(self._finish(self.client.jobs.submit(spec))["scores"]["top1"])

    def _finish(self, job: Job) -> dict[str, Any]:
        job = watch_job(self.client, job.id, self.console)
        if not job.has_succeeded or job.result is None:
            raise ServiceError(f"The {job.kind} job {job.id} {job.state}: {job.status_message}")
        return job.result


def _head(console: Console, title: str) -> None:
    console.print(f"\n[bold]{title}[/bold]")


def _fresh(folder: Path) -> None:
    """Create an empty folder. The output of an earlier demo is removed, other files are not."""
    try:
        if folder.exists() and any(folder.iterdir()):
            if not (folder / _MARKER).exists():
                raise UserError(
                    f"{folder} is not empty, and not the output of an earlier demo. Choose another folder "
                    "with --out."
                )
            shutil.rmtree(folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _MARKER).touch()
    except OSError as error:
        raise StorageError(f"Cannot write to {folder}: {error.strerror}.") from None


@contextmanager
def _service(folder: Path, console: Console) -> Iterator[Client]:
    """Run `signforge up` as a child process with its own data folder. Stops it cleanly at the end."""
    data = folder / "service"
    arguments = [sys.executable, "-P", "-m", "signforge", "up", "--data", str(data), "--port", "0"]
    child = Child("service", arguments, log=folder / "service.log", environment=_environment())
    child.start()
    try:
        url = _await_address(child, data / "address")
        console.print(f"A temporary service runs at {url}.")
        with Client(url, (data / "api_key").read_text(encoding="utf-8").strip()) as client:
            yield client
    finally:
        child.ask_to_stop()
        stopped = wait_until(lambda: not child.is_running, seconds=_STOP_SECONDS)
        child.kill()
    if not stopped or child.exit_code != 0:
        raise ServiceError(f"The service did not stop cleanly (code {child.exit_code}); see {child.log}.")


def _environment() -> dict[str, str]:
    """The environment without SIGNFORGE_ variables, so that the demo does not use the user's service."""
    return {name: value for name, value in os.environ.items() if not name.startswith("SIGNFORGE_")}


def _await_address(child: Child, address: Path) -> str:
    if not wait_until(lambda: address.exists() or not child.is_running, seconds=_START_SECONDS):
        raise ServiceError(f"The service was not ready within {_START_SECONDS:g} s; see {child.log}.")
    if not child.is_running:
        raise ServiceError(f"The service did not start. The end of {child.log}:\n{child.tail()}")
    return address.read_text(encoding="utf-8").strip()


def _embed_one_clip(encoder: Path, config: SyntheticConfig, path: Path) -> NDArray[np.float32]:
    """Save the last recording as a pose file and embed it with the encoder."""
    last = next(generate_clips(config, start=config.num_clips - 1))
    np.savez(path, keypoints=last.keypoints, width=WIDTH, height=HEIGHT)
    return load_encoder(encoder).embed(read_clips(path))


def _table(scores: dict[tuple[str, str], float]) -> Table:
    table = Table()
    table.add_column("features")
    for name in _PROBES:
        table.add_column(name, justify="right")
    for row in (*_ROWS, *_TUNED_ROWS):
        found = (scores.get((row, column)) for column in _PROBES)
        table.add_row(row, *("" if score is None else f"{score:.3f}" for score in found))
    return table
