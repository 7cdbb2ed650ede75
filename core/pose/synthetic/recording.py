"""Generate synthetic recordings for demos and tests: simulated pose detector output of synthetic signers.

They have the layout of real recordings (COCO-WholeBody, pixels and confidence) and use the same import. Clip
i depends only on the seed and i, so any number of clips can be generated in bounded memory.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from jaxtyping import Float32, Int64
from numpy.typing import NDArray
from pydantic import model_validator

from core.errors import UserError
from core.pose.synthetic.body import NUM_POINTS, body_joints
from core.pose.synthetic.detector import detect, project
from core.pose.synthetic.motion import hand_motion
from core.pose.synthetic.sign_table import SignTable, sign_table
from core.pose.synthetic.signers import Cameras, Signers, draw_signers
from core.pose.synthetic.signs import Sign, draw_lexicon
from core.pose.synthetic.takes import Schedule, Takes, draw_takes
from core.specs.fields import Closed, Positive, Seed

WIDTH = 640
HEIGHT = 480
_BATCH = 64
"""Clips per batch: enough to amortise NumPy's calls, few enough to fit the processor's cache."""
_MAX_CLIPS = 100_000
"""About 5 GB of files. More is a mistake in a number, and would fill the disk."""


class SyntheticConfig(Closed):
    """Size of a synthetic corpus, and the seed for its content."""

    num_signs: Positive = 20
    """Number of signs in the lexicon. About half are minimal pairs of another sign."""
    num_signers: Positive = 8
    """Number of signers. Every fourth is left-handed."""
    takes_per_sign: Positive = 5
    """Number of takes of each sign by each signer."""
    sessions_per_signer: Positive = 2
    """Number of sessions of each signer. The camera moves a little between sessions."""
    seed: Seed = 0
    """Random seed for everything else. Larger numbers do not change the first signs, signers and takes."""

    @property
    def num_clips(self) -> int:
        """Total number of clips: signs x signers x takes."""
        return self.num_signs * self.num_signers * self.takes_per_sign

    @model_validator(mode="after")
    def _is_no_accident(self) -> Self:
        if self.num_clips > _MAX_CLIPS:
            raise ValueError(
                f"{self.num_signs} signs x {self.num_signers} signers x {self.takes_per_sign} takes are "
                f"{self.num_clips} clips; the limit is {_MAX_CLIPS}. Ask for fewer."
            )
        return self


@dataclass(frozen=True)
class SyntheticNames:
    """Names of the classes, signers and sessions in a recording, by index."""

    classes: tuple[str, ...]
    signers: tuple[str, ...]
    sessions: tuple[str, ...]
    """Signer 0's first session, signer 0's second, ... signer 1's first ..."""


@dataclass(frozen=True)
class SyntheticClip:
    """One recording of one sign."""

    keypoints: Float32[np.ndarray, "T 133 3"]
    """x and y in pixels, confidence."""
    label: int
    signer: int
    session: int


@dataclass(frozen=True)
class SyntheticRecordings:
    """N recordings, F frames in all; clip i is `keypoints[offsets[i]:offsets[i + 1]]`."""

    keypoints: Float32[np.ndarray, "F 133 3"]
    """x and y in pixels, confidence."""
    offsets: Int64[np.ndarray, " N+1"]
    labels: Int64[np.ndarray, " N"]
    signer: Int64[np.ndarray, " N"]
    session: Int64[np.ndarray, " N"]
    class_names: tuple[str, ...]
    signer_names: tuple[str, ...]
    session_names: tuple[str, ...]
    width: int = WIDTH
    height: int = HEIGHT

    def __len__(self) -> int:
        return len(self.labels)


def generate(config: SyntheticConfig) -> SyntheticRecordings:
    """Generate all clips of `config` at once."""
    setup = _Setup.of(config)
    offsets = np.zeros(config.num_clips + 1, dtype=np.int64)
    batches = [setup.takes(start, config.num_clips) for start in range(0, config.num_clips, _BATCH)]
    np.cumsum(np.concatenate([takes.num_frames for takes in batches]), out=offsets[1:])
    keypoints = np.empty((offsets[-1], NUM_POINTS, 3), dtype=np.float32)
    for start, takes in zip(range(0, config.num_clips, _BATCH), batches, strict=True):
        keypoints[offsets[start] : offsets[start + len(takes.num_frames)]] = setup.record(takes)
    schedule, names = _schedule(config, np.arange(config.num_clips)), names_of(config)
    return SyntheticRecordings(
        keypoints=keypoints,
        offsets=offsets,
        labels=schedule.sign,
        signer=schedule.signer,
        session=schedule.signer * config.sessions_per_signer + schedule.session,
        class_names=names.classes,
        signer_names=names.signers,
        session_names=names.sessions,
    )


