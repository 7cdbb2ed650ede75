"""How long the check of an API key holds."""

from api.known_keys import KNOWN_SECONDS, Caller, KnownKeys
from tests.worker.attempt.test_reporter import Clock

ADA = Caller("ada", "key_1", ("read",))
KEY = b"digest"


def test_a_check_holds_for_seconds() -> None:
    clock = Clock()
    keys = KnownKeys(clock)
    keys.remember(KEY, ADA, begun=keys.begin_check())
    assert keys.find(KEY) == ADA
    assert keys.find(b"another") is None
    clock.time += KNOWN_SECONDS
    assert keys.find(KEY) is None


def test_it_ends_when_the_key_expires() -> None:
    clock = Clock()
    keys = KnownKeys(clock)
    keys.remember(KEY, ADA, begun=keys.begin_check(), expires_in=1.0)
    clock.time += 0.9
    assert keys.find(KEY) == ADA
    clock.time += 0.1
    assert keys.find(KEY) is None


def test_a_revocation_discards_checks_also_those_under_way() -> None:
    keys = KnownKeys(Clock())
    keys.remember(KEY, ADA, begun=keys.begin_check())
    begun = keys.begin_check()
    keys.forget_all()
    assert keys.find(KEY) is None
    keys.remember(KEY, ADA, begun=begun)  # it read the key before that was revoked
    assert keys.find(KEY) is None


def test_it_remembers_a_bounded_number() -> None:
    keys = KnownKeys(Clock())
    for number in range(10_001):
        keys.remember(str(number).encode(), ADA, begun=keys.begin_check())
    assert keys.find(b"0") is None
    assert keys.find(b"10000") == ADA
