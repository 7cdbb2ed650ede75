"""What an import may ask of a benchmark: fewer classes, fewer clips, and what released loaders do."""

from dataclasses import dataclass


@dataclass(frozen=True)
class BenchmarkOptions:
    """The defaults read a benchmark as it is; see the fields of the same names in `core.specs.ImportSpec`."""

    classes: int | None = None
    exclude_clips: tuple[str, ...] = ()
    exclude_train_positions: tuple[int, ...] = ()
    drop_last_frame: bool = False
    override_image_size: bool = False
