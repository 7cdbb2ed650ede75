"""Export an encoder as a torch.export program, which runs with PyTorch alone, without signforge.

Inputs and outputs are described in `core.exchange.graph`.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import torch

from core.errors import EncoderError
from core.exchange.clip_encoder import ClipEncoder
from core.exchange.graph import EncoderGraph, Report, example, trial_views, write_checked
from core.exchange.weights import LoadedEncoder

CARD = "signforge_card.json"
"""Name of the card among the file's extra files."""

_RUN_WITHOUT_SIGNFORGE = """
import sys
import torch

program = torch.export.load(sys.argv[1]).module()
with torch.no_grad():
    found = [program(points, hand_visible) for points, hand_visible in torch.load(sys.argv[2])]
ours = {name.split(".")[0] for name in sys.modules} & {"core", "signforge"}
assert not ours, f"the program needs {ours}"
torch.save(found, sys.argv[3])
"""
"""Script that runs the file in a process with PyTorch and without signforge."""


def export_program(encoder: LoadedEncoder, path: Path, *, report: Report = lambda _: None) -> float:
    """Export the encoder to `path`, verify its embeddings, and return the largest difference to PyTorch.

    The file is verified in another process, without signforge.

    Raises:
        EncoderError: the difference is above `LARGEST_DIFFERENCE`, or the file cannot be run; nothing is
            written.
        OSError: `path` cannot be written.
    """
    card = encoder.card.model_dump_json()
    return write_checked(
        encoder,
        path,
        what="torch.export",
        write=lambda model, partial: write_program(model, partial, card=card),
        compare=largest_difference,
        report=report,
    )


def write_program(model: ClipEncoder, path: Path, *, card: str) -> None:
    """Write the program of `model` with its card, without verifying it."""
    arguments, free = example(model)
    with torch.no_grad():
        program = torch.export.export(
            EncoderGraph(model).eval(),
            arguments,
            dynamic_shapes=free,
            prefer_deferred_runtime_asserts_over_guards=True,  # check sizes at run time, not when tracing
        )
    torch.export.save(program, path, extra_files={CARD: card})


def largest_difference(model: ClipEncoder, path: Path) -> float:
    """Return the largest difference between embeddings of a file, run in its own process, and of `model`.

    Raises:
        EncoderError: the file cannot be run.
    """
    views = trial_views(model.views.num_frames)
    with tempfile.TemporaryDirectory(prefix="signforge-") as folder:
        given, found = Path(folder, "given.pt"), Path(folder, "found.pt")
        torch.save([(view.points, view.hand_visible) for view in views], given)
        command = [sys.executable, "-c", _RUN_WITHOUT_SIGNFORGE, str(path.absolute()), str(given), str(found)]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        if done.returncode:
            reason = (done.stderr.strip() or "it was killed").splitlines()[-1]
            raise EncoderError(f"The torch.export file cannot be run: {reason}.")
        computed = torch.load(found)
    with torch.no_grad():
        differences = [
            (theirs - model.embed_view(view)).abs().max()
            for theirs, view in zip(computed, views, strict=True)
        ]
    return torch.stack(differences).max().item()  # NaN if any difference is NaN
