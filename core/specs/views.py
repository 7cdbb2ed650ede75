"""Configuration of views: how augmented copies of a clip are drawn.

The docstring under a field is its OpenAPI description. Defaults are those of the paper's released training
code, that is, of the recipe `stc`.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from core.specs.fields import (
    NOT_AUGMENTATION,
    Augmentation,
    Closed,
    Fraction,
    Positive,
    Real,
    Switch,
    Whole,
)


class ViewConfig(Closed):
    """Augmentation: how a view (an augmented copy) of a clip is drawn (paper, section III-B)."""

    # Every field is marked `Augmentation` or `NOT_AUGMENTATION`; `without_augmentation` reads the marks.
    num_frames: Annotated[Positive, NOT_AUGMENTATION] = 64
    """Number of frames of a view, after the temporal resize."""
    max_source_frames: Annotated[Positive, NOT_AUGMENTATION] = 300
    """Only this many frames from the start of a clip are used."""
    crop_fraction_min: Annotated[Real, Field(gt=0, le=1), Augmentation(off=1.0)] = 0.1
    """Smallest fraction of a clip's frames that a temporal crop keeps."""
    crop_fraction_max: Annotated[Real, Field(gt=0, le=1), Augmentation(off=1.0)] = 1.0
    """Largest fraction of a clip's frames that a temporal crop keeps."""
    min_crop_frames: Annotated[Positive, NOT_AUGMENTATION] = 32
    """A temporal crop keeps at least this many frames, if the clip has them."""
    spatial_probability: Annotated[Fraction, Augmentation(off=0.0)] = 1.0
    """Probability that a view gets joint corruption or a shear."""
    occlusion_probability: Annotated[Fraction, NOT_AUGMENTATION] = 0.5
    """Probability that this spatial augmentation is joint corruption; otherwise it is a shear."""
    num_occluded_joints: Annotated[Whole, Field(ge=0, le=49), NOT_AUGMENTATION] = 25
    """Number of corrupted joints; they are the same in all frames of a view."""
    occlusion_zero_probability: Annotated[Fraction, NOT_AUGMENTATION] = 0.5
    """Probability that corrupted joints are set to zero; otherwise they are multiplied by a random matrix."""
    occlusion_matrix_range: Annotated[Real, Field(ge=0), NOT_AUGMENTATION] = 1.0
    """Entries of that matrix are uniform in plus or minus this."""
    shear_range: Annotated[Real, Field(ge=0), NOT_AUGMENTATION] = 1.0
    """Shear coefficients are uniform in plus or minus this."""
    rotation_range: Annotated[Real, Field(ge=0), Augmentation(off=0.0)] = 0.0
    """Every view is rotated by an angle uniform in plus or minus this, in radians. The paper's text describes
    rotation; the released code does not rotate."""
    scale_range: Annotated[Real, Field(ge=0, lt=1), Augmentation(off=0.0)] = 0.0
    """Every view is scaled by a factor uniform in 1 plus or minus this. The paper's text describes scaling;
    the released code does not scale."""
    parts_move_apart: Annotated[Switch, NOT_AUGMENTATION] = False
    """Each hand and the trunk draw their own rotation and scale, instead of one for all."""
    spatial_centre: Annotated[Literal["corner", "centre"], NOT_AUGMENTATION] = "corner"
    """Fixed point of spatial augmentations: the corner of the image and of a hand's crop, as in the released
    code, or their centre. Missing and zeroed joints are at (0, 0) in both cases."""
    hand_swap_probability: Annotated[Fraction, Augmentation(off=0.0)] = 0.5
    """Probability of swapping right and left hand."""
    hand_swap_mirrors_trunk: Annotated[Switch, NOT_AUGMENTATION] = False
    """A hand swap also mirrors the trunk, so that a right-handed signer becomes a left-handed one. The
    released code does not change the trunk."""
    trunk_scale_range: Annotated[Real, Field(ge=0, lt=1), Augmentation(off=0.0)] = 0.0
    """The trunk is scaled about the image centre by a factor uniform in 1 plus or minus this. Not in the
    paper. It hides the signer's size and position, which would make clips too easy to distinguish."""
    trunk_shift_range: Annotated[Real, Field(ge=0), Augmentation(off=0.0)] = 0.0
    """The trunk is shifted along each axis by at most this fraction of the image. Not in the paper."""
    trunk_hidden_probability: Annotated[Fraction, Augmentation(off=0.0)] = 0.0
    """Probability that both views of a clip have no trunk, as if only hands had been recorded. Not in the
    paper, and of no help in our trials (docs/explanation/results.md)."""
    hidden_hand_frames: Annotated[Fraction, Augmentation(off=0.0)] = 0.0
    """Each hand of the query view is hidden for this fraction of the frames, in a row. Not in the paper."""

    @model_validator(mode="after")
    def _crop_range_is_ordered(self) -> Self:
        if self.crop_fraction_min > self.crop_fraction_max:
            raise ValueError(
                f"crop_fraction_min {self.crop_fraction_min} is above crop_fraction_max "
                f"{self.crop_fraction_max}; lower crop_fraction_min, or raise crop_fraction_max"
            )
        return self

    def without_augmentation(self) -> "ViewConfig":
        """Return the same settings with every random augmentation turned off."""
        fields = type(self).model_fields.items()
        marks = [(name, mark) for name, field in fields for mark in field.metadata]
        off = {name: mark.off for name, mark in marks if isinstance(mark, Augmentation)}
        return self.model_copy(update=off)
