"""What an import may ask of a benchmark: fewer classes, fewer clips, and what released loaders do."""

from dataclasses import dataclass


@dataclass(frozen=True)
class BenchmarkOptions:
    """How a benchmark is read; the defaults take it as it is. Fields as in `core.specs.jobs.ImportSpec`."""

    classes: int | None = None
    exclude_clips: tuple[str, ...] = ()
    exclude_train_positions: tuple[int, ...] = ()
    drop_last_frame: bool = False
    override_image_size: bool = False
