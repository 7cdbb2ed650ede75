"""`signforge embed`: features of the clips in a pose file, on this machine, without the service."""

from pathlib import Path
from typing import Annotated

import typer

from core.config import Precision
from core.errors import StorageError, UserError


def embed(
    encoder: Annotated[
        Path, typer.Argument(metavar="ENCODER", help="A downloaded .safetensors file, or its folder.")
    ],
    poses: Annotated[Path, typer.Argument(metavar="POSE_FILE", help="A pose file, archive or folder.")],
    out: Annotated[Path, typer.Option(help="Where to write the features.")] = Path("features.npz"),
    profile: Annotated[str, typer.Option(help="Confidence thresholds, as at import.")] = "wlasl",
    image_width: Annotated[int | None, typer.Option(min=1, help="Pixels, as at import.")] = None,
    image_height: Annotated[int | None, typer.Option(min=1, help="Pixels, as at import.")] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    precision: Annotated[Precision, typer.Option(help="bf16 is faster where the device can.")] = "fp32",
) -> None:
    """Embed the clips of a pose file with a downloaded encoder."""
    import numpy as np  # the other commands start sooner without it

    from signforge.encoder import load_encoder, read_named_clips

    if (image_width is None) != (image_height is None):
        raise UserError("--image-width and --image-height go together; give both or neither.")
    image_size = (image_width, image_height) if image_width and image_height else None
    found = read_named_clips(poses, profile=profile, image_size=image_size)
    clips = [named.clip for named in found]
    features = load_encoder(encoder, device=device, precision=precision).embed(clips)
    names = np.array([named.name for named in found])
    num_frames = np.array([len(clip) for clip in clips])
    try:
        with out.open("wb") as stream:  # an open file keeps NumPy from changing the name
            np.savez(stream, features=features, names=names, num_frames=num_frames)
    except OSError as error:
        raise StorageError(f"Cannot write {out}: {error.strerror}.") from None
    typer.echo(f"{out}: features {features.shape} {features.dtype}, of {len(clips)} clips.")
