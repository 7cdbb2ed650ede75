"""The leak audit alarms at planted leaks and at a real one, names them, and does not alarm without leaks."""

import json
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from core.corpora.importing import import_corpus
from core.corpora.source import SourceClip
from core.corpora.writing import write_corpus
from core.errors import SplitError, Stopped
from core.evaluation.folds import Fold
from core.evaluation.leak_audit.run import leak_audit
from core.evaluation.leak_audit.sides import merged
from core.pose.clip import Clip
from core.program.observer import SilentObserver
from core.specs.import_jobs import ImportSpec, SplitConfig
from core.specs.jobs import ClipSelection, LeakAuditSpec
from tests.core.training.stopping import StopsAt

pytestmark = pytest.mark.slow

TRUNK_FIRST = (42, 43, 46)


@dataclass(frozen=True)
class People:
    """Clips of people who sign; `moving` ones sit elsewhere for each sign."""

    signers: int = 4
    glosses: int = 6
    takes: int = 5
    moving: bool = False
    seed: int = 0

    def clips(self) -> list[SourceClip]:
        """Each gloss its own way of moving the hands; each person a seat; the last one is the test."""
        random = np.random.default_rng(self.seed)
        ways = random.normal(size=(self.glosses, 49, 2))
        made = []
        for signer in range(self.signers):
            place, body = random.uniform(0.3, 0.7, 2), random.normal(0, 0.05, (49, 2))
            for gloss in range(self.glosses):
                seat = place + (random.normal(0, 0.1, 2) if self.moving else 0)
                for take in range(self.takes):
                    phase = np.linspace(0, np.pi, int(random.integers(20, 30)))[:, None, None]
                    points = (
                        0.5 + body + 0.2 * np.sin(phase) * ways[gloss] * random.uniform(0.7, 1.3, (1, 49, 1))
                    )
                    points[:, TRUNK_FIRST] = seat + body[list(TRUNK_FIRST)]
                    points += 0.02 * random.normal(size=points.shape)
                    made.append(
                        SourceClip(
                            clip=Clip.of(points),
                            name=f"{signer}-{gloss}-{take}",
                            label=f"sign-{gloss}",
                            signer=f"signer-{signer}",
                            session=f"session-{signer}",
                            split="test" if signer == self.signers - 1 else "train",
                        )
                    )
        return made


def packed(path: Path, clips: list[SourceClip], *, allow_overlap: bool = False) -> str:
    split = SplitConfig(allow_overlap=allow_overlap)
    write_corpus(path, clips, name="people", split=split, provenance={"from": "test"})
    return str(path)


def test_a_split_by_signer_does_not_alarm(tmp_path: Path) -> None:
    corpus = packed(tmp_path / "corpus", People().clips())
    for folds in ("split", "each_signer"):
        found = leak_audit(LeakAuditSpec(corpus=corpus, folds=folds))
        assert (found["alarm"], found["reasons"], found["notes"]) == (False, [], [])
        assert found["probes"]["keypoints"]["linear"] > 0.9, "the signs themselves are there to read"
        assert found["probes"]["keypoints"]["p_value"] < 0.05 < found["probes"]["posture"]["p_value"]
    assert [fold["name"] for fold in found["folds"]] == [f"signer-{number}" for number in range(4)]
    assert found["num_clips"] == sum(fold["num_test"] for fold in found["folds"]) == 120


def test_small_corpora_give_no_false_alarm(tmp_path: Path) -> None:
    """People who move between signs, as those of signs.npz do, leave no trace on a signer left out."""
    alarms = [
        leak_audit(
            LeakAuditSpec(
                corpus=packed(tmp_path / str(seed), People(moving=True, seed=seed, takes=3).clips())
            )
        )
        for seed in range(8)
    ]
    assert not any(found["alarm"] for found in alarms)


def test_a_random_split_of_people_who_move_alarms_at_posture(tmp_path: Path) -> None:
    clips = People(moving=True).clips()
    found = leak_audit(LeakAuditSpec(corpus=packed(tmp_path / "corpus", clips), folds="random"))
    assert found["probes"]["posture"]["neighbours"] > 0.9
    assert any("Head and shoulders" in reason for reason in found["reasons"])
    nameless = [replace(clip, signer=None, session=None) for clip in clips]
    found = leak_audit(LeakAuditSpec(corpus=packed(tmp_path / "nameless", nameless), folds="random"))
    assert found["alarm"]
    (reason,) = found["reasons"]
    assert "Head and shoulders" in reason, "posture tells even where nobody is named"
    assert "No clip has a signer name" in found["notes"][0]


