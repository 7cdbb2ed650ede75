"""A large encoder comes through a network that keeps breaking, from a real API process."""

import hashlib
import random
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from core.jobs.database import transaction
from core.jobs.ledger import leases, outcomes, reports
from core.jobs.ledger.submissions import submit
from core.specs.jobs import PretrainSpec
from signforge.client import Client
from signforge.client.transport.download import file_sha256
from tests.servers.api import OWNER, Api
from tests.signforge.cutting_proxy import CuttingProxy

pytestmark = [pytest.mark.system, pytest.mark.slow]
NUM_BYTES, NUM_CUTS, SEED = 200_000_000, 50, 7
WITHIN_SECONDS = 60.0


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    """A running API; its folder, with the large file, is removed at once afterwards."""
    made = Api(tmp_path / "data")
    yield made
    made.close()
    for path in tmp_path.rglob("*.safetensors*"):
        path.unlink()


def test_200_megabytes_arrive_whole_through_50_cuts(api: Api, tmp_path: Path) -> None:
    draws = random.Random(SEED)
    sha256 = _register_encoder(api, draws.randbytes(NUM_BYTES))
    places = sorted(draws.sample(range(1, NUM_BYTES), NUM_CUTS))
    told: list[int] = []
    with (
        CuttingProxy(api.port, cuts=[10_000, *(b - a for a, b in pairwise([0, *places]))]) as proxy,
        Client(proxy.url, api.api_key, sleep=lambda seconds: None) as client,
    ):
        began = time.monotonic()
        target = client.encoders.download(
            "large", tmp_path / "mine.safetensors", on_bytes=lambda done, total: told.append(done)
        )
        assert time.monotonic() - began < WITHIN_SECONDS
        assert proxy.num_cuts_left == 0
    assert proxy.num_connections >= NUM_CUTS
    assert file_sha256(target) == sha256
    assert told == sorted(told), "no byte is fetched twice"


def _register_encoder(api: Api, content: bytes) -> str:
    """Have the record and the artifact folder hold an encoder of these bytes; returns their sha256."""
    file = outcomes.EncoderFile(
        id="enc_large",
        location="encoders/enc_large",
        sha256=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
        card={"name": "large"},
    )
    folder = api.store.local_path(file.location)
    folder.mkdir(parents=True)
    (folder / "encoder.safetensors").write_bytes(content)
    with transaction(api.engine) as session:
        submit(session, owner=OWNER, spec=PretrainSpec(corpus="cor_none", name="large"), resolved=None)
        claim = leases.claim(session, "hand", 60.0)
        assert claim is not None
        reports.report_started(session, claim.lease)
        outcomes.succeed_pretrain(session, claim.lease, encoder=file, result={"steps": 1})
    return file.sha256
