"""Fine-tuning trains on views without augmentation: every field of a view says whether it augments."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import BaseModel

from core.specs.fields import Augmentation, Fraction, NotAugmentation, Real
from core.specs.fine_tuning import FineTuneConfig
from core.specs.views import ViewConfig


def undeclared(config: type[BaseModel]) -> Iterator[str]:
    """Fields that are not marked once; a nested configuration's fields are to be marked themselves."""
    for name, field in config.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from (f"{name}.{inner}" for inner in undeclared(kind))
        if sum(isinstance(mark, Augmentation | NotAugmentation) for mark in field.metadata) != 1:
            yield name


def test_every_field_is_marked() -> None:
    assert list(undeclared(ViewConfig)) == []


def test_a_field_without_a_mark_is_rejected() -> None:
    class Blur(BaseModel):
        width: Real = 1.0

    class Wider(ViewConfig):
        blur: Blur = Blur()
        flip_probability: Fraction = 0.5
        noise_range: Annotated[Real, Augmentation(off=0.0)] = 0.1

    assert list(undeclared(Wider)) == ["blur.width", "blur", "flip_probability"]
    assert Wider().without_augmentation().noise_range == 0


def test_without_augmentation_is_valid_and_keeps_the_rest() -> None:
    views = ViewConfig(num_frames=16, spatial_centre="centre", rotation_range=0.5, crop_fraction_max=0.4)
    plain = views.without_augmentation()
    assert ViewConfig.model_validate(plain.model_dump()) == plain == plain.without_augmentation()
    assert (plain.num_frames, plain.spatial_centre) == (16, "centre")
    assert (plain.rotation_range, plain.crop_fraction_min, plain.crop_fraction_max) == (0, 1, 1)


def test_fine_tuning_adds_only_its_crop_and_its_hand_swap() -> None:
    pretrained = ViewConfig(rotation_range=0.5, scale_range=0.2, trunk_shift_range=0.1)
    views, plain = FineTuneConfig().views(pretrained), pretrained.without_augmentation()
    changed = {name for name in ViewConfig.model_fields if getattr(views, name) != getattr(plain, name)}
    assert changed == {"crop_fraction_min", "min_crop_frames", "hand_swap_probability"}