def test_planted_copies_are_counted_and_named(tmp_path: Path) -> None:
    clips, random = People().clips(), np.random.default_rng(5)
    test = next(clip for clip in clips if clip.split == "test")
    points = clips[7].clip.points
    changed = {"same": points, "noise": points + 0.002 * random.normal(size=points.shape)}
    changed |= {"later": points[2:], "larger": points * 1.1}
    planted = [
        replace(test, clip=Clip.of(array), name=name, label=clips[7].label) for name, array in changed.items()
    ]
    corpus = packed(tmp_path / "corpus", clips + planted, allow_overlap=True)
    found = leak_audit(LeakAuditSpec(corpus=corpus))
    (fold,) = found["folds"]
    assert (fold["num_exact_copies"], fold["num_near_copies"]) == (1, 3)
    assert {copy["clip"]: copy["copy_of"] for copy in fold["copies"]} == dict.fromkeys(changed, clips[7].name)
    assert found["alarm"]
    assert found["reasons"] == [
        "1 of 34 clips are identical to clips on the other side.",
        "3 of 34 clips are near copies (noise, cuts, size or mirroring apart) of clips on the other side.",
    ]


def test_signers_and_sessions_on_both_sides_are_named(tmp_path: Path) -> None:
    clips = People().clips()
    mixed = [replace(clip, split="test" if clip.name.endswith("-0") else "train") for clip in clips]
    found = leak_audit(LeakAuditSpec(corpus=packed(tmp_path / "corpus", mixed, allow_overlap=True)))
    assert "Signers on both sides: signer-0, signer-1, signer-2, signer-3." in found["reasons"]
    assert "Sessions on both sides: session-0, session-1, session-2, session-3." in found["reasons"]


def test_sessions_are_compared_per_signer(tmp_path: Path) -> None:
    clips = [replace(clip, session="monday") for clip in People().clips()]
    assert not leak_audit(LeakAuditSpec(corpus=packed(tmp_path / "corpus", clips)))["alarm"]


def test_every_two_splits_are_compared_and_only_train_is_trained_on(tmp_path: Path) -> None:
    clips = People().clips()
    three = [replace(clip, split="val") if clip.signer == "signer-2" else clip for clip in clips]
    test = next(clip for clip in clips if clip.split == "test")
    leaked = replace(test, name="leaked", split="val", signer="signer-2", session=None)
    found = leak_audit(
        LeakAuditSpec(corpus=packed(tmp_path / "corpus", [*three, leaked], allow_overlap=True))
    )
    copies = {fold["name"]: fold["num_exact_copies"] for fold in found["folds"]}
    assert copies == {"train / test": 0, "train / val": 0, "test / val": 1}


def test_a_clip_on_three_sides_is_counted_once(tmp_path: Path) -> None:
    clips = People().clips()
    three = [replace(clip, split="val") if clip.signer == "signer-2" else clip for clip in clips]
    here = {"val": "signer-2", "test": "signer-3"}
    twins = [
        replace(clips[7], name=f"in {split}", split=split, signer=signer, session=None)
        for split, signer in here.items()
    ]
    found = leak_audit(
        LeakAuditSpec(corpus=packed(tmp_path / "corpus", [*three, *twins], allow_overlap=True))
    )
    copies = {fold["name"]: fold["num_exact_copies"] for fold in found["folds"]}
    assert copies == {"train / test": 1, "train / val": 1, "test / val": 1}
    assert found["reasons"] == ["2 of 62 clips are identical to clips on the other side."]


def test_a_reason_counts_more_names_than_are_listed(tmp_path: Path) -> None:
    clips = [
        replace(clip, name=f"{person}-{clip.name}", signer=f"person-{person:02}", split=split, session=None)
        for person in range(30)
        for split, clip in zip(("train", "test"), People(seed=person, glosses=1).clips(), strict=False)
    ]
    found = leak_audit(LeakAuditSpec(corpus=packed(tmp_path / "corpus", clips, allow_overlap=True)))
    (fold,) = found["folds"]
    assert (fold["num_shared_signers"], len(fold["shared_signers"])) == (30, 20)
    assert found["reasons"][0].endswith("person-03, person-04 and 25 more.")


