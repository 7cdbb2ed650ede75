"""Import recordings, pretrain an encoder on them, score it and download it.

    python examples/submit_and_wait.py recordings --test-signer signer-03

It finds the service that `signforge up` started on this machine, or the one that SIGNFORGE_URL names.
"""

import argparse
import sys
from typing import Any

from signforge import Client


def main() -> None:
    """Run the jobs one after the other; the exit code is 1 where one of them fails."""
    parser = argparse.ArgumentParser(description="From recordings to a downloaded encoder.")
    parser.add_argument("recordings", help="a file, archive or folder of pose files")
    parser.add_argument("--test-signer", required=True, help="the signer that only the test sees")
    parser.add_argument("--name", default="example", help="name of the corpus and of the encoder")
    parser.add_argument("--epochs", type=int, default=10)
    options = parser.parse_args()
    pretraining = {
        "kind": "pretrain",
        "corpus": options.name,
        "name": options.name,
        "recipe": "signforge",
        "overrides": {"run": {"num_epochs": options.epochs, "batch_size": 20}},
    }
    with Client() as client:
        split = {"by": "signer", "test": [options.test_signer]}
        job = client.corpora.add(options.recordings, name=options.name, split=split)
        finish(client, job.id)
        encoder = finish(client, client.jobs.submit(pretraining).id)["encoder_id"]
        evaluation = {"kind": "evaluate", "corpus": options.name, "encoder": encoder}
        scores = finish(client, client.jobs.submit(evaluation).id)["scores"]
        print(f"kNN accuracy on {options.test_signer}: {scores['top1']:.3f}")
        print(f"downloaded: {client.encoders.download(encoder, '.')}")


def finish(client: Client, job_id: str) -> dict[str, Any]:
    """Wait for a job and return its result; exit with its message where it failed."""
    job = client.jobs.wait(job_id, timeout=3600)
    print(f"{job.kind}: {job.state}")
    if not job.has_succeeded or job.result is None:
        sys.exit(f"{job.id} {job.state}: {job.status_message}")
    return job.result


if __name__ == "__main__":
    main()
