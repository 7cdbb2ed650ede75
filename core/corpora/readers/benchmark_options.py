"""Import options for benchmarks: subset of classes, excluded clips, and behaviour of released loaders."""

from dataclasses import dataclass


@dataclass(frozen=True)
class BenchmarkOptions:
    """Options for reading a benchmark; the defaults read all of it. Fields as in `ImportSpec`."""

    classes: int | None = None
    exclude_clips: tuple[str, ...] = ()
    exclude_train_positions: tuple[int, ...] = ()
    drop_last_frame: bool = False
    override_image_size: bool = False
