"""Embed a folder of pose files with a downloaded encoder, and find the clips that are most alike.

    python examples/embed_folder.py my-encoder-v1.safetensors recordings --out features.npz

No service is needed. A folder may be larger than memory: clips are read and embedded 64 at a time.
"""

import argparse
from pathlib import Path

import numpy as np

import signforge


def main() -> None:
    """Embed, save, and print the nearest neighbour of the first few clips."""
    parser = argparse.ArgumentParser(description="Features of a folder of pose files.")
    parser.add_argument("encoder", type=Path, help="a downloaded .safetensors file")
    parser.add_argument("poses", type=Path, help="a folder, archive or file of pose files")
    parser.add_argument("--out", type=Path, default=Path("features.npz"))
    parser.add_argument("--show", type=int, default=5, help="clips whose nearest neighbour is printed")
    options = parser.parse_args()
    encoder = signforge.load_encoder(options.encoder)
    names: list[str] = []
    labels: list[str] = []
    rows = []
    for batch in encoder.embed_source(options.poses):
        names += [clip.name for clip in batch.clips]
        labels += [clip.label or "unknown" for clip in batch.clips]
        rows.append(batch.features)
    features = np.concatenate(rows)
    np.savez(options.out, features=features, names=names, labels=labels)
    print(f"{options.out}: {features.shape[0]} clips, {features.shape[1]} numbers each")
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    similarity = unit @ unit.T
    np.fill_diagonal(similarity, -1)
    for row in range(min(options.show, len(names))):
        nearest = int(similarity[row].argmax())
        print(f"{names[row]} ({labels[row]}) is most like {names[nearest]} ({labels[nearest]})")


if __name__ == "__main__":
    main()
