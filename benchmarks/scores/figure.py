"""Draw the README's figure from the scores of a demo's data folder.

signforge up --data demo-output/service &
SIGNFORGE_DATA_FOLDER=demo-output/service python benchmarks/scores/figure.py docs/learned.svg
"""

import sys
from pathlib import Path

from signforge import Client

FEATURES = {"keypoints": "raw keypoints", "untrained": "untrained encoder", "encoder": "trained encoder"}
PROTOCOLS = {"knn": "kNN", "linear": "linear probe"}
COLOURS = {"keypoints": "#9aa5b1", "untrained": "#cbd2d9", "encoder": "#2f6f8f"}
WIDTH, ROW, LEFT, BAR = 640, 26, 210, 360


def main() -> None:
    """Read the newest scores of each kind and write the SVG."""
    with Client() as client:
        scores = {
            (found.features, found.protocol): found.scores["top1"]
            for found in reversed(client.evaluations.list())
        }
    Path(sys.argv[1]).write_text(drawing(scores))


def drawing(scores: dict[tuple[str, str], float]) -> str:
    rows = [(features, protocol) for protocol in PROTOCOLS for features in FEATURES]
    height = ROW * (len(rows) + 2)
    bars = "".join(bar(scores[row], *row, y=ROW * (i + i // len(FEATURES)) + 8) for i, row in enumerate(rows))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
        f'font-family="sans-serif" font-size="13">'
        f'<rect width="100%" height="100%" fill="#fff"/>{bars}</svg>\n'
    )


def bar(score: float, features: str, protocol: str, *, y: int) -> str:
    label = f"{FEATURES[features]}, {PROTOCOLS[protocol]}"
    return (
        f'<text x="{LEFT - 8}" y="{y + 15}" text-anchor="end" fill="#323f4b">{label}</text>'
        f'<rect x="{LEFT}" y="{y}" width="{score * BAR:.0f}" height="20" fill="{COLOURS[features]}"/>'
        f'<text x="{LEFT + score * BAR + 6:.0f}" y="{y + 15}" fill="#323f4b">{score:.3f}</text>'
    )


if __name__ == "__main__":
    main()