def generate_clips(
    config: SyntheticConfig, *, start: int = 0, stop: int | None = None
) -> Iterator[SyntheticClip]:
    """Generate clips `start` to `stop` (default: all) one by one, in bounded memory.

    They equal those of `generate` for any `start` and `stop`.
    """
    setup = _Setup.of(config)
    stop = config.num_clips if stop is None else min(stop, config.num_clips)
    for first in range(start, stop, _BATCH):
        takes = setup.takes(first, stop)
        clips = np.split(setup.record(takes), np.cumsum(takes.num_frames)[:-1])
        for clip, label, signer, session in zip(
            clips, takes.schedule.sign, takes.schedule.signer, takes.schedule.session, strict=True
        ):
            place = int(signer) * config.sessions_per_signer + int(session)
            yield SyntheticClip(clip, int(label), int(signer), place)


def names_of(config: SyntheticConfig) -> SyntheticNames:
    """Return the names of the signs, signers and sessions of `config`."""
    lexicon = draw_lexicon(config.num_signs, seed=config.seed)
    signers = [f"signer-{signer:02d}" for signer in range(config.num_signers)]
    sessions = [f"{name}-{session}" for name in signers for session in range(config.sessions_per_signer)]
    classes = [f"{index:03d}-{_gloss(sign)}" for index, sign in enumerate(lexicon)]
    return SyntheticNames(tuple(classes), tuple(signers), tuple(sessions))


def save_npz(recordings: SyntheticRecordings, path: Path, *, dtype: type[np.floating] = np.float32) -> None:
    """Save `recordings` as one file of many COCO-WholeBody clips. The output is byte-reproducible.

    `dtype` float16 halves the file size. It rounds coordinates to 0.25 pixels, or to 0.5 pixels from 512 on.

    Raises:
        UserError: `path` does not end in `.npz`, which NumPy would append.
    """
    if path.suffix != ".npz":
        raise UserError(
            f"The file name of recordings must end in .npz; got {path.name!r}. Use {path.stem}.npz."
        )
    np.savez(
        path,
        keypoints=recordings.keypoints.astype(dtype, copy=False),
        offsets=recordings.offsets,
        width=np.int64(recordings.width),
        height=np.int64(recordings.height),
        labels=recordings.labels,
        class_names=np.array(recordings.class_names),
        signer=recordings.signer,
        signer_names=np.array(recordings.signer_names),
        session=recordings.session,
        session_names=np.array(recordings.session_names),
    )


@dataclass(frozen=True)
class _Setup:
    """Everything that is constant across takes."""

    config: SyntheticConfig
    signs: SignTable
    signers: Signers
    cameras: Cameras

    @classmethod
    def of(cls, config: SyntheticConfig) -> "_Setup":
        signers, cameras = draw_signers(
            config.num_signers,
            num_sessions=config.sessions_per_signer,
            seed=config.seed,
            width=WIDTH,
            height=HEIGHT,
        )
        return cls(config, sign_table(draw_lexicon(config.num_signs, seed=config.seed)), signers, cameras)

    def takes(self, start: int, stop: int) -> Takes:
        """Draw one batch of takes, from `start` to at most `stop` (excluded)."""
        schedule = _schedule(self.config, np.arange(start, min(start + _BATCH, stop)))
        return draw_takes(
            schedule, signs=self.signs, signers=self.signers, cameras=self.cameras, seed=self.config.seed
        )

    def record(self, takes: Takes) -> NDArray[np.float32]:
        """Return the detector's output (F, 133, 3) of all takes, concatenated."""
        motion = hand_motion(takes, signs=self.signs, signers=self.signers)
        pixels = project(body_joints(motion, takes, self.signers), takes, self.cameras)
        return detect(
            pixels,
            takes,
            signers=self.signers,
            cameras=self.cameras,
            seed=self.config.seed,
            size=(WIDTH, HEIGHT),
        )


def _schedule(config: SyntheticConfig, index: NDArray[np.int64]) -> Schedule:
    """Return sign, signer and session of each clip; signs change fastest, then signers, then takes."""
    rounds = index // config.num_signs
    take = rounds // config.num_signers
    return Schedule(
        index=index,
        sign=index % config.num_signs,
        signer=rounds % config.num_signers,
        session=take % config.sessions_per_signer,
    )


def _gloss(sign: Sign) -> str:
    return f"{sign.start_shape}-{sign.location}-{sign.path}"
