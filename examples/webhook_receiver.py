"""Receive webhooks of the service, verify their signatures and print them.

    signforge webhooks add http://127.0.0.1:8799/hook > secret.txt
    python examples/webhook_receiver.py secret.txt --port 8799

A message that was not signed with the secret within the last five minutes is answered with 400.
"""

import argparse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from standardwebhooks import Webhook, WebhookVerificationError


class Receiver(ThreadingHTTPServer):
    """Holds the verifier, and the ids of messages that came before."""

    def __init__(self, port: int, secret: str) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.webhook = Webhook(secret)
        self.seen: set[str] = set()


class Handler(BaseHTTPRequestHandler):
    """Answers one message. Do long work elsewhere: the service waits 15 seconds for the answer."""

    server: Receiver

    def do_POST(self) -> None:
        """Verify a message and print it, unless it came before."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            message = self.server.webhook.verify(body, headers)
        except (WebhookVerificationError, ValueError):
            self.send_error(400, "the signature is not valid")
            return
        if headers["webhook-id"] not in self.server.seen:  # a message may come twice
            self.server.seen.add(headers["webhook-id"])
            print(message["type"], message["data"], flush=True)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Do not log each request."""


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Print the webhooks that arrive.")
    parser.add_argument("secret", type=Path, help="a file with the secret that `webhooks add` printed")
    parser.add_argument("--port", type=int, default=8799)
    options = parser.parse_args()
    with Receiver(options.port, options.secret.read_text().strip()) as receiver:
        print(f"listening at http://127.0.0.1:{receiver.server_address[1]}", flush=True)
        receiver.serve_forever()
