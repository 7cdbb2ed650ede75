"""The command line: `signforge up`, `signforge submit`, `signforge watch` and the rest."""

from importlib.metadata import version
from typing import Annotated

import typer

from signforge.commands import (
    bootstrap,
    cluster,
    corpora,
    embed,
    encoders,
    evaluate,
    export,
    jobs,
    keys,
    recipes,
    run,
    scores,
    service,
    submit,
    synthetic,
    webhooks,
)
from signforge.commands.terminal import OneLineErrors

app = typer.Typer(
    name="signforge",
    cls=OneLineErrors,
    help="Train self-supervised sign-language encoders: import pose files, submit jobs, download encoders.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"signforge {version('signforge')}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    pass


app.command()(service.up)
app.command()(service.demo)
app.command()(synthetic.synthetic)
app.command()(run.run)
app.add_typer(corpora.app, name="corpora")
submit.app.command()(evaluate.evaluate)
app.add_typer(submit.app, name="submit")
app.command()(evaluate.evaluate)
app.command()(scores.scores)
app.command(name="jobs")(jobs.list_jobs)
app.command()(jobs.show)
app.command()(jobs.watch)
app.command()(jobs.logs)
app.command()(jobs.cancel)
app.command()(jobs.pause)
app.command()(jobs.resume)
app.command()(jobs.retry)
app.add_typer(encoders.app, name="encoders")
app.command()(encoders.download)
app.command()(embed.embed)
app.command()(export.export)
app.command()(recipes.recipes)
app.add_typer(webhooks.app, name="webhooks")
keys.app.command()(bootstrap.bootstrap)
app.add_typer(keys.app, name="keys")
for part in (cluster.api, cluster.reconciler, cluster.worker, cluster.health):
    app.command(rich_help_panel=cluster.PANEL)(part)


def main() -> None:
    """Run the command line (the entry point `signforge`)."""
    app()


if __name__ == "__main__":
    main()
