"""Two-link inverse kinematics."""

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.pose.synthetic.arm import bend_arm

COORDINATE = st.floats(-2.5, 2.5)
LENGTH = st.floats(0.5, 1.0)


@settings(deadline=None, max_examples=100)
@example(target=(-0.5, 0.0, 0.0), upper_arm=0.8, forearm=0.7)  # the shoulder itself
@example(target=(-1.0, 1.0, 0.3), upper_arm=0.8, forearm=0.7)  # along the pole
@given(target=st.tuples(COORDINATE, COORDINATE, COORDINATE), upper_arm=LENGTH, forearm=LENGTH)
def test_the_arm_keeps_its_bones_and_reaches_what_is_within_reach(
    target: tuple[float, float, float], upper_arm: float, forearm: float
) -> None:
    shoulder, wanted = np.array([-0.5, 0.0, 0.0]), np.array(target)
    distance = np.linalg.norm(wanted - shoulder)
    elbow, wrist = bend_arm(shoulder, wanted, upper_arm=np.array(upper_arm), forearm=np.array(forearm))
    assert np.isfinite(elbow).all()
    within_reach = 1.05 * abs(upper_arm - forearm) + 2e-3 < distance < 0.99 * (upper_arm + forearm)
    if within_reach:
        np.testing.assert_allclose(wrist, wanted, atol=1e-9)
    assert np.linalg.norm(wrist - shoulder) <= 0.99 * (upper_arm + forearm) + 1e-9
    np.testing.assert_allclose(np.linalg.norm(elbow - shoulder), upper_arm, rtol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(wrist - elbow), forearm, rtol=1e-6)


def test_the_elbow_hangs_below_the_line_to_the_wrist() -> None:
    elbow, wrist = bend_arm(
        np.zeros(3), np.array([0.0, 0.0, -1.0]), upper_arm=np.array(0.8), forearm=np.array(0.7)
    )
    assert elbow[1] > 0.3
    assert elbow[0] < 0
    assert wrist[1] == 0
