"""`signforge webhooks add | list | test | log | rotate | delete`: manage webhooks."""

from typing import Annotated

import typer

from signforge.client import Client
from signforge.client.models import Webhook
from signforge.commands.options.durations import MAX_GRACE_DAYS, in_days
from signforge.commands.printing.plain_help import command_group
from signforge.commands.printing.terminal import AsJson, print_json, print_table

app = command_group(help="Webhooks: send your server each state change of your jobs.")
_SECONDS_PER_DAY = 86_400.0
WebhookId = Annotated[str, typer.Argument(metavar="ID", help="A webhook's id.")]


@app.command()
def add(
    url: Annotated[str, typer.Argument(metavar="URL", help="URL that receives the messages.")],
    as_json: AsJson = False,
) -> None:
    """Create a webhook that sends each state change of your jobs to a URL. Prints its signing secret once."""
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
        empty="There are no webhooks. Create one with `signforge webhooks add URL`.",
    )


@app.command()
def test(webhook_id: WebhookId) -> None:
    """Send a test message. Its delivery enables a disabled webhook again."""
    with Client() as client:
        message = client.webhooks.test(webhook_id)
    typer.echo(f"{message.id} is queued. `signforge webhooks log {webhook_id}` shows its delivery.")


@app.command()
def log(
    webhook_id: WebhookId,
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of messages.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List a webhook's messages and their deliveries, newest first."""
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
        empty="This webhook has no messages yet.",
    )


@app.command()
def rotate(
    webhook_id: WebhookId,
    grace_days: Annotated[
        float,
        in_days(
            "--grace-days",
            longest=MAX_GRACE_DAYS,
            explanation="How many days messages are also signed with the old secret.",
        ),
    ] = 1.0,
    as_json: AsJson = False,
) -> None:
    """Rotate a webhook's secret, and print the new secret once."""
    with Client() as client:
        webhook = client.webhooks.rotate_secret(webhook_id, grace_seconds=grace_days * _SECONDS_PER_DAY)
    _show_once(webhook, as_json=as_json)


@app.command()
def delete(webhook_id: WebhookId) -> None:
    """Delete a webhook and its deliveries."""
    with Client() as client:
        client.webhooks.delete(webhook_id)
    typer.echo(f"{webhook_id} is deleted.")


def _show_once(webhook: Webhook, *, as_json: bool) -> None:
    if as_json:
        print_json(webhook)
        return
    typer.echo(webhook.secret)
    typer.echo(
        f"Store this secret: it verifies the messages of {webhook.id}, and is not shown again.", err=True
    )
