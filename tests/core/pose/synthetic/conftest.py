"""One small scene, kept apart into its layers: draws, motion, bodies, pixels."""

from dataclasses import dataclass

import numpy as np
import pytest

from core.pose.synthetic.body import body_joints
from core.pose.synthetic.detector import project
from core.pose.synthetic.motion import HandMotion, hand_motion
from core.pose.synthetic.sign_table import SignTable, sign_table
from core.pose.synthetic.signers import Cameras, Signers, draw_signers
from core.pose.synthetic.signs import Sign, draw_lexicon
from core.pose.synthetic.takes import Schedule, Takes, draw_takes

SIZE = (640, 480)


@dataclass(frozen=True)
class Scene:
    lexicon: tuple[Sign, ...]
    signs: SignTable
    signers: Signers
    cameras: Cameras
    takes: Takes
    motion: HandMotion
    joints: np.ndarray
    pixels: np.ndarray


@pytest.fixture(scope="package")
def scene() -> Scene:
    """Twelve signs by four signers (the last is left-handed), two takes each."""
    lexicon = draw_lexicon(12, seed=5)
    signs = sign_table(lexicon)
    signers, cameras = draw_signers(4, num_sessions=2, seed=5, width=SIZE[0], height=SIZE[1])
    index = np.arange(12 * 4 * 2)
    schedule = Schedule(index=index, sign=index % 12, signer=index // 12 % 4, session=index // 48)
    takes = draw_takes(schedule, signs=signs, signers=signers, cameras=cameras, seed=5)
    motion = hand_motion(takes, signs=signs, signers=signers)
    joints = body_joints(motion, takes, signers)
    return Scene(lexicon, signs, signers, cameras, takes, motion, joints, project(joints, takes, cameras))
