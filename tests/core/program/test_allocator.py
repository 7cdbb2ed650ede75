"""Training processes use tuned glibc allocation, unless the user has other settings."""

import pytest

from core.program import allocator


@pytest.fixture
def glibc(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GLIBC_TUNABLES", "LD_PRELOAD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(allocator.platform, "libc_ver", lambda: ("glibc", "2.36"))


@pytest.mark.usefixtures("glibc")
def test_a_tuned_process_reports_its_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    assert allocator.allocation() == "allocated as the system's settings say"
    for name, value in allocator.tuned_environment().items():
        monkeypatch.setenv(name, value)
    assert "glibc tuned" in allocator.allocation()


@pytest.mark.usefixtures("glibc")
@pytest.mark.parametrize("name", ["GLIBC_TUNABLES", "LD_PRELOAD"])
def test_the_users_own_settings_are_kept(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "something")
    assert allocator.tuned_environment() == {}


@pytest.mark.usefixtures("glibc")
def test_another_c_library_is_not_tuned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allocator.platform, "libc_ver", lambda: ("", ""))
    assert allocator.tuned_environment() == {}
    assert allocator.allocation() == "allocated as the system's settings say"