def test_without_labels_all_but_posture_is_audited(tmp_path: Path) -> None:
    clips = [replace(clip, label=None) for clip in People().clips()]
    found = leak_audit(LeakAuditSpec(corpus=packed(tmp_path / "corpus", clips)))
    assert found["probes"] is None
    assert "Posture was not probed" in found["notes"][0]


def test_at_most_probe_glosses_are_probed(tmp_path: Path) -> None:
    corpus = packed(tmp_path / "corpus", People(glosses=12).clips())
    found = leak_audit(LeakAuditSpec(corpus=corpus, probe_glosses=5))
    assert found["probes"]["num_glosses"] == 5
    assert "5 of 12 glosses" in found["notes"][0]


def test_many_signers_are_merged_into_few_folds() -> None:
    tests = np.arange(24).reshape(12, 2)
    folds = [Fold(str(test[0]), train=np.setdiff1d(tests, test), test=test) for test in tests]
    few = merged(folds, at_most=5)
    assert len(few) == 5
    assert np.array_equal(np.sort(np.concatenate([fold.test for fold in few])), np.arange(24))
    for fold in few:
        assert np.array_equal(np.union1d(fold.train, fold.test), np.arange(24))
        assert len(np.intersect1d(fold.train, fold.test)) == 0
        assert len(np.intersect1d(fold.train // 2, fold.test // 2)) == 0, "whole groups"
    assert merged(folds, at_most=12) == folds


def test_an_audit_without_two_sides_is_rejected(tmp_path: Path) -> None:
    corpus = packed(tmp_path / "corpus", People().clips())
    with pytest.raises(SplitError, match="all in split 'train'"):
        leak_audit(LeakAuditSpec(corpus=corpus, clips=ClipSelection(splits=("train",))))
    with pytest.raises(Stopped, match="auditing"):
        leak_audit(LeakAuditSpec(corpus=corpus), observer=StopsAt(0))


@pytest.fixture(scope="module")
def signs(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    source, out = shared_data / "signs" / "signs.npz", tmp_path_factory.mktemp("signs")
    spec = ImportSpec(name="signs", source=str(source), image_width=640, image_height=480)
    import_corpus(spec, out, SilentObserver())
    return str(out / "corpus")


def test_a_random_split_of_real_signers_raises_the_alarm(signs: str) -> None:
    found = leak_audit(
        LeakAuditSpec(corpus=signs, folds="random", clips=ClipSelection(exclude_labels=("-",)))
    )
    assert found["alarm"]
    assert found["probes"]["posture"]["neighbours"] == pytest.approx(0.90, abs=0.04)
    assert any("Head and shoulders" in reason for reason in found["reasons"])
    assert [fold["num_near_copies"] for fold in found["folds"]] == [0]


def test_leaving_a_real_signer_out_does_not_alarm(signs: str) -> None:
    spec = LeakAuditSpec(corpus=signs, folds="each_signer", clips=ClipSelection(exclude_labels=("-",)))
    found = leak_audit(spec)
    assert (found["alarm"], found["reasons"]) == (False, [])
    posture = found["probes"]["posture"]
    assert posture["can_tell"]
    assert posture["p_value"] > 0.01
    assert found == leak_audit(spec), "an audit draws by its seed alone"


def test_the_program_writes_what_it_found(tmp_path: Path) -> None:
    spec = LeakAuditSpec(corpus=packed(tmp_path / "corpus", People().clips()))
    (tmp_path / "spec.json").write_text(spec.model_dump_json())
    command = [
        sys.executable,
        "-m",
        "core.evaluation.leak_audit.run",
        "--spec",
        str(tmp_path / "spec.json"),
    ]
    subprocess.run([*command, "--out", str(tmp_path / "out")], check=True, timeout=120, capture_output=True)
    assert json.loads((tmp_path / "out" / "result.json").read_text())["leak_audit"] == leak_audit(spec)
