"""WLASL's real annotations, cut to 100 glosses, joined to poses of synthetic signers."""

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.corpora.importing import import_corpus
from core.corpora.packed import PackedCorpus
from core.errors import CorpusError, SplitError
from core.program.observer import SilentObserver
from core.specs.import_jobs import ImportSpec
from tests.core.corpora.readers import written
from tests.core.corpora.readers.benchmarks.conftest import SIZE, Write, profile_of, read
from tests.core.corpora.readers.conftest import coco_keypoints

pytestmark = pytest.mark.slow

NUM_CLIPS = 2038


@pytest.fixture
def annotations(shared_data: Path, tmp_path: Path) -> Path:
    """The real files in a folder of their own."""
    folder = tmp_path / "data"
    folder.mkdir()
    for name in ("WLASL_v0.3_first_100_glosses.json", "nslt_100.json"):
        shutil.copy(shared_data / "annotations" / name, folder)
    return folder


@pytest.fixture
def official(annotations: Path, videos: list[np.ndarray]) -> Path:
    """The annotations and every twentieth clip, and one that nobody annotated."""
    ids = list(json.loads((annotations / "nslt_100.json").read_text()))[::20]
    for number, video_id in enumerate([*ids, "99999"]):
        save(annotations / f"poses/{video_id}.npz", shaken(videos[number % len(videos)], number))
    return annotations


def shaken(video: np.ndarray, seed: int) -> np.ndarray:
    """Another take of the same: no two clips are identical."""
    moved = video.copy()
    moved[:, :, :2] += np.random.default_rng(seed).normal(0, 0.5, (1, 133, 2))
    return moved


def save(path: Path, keypoints: np.ndarray, **more: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, keypoints=keypoints.astype("f4"), width=SIZE[0], height=SIZE[1], **more)


def facts_of(annotations: Path) -> dict[str, tuple[str, str, str]]:
    """Gloss, signer and split of every video, as the official files say."""
    subset = json.loads((annotations / "nslt_100.json").read_text())
    return {
        video["video_id"]: (gloss["gloss"], str(video["signer_id"]), subset[video["video_id"]]["subset"])
        for gloss in json.loads((annotations / "WLASL_v0.3_first_100_glosses.json").read_text())
        for video in gloss["instances"]
    }


def test_annotations_join_gloss_signer_and_split(official: Path) -> None:
    result = read(official, size=None)
    expected = facts_of(official)
    assert result.format == "wlasl"
    assert len(result.clips) == 102
    for clip in result.clips:
        assert (clip.label, clip.signer, clip.split) == expected[clip.name]
    assert dict(result.report.skipped) == {"no pose": NUM_CLIPS - 102}
    assert result.report.examples[0].endswith(f"no pose file {result.report.examples[0].split(':')[0]}")
    assert any(note.startswith("1 poses belong to no listed clip") for note in result.report.notes)


def test_official_splits_that_share_signers_are_imported_with_a_note(official: Path, tmp_path: Path) -> None:
    result: Any = import_corpus(ImportSpec(name="w", source=str(official)), tmp_path, SilentObserver())
    corpus = PackedCorpus.open(tmp_path / "corpus")
    assert set(corpus.split_names) == {"train", "val", "test"}
    assert result["split_counts"] == Counter(
        facts_of(official)[corpus.clip_name(index)][2] for index in range(len(corpus))
    )
    (note,) = (note for note in result["report"]["notes"] if "more than one of the benchmark's" in note)
    sides: dict[str, set[str]] = {}
    for name in map(corpus.clip_name, range(len(corpus))):
        _, signer, split = facts_of(official)[name]
        sides.setdefault(signer, set()).add(split)
    shared = sum(len(splits) > 1 for splits in sides.values())
    assert 0 < shared < 72
    assert len(sides) < 97
    assert note.startswith(f"{shared} of {len(sides)} signers are in more than one of the benchmark's")


def test_a_split_by_signer_of_it_is_clean(official: Path, tmp_path: Path) -> None:
    spec = ImportSpec.model_validate({"name": "w", "source": str(official), "split": {"by": "signer"}})
    import_corpus(spec, tmp_path, SilentObserver())
    corpus = PackedCorpus.open(tmp_path / "corpus")
    in_test = set(corpus.signers[corpus.splits == 1].tolist())
    assert in_test
    assert not in_test & set(corpus.signers[corpus.splits == 0].tolist())


