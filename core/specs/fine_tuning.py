"""What fine-tuning an encoder with labels consists of: frozen, closed, torch-free.

The defaults are those of the paper's released code (section IV-B). The paper's text says 60 epochs and a sum
of predictions: `{"num_epochs": 60, "merge": "sum_of_predictions"}`.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from core.specs.fields import Closed, Fraction, Positive, Real, Switch
from core.specs.pretraining import OptimiserConfig, ViewConfig


class FineTuneConfig(Closed):
    """Training of both streams' encoders, each with a linear classifier on its fused feature."""

    streams: Literal["all", "joint", "motion"] = "all"
    """Which streams are trained and asked: both, or one alone."""
    merge: Literal["mean_of_logits", "sum_of_predictions"] = "mean_of_logits"
    """How two streams become one answer. `mean_of_logits` (released code): one cross-entropy, on the mean of
    the logits; `sum_of_predictions` (paper): each stream has its own, and class probabilities are summed."""
    num_epochs: Positive = 80
    """Passes over the labelled train clips."""
    batch_size: Positive = 64
    """Clips per step; all there are where there are fewer. An epoch's last, incomplete batch is left out."""
    learning_rate: Annotated[Real, Field(gt=0)] = 0.01
    """Learning rate before the first milestone."""
    sgd_momentum: Annotated[Real, Field(ge=0, lt=1)] = 0.9
    """Momentum of the optimiser."""
    weight_decay: Annotated[Real, Field(ge=0)] = 0.0
    """L2 penalty."""
    milestones: tuple[Positive, ...] = (50, 70)
    """Epochs at which the learning rate is multiplied by `decay`."""
    decay: Annotated[Real, Field(gt=0, le=1)] = 0.1
    """Factor at each milestone."""
    crop_fraction_min: Annotated[Real, Field(gt=0, le=1)] = 0.5
    """Least share of a clip's frames that a temporal crop keeps; the largest is all of them."""
    min_crop_frames: Positive = 64
    """A crop keeps at least this many frames, where the clip has them."""
    hand_swap_probability: Fraction = 0.5
    """How often right and left hand change places. (Two fair draws in a row, as the released code makes for
    all benchmarks but WLASL, are one fair draw.)"""
    checkpoint_every_epochs: Positive = 10
    """Epochs between checkpoints; one is also saved when the job is asked to stop."""
    choose_epoch: Switch = True
    """Where the corpus has a split `val` and it is not trained on, keep the epoch that scores best there;
    otherwise, or where there is none, the last."""

    @model_validator(mode="after")
    def _milestones_ascend(self) -> Self:
        if list(self.milestones) != sorted(set(self.milestones)):
            raise ValueError(f"milestones {list(self.milestones)} do not ascend; order them")
        return self

    def optimiser(self) -> OptimiserConfig:
        """The optimiser and its schedule, as pretraining describes them."""
        return OptimiserConfig(
            learning_rate=self.learning_rate,
            sgd_momentum=self.sgd_momentum,
            weight_decay=self.weight_decay,
            milestones=self.milestones,
            decay=self.decay,
        )

    def views(self, pretrained: ViewConfig) -> ViewConfig:
        """How training clips are cut: of augmentations only the crop and the hand swap of fine-tuning.

        Views are as long as the encoder is used to.
        """
        return pretrained.without_augmentation().model_copy(
            update={
                "crop_fraction_min": self.crop_fraction_min,
                "min_crop_frames": self.min_crop_frames,
                "hand_swap_probability": self.hand_swap_probability,
            }
        )
