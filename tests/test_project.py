"""Facts about the project itself that would otherwise drift."""

from pathlib import Path

from core.jobs.states import TRANSITIONS

PROJECT = Path(__file__).resolve().parents[1]


def pins(name: str) -> dict[str, str]:
    lines = (PROJECT / name).read_text().splitlines()
    return dict(line.split("==") for line in lines if "==" in line)


def test_the_api_image_uses_the_same_pins_and_no_torch() -> None:
    everything, api = pins("requirements.txt"), pins("requirements-api.txt")
    assert api.items() <= everything.items()
    assert "torch" not in api


def test_inner_init_files_are_empty() -> None:
    for name in ("core", "api", "worker"):
        filled = [path for path in (PROJECT / name).rglob("__init__.py") if path.read_text().strip()]
        assert filled == []


def test_the_documented_transitions_are_those_of_the_code() -> None:
    text = (PROJECT / "ARCHITECTURE.md").read_text()
    table = text.split("<!-- transitions -->")[1].split("<!-- /transitions -->")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.strip().splitlines()[2:]]
    documented = {(origin, target): set(actors.split(", ")) for origin, target, actors in rows}
    assert documented.pop(("-", "queued")) == {"api"}
    assert documented == {edge: set(actors) for edge, actors in TRANSITIONS.items()}
