"""`signforge embed`: one row per usable clip, in order, for any number of pose files."""

import gc
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from core.corpora.source import SourceClip
from core.errors import CorpusError, UserError
from core.exchange.card import EncoderCard
from core.pose.clip import Clip
from core.specs.jobs import PretrainSpec
from core.training.pretrain import pretrain
from signforge import FindingWarning, load_encoder, read_clips
from signforge.cli import app
from signforge.encoder import CLIPS_AT_ONCE, EmbeddedClips
from signforge.feature_files import feature_file
from tests.core.corpus_maker import random_corpus
from tests.core.small import OVERRIDES

pytestmark = pytest.mark.slow
SIGNS = ("book", "drink", "thanks")


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    corpus = random_corpus(folder / "corpus")
    pretrain(PretrainSpec(corpus=str(corpus.path), recipe="smoke", overrides=OVERRIDES), folder)
    return folder / "encoder"


def one_clip(seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    points = random.random((9, 133, 2)) * 400 + 20
    points[:, [9, 10]] = points[:, [91, 112]]  # the hands are at their arms
    points[:, [5, 6]] = (300, 200), (150, 200)  # the shoulders are at rest
    return np.concatenate([points, np.ones((9, 133, 1))], axis=2)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A file a clip, in a folder a sign; one is damaged, and one shows no hands."""
    poses = tmp_path / "poses"
    for number, sign in enumerate(SIGNS):
        (poses / sign).mkdir(parents=True)
        for take in range(2):
            np.savez(
                poses / sign / f"{take}.npz", keypoints=one_clip(2 * number + take), width=640, height=480
            )
    (poses / "book" / "broken.npz").write_bytes((poses / "book" / "0.npz").read_bytes()[:-100])
    handless = one_clip(9) * ([1, 1, 0],)
    np.savez(poses / "thanks" / "handless.npz", keypoints=handless, width=640, height=480)
    return poses


@pytest.fixture
def clips_with_facts(tmp_path: Path) -> Path:
    """Many clips in one file, some of which say who signs and where they belong."""
    path, videos = tmp_path / "many.npz", [one_clip(seed) for seed in range(5)]
    np.savez(
        path,
        keypoints=np.concatenate(videos),
        offsets=np.arange(6) * 9,
        width=640,
        height=480,
        names=["a", "b", "ç", "d", "e"],
        labels=["book", "drink", "", "book", "thanks"],
        signer=["ann", "ann", "bob", "", "bob"],
        split=["train", "train", "test", "test", ""],
    )
    return path


def embed(encoder: Path, poses: Path, out: Path, *more: str) -> Result:
    return CliRunner().invoke(app, ["embed", str(encoder), str(poses), "--out", str(out), *more])


def test_a_folder_in_its_order_and_what_was_left_out(encoder: Path, folder: Path, tmp_path: Path) -> None:
    done = embed(encoder, folder, tmp_path / "features.npz")
    assert done.exit_code == 0, done.output
    assert "features (6, 96) float32, of 6 clips" in done.stdout
    assert "2 clips skipped: 1 unreadable, 1 no hands. For example:\nbook/broken" in done.stderr
    with np.load(tmp_path / "features.npz") as written:
        expected = load_encoder(encoder).embed(read_clips(folder))
        np.testing.assert_array_equal(written["features"], expected)
        names = [f"{sign}/{take}" for sign in SIGNS for take in (0, 1)]
        assert [name.removesuffix(".npz") for name in written["names"].tolist()] == names
        assert written["labels"].tolist() == [sign for sign in SIGNS for _ in (0, 1)]
        assert written["signers"].tolist() == [""] * 6
        assert written["num_frames"].tolist() == [9] * 6
        assert EncoderCard.model_validate_json(str(written["card"])) == load_encoder(encoder).card


def test_both_kinds_of_file_say_the_same(encoder: Path, clips_with_facts: Path, tmp_path: Path) -> None:
    for name in ("features.npz", "features.parquet"):
        done = embed(encoder, clips_with_facts, tmp_path / name, "--format", "coco_wholebody_133")
        assert (done.exit_code, done.stderr) == (0, ""), done.output
    table = pq.read_table(tmp_path / "features.parquet")
    with np.load(tmp_path / "features.npz") as arrays:
        width = arrays["features"].shape[1]
        rows = table["features"].combine_chunks().flatten().to_numpy().reshape(-1, width)
        np.testing.assert_array_equal(rows, arrays["features"])
        assert table["num_frames"].to_pylist() == arrays["num_frames"].tolist()
        assert table["name"].to_pylist() == arrays["names"].tolist() == ["a", "b", "ç", "d", "e"]
        for fact in ("label", "signer", "session", "split"):
            assert [value or "" for value in table[fact].to_pylist()] == arrays[f"{fact}s"].tolist()
    assert table["signer"].to_pylist() == ["ann", "ann", "bob", None, "bob"]
    card = EncoderCard.model_validate_json(table.schema.metadata[b"signforge_card"])
    assert card == load_encoder(encoder).card


def test_an_unknown_option_is_refused_before_the_first_batch(encoder: Path, folder: Path) -> None:
    options: dict[str, Any] = {"foo": 1}
    with pytest.raises(UserError, match="There is no option 'foo'"):
        load_encoder(encoder).embed_source(folder, **options)


def many_clips(path: Path, num_clips: int) -> Path:
    """Clips of a frame each: many at little cost."""
    random = np.random.default_rng(0)
    np.savez(path, keypoints=random.random((num_clips, 2, 75, 3), dtype=np.float32).clip(0.01, 1))
    return path


@pytest.mark.parametrize(
    "wrong",
    ["folder", np.zeros((3, 49, 2)), Clip.of(np.zeros((3, 49, 2)), np.ones((3, 49), dtype=bool)), ["a"]],
)
def test_what_is_no_list_of_clips_is_refused(encoder: Path, wrong: Any) -> None:
    with pytest.raises(UserError, match=r"embed takes a list of clips from read_clips, .* use embed_source"):
        load_encoder(encoder).embed(wrong)


def test_exchanged_hands_are_refused_unless_accepted(
    encoder: Path, shared_data: Path, tmp_path: Path
) -> None:
    swapped = shared_data / "cases" / "handedness-swapped" / "swapped.json"
    size = ("--image-width", "640", "--image-height", "480")
    refused = embed(encoder, swapped, tmp_path / "features.npz", *size)
    assert refused.exit_code == 1, refused.output
    assert "features.npz was not written" in refused.stderr
    assert "--accept exchanged-hands" in refused.stderr
    assert list(tmp_path.iterdir()) == []
    accepted = embed(encoder, swapped, tmp_path / "features.npz", *size, "--accept", "exchanged-hands")
    assert accepted.exit_code == 0, accepted.output
    assert "each hand begins at the wrist of the other arm" in accepted.stderr


def test_exchanged_hands_are_told_in_python(encoder: Path, shared_data: Path) -> None:
    """The warning points at the caller's line."""
    swapped = shared_data / "cases" / "handedness-swapped" / "swapped.json"
    with pytest.warns(FindingWarning, match=r"each hand .*\[exchanged-hands\]") as read:
        read_clips(swapped, image_size=(640, 480))
    with pytest.warns(FindingWarning, match=r"\[exchanged-hands\]") as embedded:
        for _ in load_encoder(encoder).embed_source(swapped, image_size=(640, 480)):
            pass
    found = [warned for warned in (*read, *embedded) if warned.category is FindingWarning]
    assert len(found) == 2
    assert {warned.filename for warned in found} == {__file__}


def test_a_long_embedding_says_how_far_it_is(encoder: Path, tmp_path: Path) -> None:
    source = many_clips(tmp_path / "many.npz", 1000)
    done = embed(encoder, source, tmp_path / "features.npz", "--accept", "exchanged-hands")
    lines = [line for line in done.stderr.splitlines() if line.endswith(" of 1000 clips")]
    assert len(lines) == 10, done.output
    assert lines[0] == "128 of 1000 clips"
    assert lines[-1] == "1000 of 1000 clips"


@pytest.mark.filterwarnings("ignore::signforge.pose_source.FindingWarning")
def test_a_large_source_is_not_held_in_memory(encoder: Path, tmp_path: Path) -> None:
    """Two batches, what the reader has under way, and no more, however many clips there are."""
    source, most, rows = many_clips(tmp_path / "many.npz", 1000), 0, []
    for batch in load_encoder(encoder).embed_source(source):
        most = max(most, sum(type(each) is Clip for each in gc.get_objects()))
        rows.append(batch.features)
        assert len(batch.clips) <= CLIPS_AT_ONCE
    assert sum(map(len, rows)) == 1000
    assert most <= 4 * CLIPS_AT_ONCE
    np.testing.assert_array_equal(np.concatenate(rows), load_encoder(encoder).embed(read_clips(source)))


def test_nothing_half_written_is_left(encoder: Path, folder: Path, tmp_path: Path) -> None:
    """Neither where no clip is usable, nor where the file cannot be written or is of no known kind."""
    for path in folder.rglob("[0-9].npz"):
        path.unlink()
    before = sorted(tmp_path.iterdir())
    for name in ("features.npz", "features.parquet"):
        refused = embed(encoder, folder, tmp_path / name)
        assert refused.exit_code == 1
        assert "has no usable clip" in refused.stderr
        nowhere = embed(encoder, folder, tmp_path / "nowhere" / name)
        assert f"Error: Cannot write {tmp_path / 'nowhere' / name}: " in nowhere.stderr
    unknown = embed(encoder, folder, tmp_path / "features.csv")
    assert "'features.csv' must end in .npz or .parquet" in unknown.stderr
    halved = embed(encoder, folder, tmp_path / "features.npz", "--image-width", "640")
    assert "--image-height" in halved.stderr
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("name", ["features.npz", "features.parquet"])
def test_an_earlier_file_stays_until_the_new_one_is_whole(encoder: Path, tmp_path: Path, name: str) -> None:
    path, card = tmp_path / name, load_encoder(encoder).card
    path.write_bytes(b"of an earlier run")
    clip = SourceClip(Clip.of(np.zeros((3, 49, 2)), np.ones((3, 49), dtype=bool)), "a \udcff clip")
    batch = EmbeddedClips((clip,), np.zeros((1, card.embedding_width), dtype=np.float32))
    with pytest.raises(CorpusError), feature_file(path, card) as file:  # noqa: PT012 - it comes from within
        file.add(batch)
        raise CorpusError("The source is damaged.")
    assert path.read_bytes() == b"of an earlier run"
    with feature_file(path, card) as file:
        file.add(batch)
        file.add(batch)
    assert [each.name for each in tmp_path.iterdir()] == [name]
    if name.endswith(".npz"):
        with np.load(path) as arrays:
            assert arrays["names"].tolist() == [r"a \udcff clip"] * 2
            assert arrays["features"].shape == (2, card.embedding_width)
    else:
        assert pq.read_table(path)["name"].to_pylist() == [r"a \udcff clip"] * 2
