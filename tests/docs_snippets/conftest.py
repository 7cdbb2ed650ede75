"""A service as the pages find it: running, with a corpus `my-signs` and an encoder `my-encoder` in it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs_snippets.reader import Reader
from tests.docs_snippets.session import Session
from tests.system.running_service import RunningService

_PREPARE = """
signforge synthetic recordings
signforge corpora add recordings --name my-signs --split-by signer --test signer-03
cat > pretrain.json <<'END'
{"kind": "pretrain", "corpus": "my-signs", "recipe": "smoke", "name": "my-encoder",
 "clips": {"splits": ["train"]},
 "overrides": {
  "encoder": {"streams": ["joint"], "graph_block_widths": [8], "pooled_block_widths": [16],
   "feature_width": 16, "num_attention_heads": 2,
   "hand_feed_forward_width": 16, "trunk_feed_forward_width": 16,
   "projection_width": 16, "embedding_width": 8},
  "contrast": {"transfer_weight": 0},
  "run": {"batch_size": 20, "num_epochs": 2}}}
END
signforge submit pretrain.json --watch
signforge download my-encoder
"""
"""A small encoder: an export of it takes seconds."""


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    """A reader who has nothing yet."""
    return Reader(tmp_path)


@pytest.fixture(scope="session")
def prepared_reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """A reader who has done the tutorial: the service runs, and holds a corpus and an encoder."""
    reader = Reader(tmp_path_factory.mktemp("reader"))
    with RunningService(reader.data_folder, webhook_private_targets="1"):
        shell = Session("sh", reader.home, reader.environment)
        try:
            shell.run(_PREPARE)
            yield reader
        finally:
            shell.close()
