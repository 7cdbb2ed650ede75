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
  "views": {"num_frames": 8, "min_crop_frames": 4},
  "encoder": {"streams": ["joint"], "graph_block_widths": [4], "pooled_block_widths": [8], "feature_width": 8,
   "num_temporal_blocks": 0, "num_transformer_blocks": 0, "num_attention_heads": 2,
   "hand_feed_forward_width": 16, "trunk_feed_forward_width": 16,
   "projection_width": 16, "embedding_width": 8},
  "contrast": {"transfer_weight": 0},
  "run": {"batch_size": 20, "num_epochs": 1}}}
END
signforge submit pretrain.json --watch
signforge download my-encoder
"""
"""The smallest encoder that there can be: its export to ONNX takes half a minute, that of others minutes."""


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
