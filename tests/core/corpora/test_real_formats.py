"""Every format from its real files to a corpus with a report; what nobody has files of, from written ones."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from core.corpora.importing import import_corpus
from core.corpora.packed import PackedCorpus
from core.program.observer import SilentObserver
from core.specs.import_jobs import ImportSpec
from tests.core.corpora.readers import written
from tests.core.corpora.readers.conftest import coco_keypoints, holistic_keypoints

OPENPOSE_SIZE = {"image_width": 1000, "image_height": 1000}
WEBCAM_SIZE = {"image_width": 640, "image_height": 480}


def imported(source: Path, out: Path, **options: Any) -> tuple[PackedCorpus, dict[str, Any]]:
    """The corpus of a source, and its report as JSON has it."""
    out.mkdir()
    spec = ImportSpec.model_validate({"name": "real", "source": str(source), **options})
    result = import_corpus(spec, out, SilentObserver())
    corpus = PackedCorpus.open(out / "corpus")
    corpus.verify()
    report: dict[str, Any] = json.loads(json.dumps(result["report"]))
    assert result["num_clips"] == report["clips_read"] == len(corpus)
    assert corpus.num_frames == report["frames_kept"]
    assert report == corpus.header.provenance["report"]
    return corpus, report


@pytest.mark.parametrize(
    ("source", "name", "options", "num_clips", "rates", "frames"),
    [
        ("pose_format", "pose_format", {}, 3, {"24": 2, "unknown": 1}, 433),
        ("pose_format/mediapipe.pose", "pose_format", {}, 1, {"24": 1}, 170),
        ("openpose_json", "openpose_json", OPENPOSE_SIZE, 1, {"unknown": 1}, 30),
        ("mmpose_json_133/results_clip.json", "mmpose_json", OPENPOSE_SIZE, 1, {"unknown": 1}, 93),
        ("mmpose_json_133/clip_133.npz", "coco_wholebody_133", {}, 1, {"24": 1}, 93),
        ("traduttore_258", "mp_data", WEBCAM_SIZE, 5, {"unknown": 5}, 150),
        ("../signs/signs_small.npz", "mediapipe_holistic", WEBCAM_SIZE, 272, {"unknown": 272}, 8160),
    ],
)
def test_a_real_source_gives_a_corpus_and_a_report(
    shared_data: Path,
    tmp_path: Path,
    source: str,
    name: str,
    options: dict[str, int],
    num_clips: int,
    rates: dict[str, int],
    frames: int,
) -> None:
    path = (shared_data / "formats" / source).resolve()
    corpus, report = imported(path, tmp_path / "out", format=name, **options)
    assert corpus.header.provenance["format"] == name
    assert report["clips_read"] == num_clips
    assert report["frame_rates"] == rates
    assert report["frames_per_clip"]["total"] == frames
    if "24" not in rates or "unknown" not in rates:
        seconds = None if "unknown" in rates else round(frames / 24, 3)
        assert (report["seconds"] or {}).get("total") == seconds
    left_out = report["frames_without_hands"] + report["frames_subsampled"]
    assert report["frames_kept"] + left_out == frames


def test_written_sources_give_a_corpus_and_a_report(tmp_path: Path) -> None:
    tasks, signs = tmp_path / "tasks", tmp_path / "asl-signs"
    (points,) = holistic_keypoints(1, 4)
    written.write_tasks(tasks / "tea" / "1.json", points)
    written.write_asl_signs(signs / "train_landmark_files" / "7" / "1.parquet", points)
    (signs / "train.csv").write_text(
        "path,participant_id,sequence_id,sign\ntrain_landmark_files/7/1.parquet,7,1,tea\n"
    )
    of_json, _ = imported(tasks, tmp_path / "first", **WEBCAM_SIZE)
    of_rows, _ = imported(signs, tmp_path / "second", **WEBCAM_SIZE)
    assert of_json.header.provenance["format"] == "mediapipe_tasks"
    assert of_rows.header.provenance["format"] == "asl_signs"
    assert of_json.label_names == of_rows.label_names == ("tea",)
    assert of_rows.signer_names == ("7",)
    assert (of_json.points == of_rows.points).all()


def test_a_table_decides_labels_signers_and_splits(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    for number in range(4):
        written.write_coco_parquet(folder / f"{number}.parquet", coco_keypoints(3 + number, seed=number))
    (folder / "labels.csv").write_text(
        "name,label,signer,session,split\n0,tea,ann,1,train\n1,tea,ben,2,test\n2,coffee,ann,1,train\n9,tea,eve,3,test\n"
    )
    corpus, report = imported(folder, tmp_path / "out", **WEBCAM_SIZE)
    assert corpus.label_names == ("coffee", "tea")
    assert corpus.labels.tolist() == [1, 1, 0, -1]
    assert corpus.signer_names == ("ann", "ben")
    assert corpus.splits.tolist() == [0, 1, 0, 0]
    assert report["notes"] == [
        "1 clip not in labels.csv: 3.",
        "1 name in labels.csv without a clip: 9.",
        "1 of 4 clips without a gloss.",
        "1 of 4 clips without a split, so they are in train, unless split.by says otherwise.",
    ]


@pytest.mark.system
def test_the_program_on_a_real_pose_file(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "formats" / "pose_format" / "openpose.pose"
    spec = ImportSpec(name="real", source=str(source.resolve()))
    (tmp_path / "spec.json").write_text(spec.model_dump_json())
    command = [sys.executable, "-m", "core.corpora.importing", "--events"]
    command += ["--spec", str(tmp_path / "spec.json"), "--out", str(tmp_path / "out")]
    (tmp_path / "out").mkdir()
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["event"] == "result"
    assert result["report"]["frames_per_clip"]["total"] == 93
    assert [found["code"] for found in result["report"]["findings"]] == ["default-frame-size"]
