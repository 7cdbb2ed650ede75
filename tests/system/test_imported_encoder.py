"""A checkpoint of the released naming, sent to a running service, becomes an encoder like any other."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from core.exchange.released_file import export_released
from core.exchange.weights import LoadedEncoder
from core.exchange.weights import load_encoder as load
from core.pose.synthetic.recording import SyntheticConfig, generate, save_npz
from core.specs.import_jobs import SplitConfig
from core.specs.jobs import EvaluateSpec, PretrainSpec
from core.training.pretrain import pretrain
from signforge import load_encoder, read_clips
from signforge.cli import app
from tests.core.corpus_maker import random_corpus
from tests.core.small import OVERRIDES
from tests.system.running_service import RunningService

pytestmark = [pytest.mark.system, pytest.mark.slow]

POSES = SyntheticConfig(num_signs=3, num_signers=2, takes_per_sign=2)
JOB_SECONDS = 120.0


@pytest.fixture
def encoder(tmp_path: Path) -> LoadedEncoder:
    corpus = random_corpus(tmp_path / "corpus")
    pretrain(PretrainSpec(corpus=str(corpus.path), recipe="smoke", overrides=OVERRIDES), tmp_path)
    return load(tmp_path / "encoder")


def test_from_a_file_to_scores_and_back(
    encoder: LoadedEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint, broken, poses = tmp_path / "epoch.pth.tar", tmp_path / "bad.pth.tar", tmp_path / "poses.npz"
    export_released(encoder, checkpoint)
    broken.write_bytes(checkpoint.read_bytes()[:-99])
    save_npz(generate(POSES), poses)
    with RunningService(tmp_path / "data") as service, service.client() as client:
        monkeypatch.setenv("SIGNFORGE_URL", client.url)
        monkeypatch.setenv("SIGNFORGE_API_KEY", (service.folder / "api_key").read_text().strip())
        done = CliRunner().invoke(app, ["encoders", "import", str(checkpoint), "--name", "theirs"])
        assert done.exit_code == 0, done.output
        shown = CliRunner().invoke(app, ["encoders", "show", "theirs"]).stdout
        assert "epoch.pth.tar" in shown
        found = client.encoders.get("theirs")
        assert (found.corpus_id, found.card["released"]["epoch"]) == (None, 3)

        refused = client.jobs.wait(client.encoders.add(broken, name="broken").id, timeout=JOB_SECONDS)
        assert (refused.state, refused.status_reason) == ("failed", "data_unusable")
        assert "truncated or damaged" in str(refused.status_message)

        corpus = client.corpora.add(poses, name="signs", split=SplitConfig(by="signer", test_fraction=0.5))
        assert client.jobs.wait(corpus.id, timeout=JOB_SECONDS).has_succeeded
        scored = client.jobs.submit(EvaluateSpec(corpus="signs", encoder="theirs", num_neighbours=1))
        scored = client.jobs.wait(scored.id, timeout=JOB_SECONDS)
        assert scored.has_succeeded, scored.status_message
        path = client.encoders.download(found.id, tmp_path)
    clips = read_clips(poses)
    np.testing.assert_array_equal(
        load_encoder(path).embed(clips), load_encoder(tmp_path / "encoder").embed(clips)
    )