def test_identical_clips_in_two_official_splits_are_refused(official: Path, tmp_path: Path) -> None:
    split_of = {name: split for name, (_, _, split) in facts_of(official).items()}
    poses = sorted((official / "poses").glob("*.npz"))[:-1]
    trained = next(path for path in poses if split_of[path.stem] == "train")
    tested = next(path for path in poses if split_of[path.stem] == "test")
    shutil.copy(trained, tested)
    spec = {"name": "w", "source": str(official)}
    with pytest.raises(SplitError, match="are identical, but in"):
        import_corpus(ImportSpec.model_validate(spec), tmp_path, SilentObserver())
    allowed = ImportSpec.model_validate({**spec, "split": {"allow_overlap": True}})
    assert import_corpus(allowed, tmp_path, SilentObserver())["num_clips"] == 102


def test_videos_without_a_gloss_list_entry_are_reported_not_fatal(official: Path) -> None:
    path = official / "WLASL_v0.3_first_100_glosses.json"
    glosses = json.loads(path.read_text())
    ids = [path.stem for path in (official / "poses").glob("*.npz")][:12]
    for gloss in glosses:
        gloss["instances"] = [video for video in gloss["instances"] if video["video_id"] not in ids]
    path.write_text(json.dumps(glosses))
    result = read(official)
    unknown = [clip for clip in result.clips if clip.signer is None]
    assert {clip.name for clip in unknown} == set(ids) - {"99999"}
    assert all(clip.label and clip.split for clip in unknown)
    assert any("are not in WLASL's list of glosses (for example" in note for note in result.report.notes)


def test_real_annotations_agree_and_what_does_not_is_noted(official: Path) -> None:
    about = "WLASL's list of glosses"
    assert not any(about in note for note in read(official, classes=10).report.notes)
    subset = json.loads((official / "nslt_100.json").read_text())
    ids = sorted(path.stem for path in (official / "poses").glob("*.npz"))[:3]
    left_out, moved, other = ids
    del subset[left_out]
    subset[moved]["subset"] = "test" if subset[moved]["subset"] == "train" else "train"
    subset[other]["action"][0] = (subset[other]["action"][0] + 1) % 100
    (official / "nslt_100.json").write_text(json.dumps(subset))
    result = read(official)
    differ = (
        "nslt_100.json than in WLASL's list of glosses (for example {}): the {} in nslt_100.json was used."
    )
    assert [note for note in result.report.notes if about in note] == [
        f"1 videos of {about} are not in nslt_100.json, which has their classes (for example {left_out}): "
        "they were skipped.",
        f"1 videos have another class in {differ.format(other, 'class')}",
        f"1 videos have another split in {differ.format(moved, 'split')}",
    ]
    assert {clip.name: clip.split for clip in result.clips}[moved] == subset[moved]["subset"]


def test_a_video_of_two_glosses_is_refused(official: Path) -> None:
    (official / "nslt_100.json").unlink()
    path = official / "WLASL_v0.3_first_100_glosses.json"
    glosses = json.loads(path.read_text())
    glosses[1]["instances"].append(glosses[0]["instances"][0])
    path.write_text(json.dumps(glosses))
    with pytest.raises(
        CorpusError, match=r"Clip '\d+' is listed with two labels, 'book' and 'drink'\. Correct the lists"
    ):
        read(official)


@pytest.mark.parametrize("without", ["nslt_100.json", "WLASL_v0.3_first_100_glosses.json"])
def test_one_of_the_two_files_is_enough(official: Path, without: str) -> None:
    expected = facts_of(official)
    (official / without).unlink()
    result = read(official)
    for clip in result.clips:
        gloss, signer, split = expected[clip.name]
        assert clip.split == split
        assert (
            (clip.label, clip.signer) == (gloss, signer)
            if without == "nslt_100.json"
            else clip.signer is None
        )
    assert len({clip.label for clip in result.clips}) == len(
        {expected[clip.name][0] for clip in result.clips}
    )


def test_the_first_classes_of_a_larger_list(official: Path) -> None:
    first = {gloss["gloss"] for gloss in json.loads(next(official.glob("WLASL*")).read_text())[:10]}
    result = read(official, classes=10)
    assert result.clips
    assert {clip.label for clip in result.clips} <= first


def test_the_list_of_the_wanted_size_is_taken(official: Path) -> None:
    entries = json.loads((official / "nslt_100.json").read_text())
    kept = {name: entry for name, entry in entries.items() if entry["action"][0] < 5}
    (official / "nslt_5.json").write_text(json.dumps(kept))
    chosen = read(official, classes=5)
    assert len(chosen.clips) + chosen.report.num_skipped == len(kept)
    assert read(official).report.num_skipped == NUM_CLIPS - 102


def test_pose_files_may_be_pickles_in_folders_of_splits(
    annotations: Path, write: Write, videos: list[np.ndarray]
) -> None:
    write("pose_format/train/69241.pkl", {"keypoints": videos[0], "width": 640, "height": 480})
    write("pose_format/val/70212.pkl", videos[1])
    assert {clip.name for clip in read(annotations).clips} == {"69241", "70212"}


