"""Configuration of supervised fine-tuning. This module does not import torch.

The defaults are those of the paper's released code (section IV-B). The paper's text says 60 epochs and a sum
of predictions: `{"num_epochs": 60, "merge": "sum_of_predictions"}`.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from core.specs.fields import Closed, Fraction, Positive, Real, Switch
from core.specs.pretraining import OptimiserConfig
from core.specs.views import ViewConfig


class FineTuneConfig(Closed):
    """Fine-tuning of each stream's encoder with a linear classifier on its fused feature."""

    streams: Literal["all", "joint", "motion"] = "all"
    """Streams that are trained and used for prediction: both, or one alone."""
    merge: Literal["mean_of_logits", "sum_of_predictions"] = "mean_of_logits"
    """How the predictions of two streams are combined. `mean_of_logits` (released code): one cross-entropy
    loss on the mean of the logits. `sum_of_predictions` (paper): one loss per stream; the class
    probabilities are summed."""
    num_epochs: Positive = 80
    """Number of passes over the labelled training clips."""
    batch_size: Positive = 64
    """Clips per step; with fewer clips than this, a step takes all of them. The last, incomplete batch of an
    epoch is dropped."""
    learning_rate: Annotated[Real, Field(gt=0)] = 0.01
    """Learning rate before the first milestone."""
    sgd_momentum: Annotated[Real, Field(ge=0, lt=1)] = 0.9
    """Momentum of SGD."""
    weight_decay: Annotated[Real, Field(ge=0)] = 0.0
    """L2 penalty."""
    milestones: tuple[Positive, ...] = (50, 70)
    """Epochs at which the learning rate is multiplied by `decay`."""
    decay: Annotated[Real, Field(gt=0, le=1)] = 0.1
    """Factor applied to the learning rate at each milestone."""
    crop_fraction_min: Annotated[Real, Field(gt=0, le=1)] = 0.5
    """Smallest fraction of a clip's frames that a temporal crop keeps; the largest is 1."""
    min_crop_frames: Positive = 64
    """A temporal crop keeps at least this many frames, if the clip has them."""
    hand_swap_probability: Fraction = 0.5
    """Probability of swapping right and left hand. (For all benchmarks except WLASL the released code draws
    twice with probability 0.5, which is equivalent to one draw with 0.5.)"""
    checkpoint_every_epochs: Positive = 10
    """Epochs between checkpoints. A checkpoint is also saved when the job is asked to stop."""
    choose_epoch: Switch = True
    """Select the epoch with the best score on the split `val`. Without a `val` split, with `train_on_val`, or
    if this is off, the last epoch is used."""

    @model_validator(mode="after")
    def _milestones_ascend(self) -> Self:
        if list(self.milestones) != sorted(set(self.milestones)):
            raise ValueError(
                f"milestones {list(self.milestones)} must be in ascending order, each once; sort them"
            )
        return self

    def optimiser(self) -> OptimiserConfig:
        """Return the optimiser and its schedule as an `OptimiserConfig`."""
        return OptimiserConfig(
            learning_rate=self.learning_rate,
            sgd_momentum=self.sgd_momentum,
            weight_decay=self.weight_decay,
            milestones=self.milestones,
            decay=self.decay,
        )

    def views(self, pretrained: ViewConfig) -> ViewConfig:
        """Return the view settings of training clips: only the crop and the hand swap are random.

        Views have the length that the encoder was pretrained with.
        """
        return pretrained.without_augmentation().model_copy(
            update={
                "crop_fraction_min": self.crop_fraction_min,
                "min_crop_frames": self.min_crop_frames,
                "hand_swap_probability": self.hand_swap_probability,
            }
        )
