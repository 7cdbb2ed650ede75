"""`signforge synthetic`: write recordings of synthetic signers, to try the service without data."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from core.errors import StorageError, UserError
from signforge.client.specifications import checked_model
from signforge.installation import require

if TYPE_CHECKING:
    from core.pose.synthetic.recording import SyntheticClip, SyntheticNames

_COLUMNS = ("name", "label", "signer", "session")


def synthetic(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Output folder, which must not exist.")],
    signs: Annotated[int, typer.Option(min=1, help="Signs in the lexicon.")] = 5,
    signers: Annotated[int, typer.Option(min=1, help="Signers; every fourth is left-handed.")] = 4,
    takes: Annotated[int, typer.Option(min=1, help="Takes of each sign by each signer.")] = 4,
    seed: Annotated[
        int, typer.Option(min=0, help="Random seed. The same seed writes the same recordings.")
    ] = 0,
) -> None:
    """Write synthetic recordings: one .npz file of keypoints per clip, and labels.csv."""
    require("worker", "jaxtyping", "numpy", what="`signforge synthetic`")
    from core.pose.synthetic.recording import SyntheticConfig, generate_clips, names_of

    sizes = {"num_signs": signs, "num_signers": signers, "takes_per_sign": takes, "seed": seed}
    config = checked_model(SyntheticConfig, sizes)
    names = names_of(config)
    try:
        folder.mkdir(parents=True)
        clips = enumerate(generate_clips(config), start=1)
        rows = [_write_clip(folder, index, clip, names) for index, clip in clips]
        table = "".join(f"{','.join(row)}\n" for row in (_COLUMNS, *rows))
        (folder / "labels.csv").write_text(table, encoding="utf-8")
    except FileExistsError:
        raise UserError(f"{folder} exists. Choose a new folder, or delete this one first.") from None
    except OSError as error:
        raise StorageError(f"Cannot write to {folder}: {error.strerror}.") from None
    typer.echo(f"{folder}: {config.num_clips} clips of {signs} signs by {signers} signers, and labels.csv.")


def _write_clip(
    folder: Path, index: int, clip: "SyntheticClip", names: "SyntheticNames"
) -> tuple[str, str, str, str]:
    """Write one clip and return its row of the table."""
    import numpy as np

    from core.pose.synthetic.recording import HEIGHT, WIDTH

    name = f"clip_{index:04d}"
    np.savez_compressed(folder / f"{name}.npz", keypoints=clip.keypoints, width=WIDTH, height=HEIGHT)
    return name, names.classes[clip.label], names.signers[clip.signer], names.sessions[clip.session]