def test_a_folder_of_frames_can_be_a_clip(shared_data: Path, annotations: Path) -> None:
    frames = (shared_data / "formats" / "traduttore_258").rglob("*.npy")
    take = next(path for path in frames if np.load(path)[132:].any()).parent  # a hand was found
    shutil.copytree(take, annotations / "poses" / "book" / "69241")
    (clip,) = read(annotations).clips
    assert (clip.name, clip.label, clip.signer, clip.split) == ("69241", "book", "118", "train")
    with pytest.raises(CorpusError, match="No clip"):
        import_corpus(
            ImportSpec(
                name="w", source=str(annotations), drop_last_frame=True, image_width=640, image_height=480
            ),
            annotations.parent,
            SilentObserver(),
        )


@pytest.mark.parametrize(
    ("video", "name", "num_frames"), [("69241", "69241", 4), ("69241", "results_69241", 4), ("1", "0", 3)]
)
def test_a_file_in_a_folder_of_its_own_name_is_one_clip(
    annotations: Path, video: str, name: str, num_frames: int
) -> None:
    keypoints = coco_keypoints(num_frames)
    if name == "0":  # frames, one of which is called as the clip
        (annotations / "WLASL_v0.3_first_100_glosses.json").unlink()
        subset = {video: {"subset": "train", "action": [0, 1, 9]}}
        (annotations / "nslt_100.json").write_text(json.dumps(subset))
        written.write_openpose(annotations / f"poses/{video}", keypoints)
        for path in (annotations / f"poses/{video}").iterdir():
            path.rename(path.with_name(f"{int(path.name.split('_')[0])}.json"))
    else:
        written.write_mmpose(annotations / f"poses/{video}/{name}.json", keypoints)
    (clip,) = read(annotations).clips
    assert (clip.name, len(clip.clip)) == (video, num_frames)


def test_clips_of_other_programs_are_found_and_read(shared_data: Path, annotations: Path) -> None:
    formats = shared_data / "formats"
    (annotations / "poses").mkdir()
    shutil.copytree(formats / "openpose_json", annotations / "poses/69241")
    shutil.copy(formats / "pose_format/mediapipe.pose", annotations / "poses/65225.pose")
    shutil.copy(formats / "mmpose_json_133/results_clip.json", annotations / "poses/68011.json")
    result = read(annotations)
    assert {(clip.name, clip.label) for clip in result.clips} == {
        ("69241", "book"),
        ("65225", "book"),
        ("68011", "book"),
    }


def test_its_thresholds_are_wlasls(official: Path) -> None:
    assert profile_of(official).name == "wlasl"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "nslt_100.json",
            "[1, 2]",
            r"nslt_100\.json does not have the published annotation format\. Input should be",
        ),
        ("nslt_100.json", '{"1": {"subset": "train", "action": [-1, 0, 0]}}', "/1/action/0"),
        ("nslt_100.json", '{"1": ', "does not have the published annotation format"),
        ("nslt_100.json", "[" * 100_000, "does not have the published annotation format"),
        (
            "nslt_100.json",
            "\ud800".encode(errors="surrogatepass").decode("latin-1"),
            "does not have the published annotation",
        ),
        ("WLASL_v0.3_first_100_glosses.json", '[{"gloss": "book"}]', "/0/instances is missing"),
        ("WLASL_v0.4.json", "[]", "are both WLASL's annotations. Keep one"),
        ("MSASL_test.json", "[]", "annotations of both WLASL and MS-ASL. Import each benchmark separately"),
    ],
)
def test_invalid_annotations_are_refused(official: Path, name: str, content: str, message: str) -> None:
    (official / name).write_text(content)
    with pytest.raises(CorpusError, match=message):
        read(official)


def test_poses_under_other_names_are_named(annotations: Path, videos: list[np.ndarray]) -> None:
    save(annotations / "poses/book_1.npz", videos[0])
    with pytest.raises(
        CorpusError, match=r"None of the 2038 listed clips .* Searched for \d+, .* poses/book_1\.npz"
    ):
        read(annotations)


def test_the_order_of_the_list_of_glosses_does_not_matter(official: Path) -> None:
    expected = facts_of(official)
    path = official / "WLASL_v0.3_first_100_glosses.json"
    glosses = json.loads(path.read_text())
    assert not any("numbered in the order" in note for note in read(official, size=None).report.notes)
    path.write_text(json.dumps(sorted(glosses, key=lambda each: str(each["gloss"]))))
    result = read(official, size=None)
    assert {clip.name: clip.label for clip in result.clips} == {
        clip.name: expected[clip.name][0] for clip in result.clips
    }
    assert any(
        note
        == "The classes of nslt_100.json are not numbered in the order of WLASL's list of glosses. Each has "
        "the gloss of most of its videos."
        for note in result.report.notes
    )
    assert not any("have another class" in note for note in result.report.notes)
