"""`signforge webhooks add | list | test | log | rotate | delete`: have your own server told of your jobs."""

from typing import Annotated

import typer

from signforge.client import Client
from signforge.client.models import Webhook
from signforge.commands.terminal import AsJson, print_json, print_table

app = typer.Typer(no_args_is_help=True, help="Webhooks: have your own server told of your jobs' states.")
_SECONDS_PER_DAY = 86_400.0
_LONGEST_GRACE_DAYS = 30
WebhookId = Annotated[str, typer.Argument(metavar="ID", help="A webhook's id.")]


@app.command()
def add(
    url: Annotated[str, typer.Argument(metavar="URL", help="Where messages are sent.")],
    as_json: AsJson = False,
) -> None:
    """Have a URL told of every state change of your jobs, and print the secret that signs, this once."""
    with Client() as client:
        _show_once(client.webhooks.create(url), as_json=as_json)


@app.command(name="list")
def list_webhooks(as_json: AsJson = False) -> None:
    """List webhooks, without their secrets."""
    with Client() as client:
        webhooks = client.webhooks.list()
    if as_json:
        print_json(webhooks)
        return
    print_table(
        ["id", "URL", "created (UTC)", "failing since", "disabled"],
        [
            (webhook.id, webhook.url, webhook.created_at, webhook.failing_since, webhook.disabled_reason)
            for webhook in webhooks
        ],
        empty="There are no webhooks. `signforge webhooks add URL` makes one.",
    )


@app.command()
def test(webhook_id: WebhookId) -> None:
    """Have a test message sent; one that arrives enables a disabled webhook again."""
    with Client() as client:
        message = client.webhooks.test(webhook_id)
    typer.echo(f"{message.id} is on its way. `signforge webhooks log {webhook_id}` tells what came of it.")


@app.command()
def log(
    webhook_id: WebhookId,
    limit: Annotated[int, typer.Option(min=1, help="Most messages to show.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List a webhook's messages and what became of them, newest first."""
    with Client() as client:
        messages = client.webhooks.deliveries(webhook_id, limit=limit)
    if as_json:
        print_json(messages)
        return
    print_table(
        ["id", "type", "state", "attempts", "status", "created (UTC)", "next", "error"],
        [
            (
                message.id,
                message.type,
                message.state,
                message.attempts,
                message.status,
                message.created_at,
                message.next_at,
                message.error,
            )
            for message in messages
        ],
        empty="Nothing was sent there yet.",
    )


@app.command()
def rotate(
    webhook_id: WebhookId,
    grace_days: Annotated[
        float, typer.Option(min=0, max=_LONGEST_GRACE_DAYS, help="How long the old secret signs too.")
    ] = 1.0,
    as_json: AsJson = False,
) -> None:
    """Give a webhook a new secret and print it, this once."""
    with Client() as client:
        webhook = client.webhooks.rotate_secret(webhook_id, grace_seconds=grace_days * _SECONDS_PER_DAY)
    _show_once(webhook, as_json=as_json)


@app.command()
def delete(webhook_id: WebhookId) -> None:
    """Delete a webhook with its log."""
    with Client() as client:
        client.webhooks.delete(webhook_id)
    typer.echo(f"{webhook_id} is deleted.")


def _show_once(webhook: Webhook, *, as_json: bool) -> None:
    if as_json:
        print_json(webhook)
        return
    typer.echo(webhook.secret)
    typer.echo(f"Keep it: it verifies what {webhook.id} sends, and is not shown again.", err=True)
