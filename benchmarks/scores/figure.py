"""Draw the README's figure from the scores of a demo's data folder.

signforge up --data demo-output/service &
SIGNFORGE_DATA_FOLDER=demo-output/service python benchmarks/scores/figure.py docs/learned.svg
"""

import sys
from pathlib import Path

from core.exchange.base_encoder import BASE_NAME
from signforge import Client
from signforge.client.models import Evaluation

FEATURES = {
    "keypoints": "raw keypoints",
    "placed_keypoints": "the same, placed hands",
    "untrained": "untrained encoder",
    "base": "signforge-base",
    "encoder": "trained encoder",
}
PROBES = {("knn", None): "kNN", ("linear", 1): "1 label", ("linear", 5): "5 labels", ("linear", None): "all"}
COLOURS = {
    "keypoints": "#9aa5b1",
    "placed_keypoints": "#7b8794",
    "untrained": "#cbd2d9",
    "base": "#8bb8c9",
    "encoder": "#2f6f8f",
}
WIDTH, ROW, LEFT, BAR = 640, 24, 240, 340
Probe = tuple[str, int | None]


def main() -> None:
    """Read the newest scores of each kind and write the SVG."""
    with Client() as client:
        base = client.encoders.get(BASE_NAME).id
        scores = {
            (kind_of(found, base), probe_of(client, found)): found.scores["top1"]
            for found in reversed(client.evaluations.list())
        }
    Path(sys.argv[1]).write_text(drawing(scores))


def kind_of(found: Evaluation, base: str) -> str:
    return "base" if found.encoder_id == base else found.features


def probe_of(client: Client, found: Evaluation) -> Probe:
    spec = client.jobs.get(found.job_id or "").spec
    return spec["protocol"], spec.get("labels_per_gloss")


def drawing(scores: dict[tuple[str, Probe], float]) -> str:
    rows = [(features, probe) for probe in PROBES for features in FEATURES]
    height = ROW * (len(rows) + len(PROBES))
    bars = "".join(bar(scores[row], *row, y=ROW * (i + i // len(FEATURES)) + 8) for i, row in enumerate(rows))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
        f'font-family="sans-serif" font-size="13">'
        f'<rect width="100%" height="100%" fill="#fff"/>{bars}</svg>\n'
    )


def bar(score: float, features: str, probe: Probe, *, y: int) -> str:
    label = f"{FEATURES[features]}, {PROBES[probe]}"
    return (
        f'<text x="{LEFT - 8}" y="{y + 15}" text-anchor="end" fill="#323f4b">{label}</text>'
        f'<rect x="{LEFT}" y="{y}" width="{score * BAR:.0f}" height="20" fill="{COLOURS[features]}"/>'
        f'<text x="{LEFT + score * BAR + 6:.0f}" y="{y + 15}" fill="#323f4b">{score:.3f}</text>'
    )


if __name__ == "__main__":
    main()
