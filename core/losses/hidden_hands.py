"""Masked pose prediction: where the points of a hidden hand are (an option)."""

from jaxtyping import Bool, Float
from torch import Tensor


def hidden_hands_error(
    guesses: Float[Tensor, "B 2 T 42"],
    truth: Float[Tensor, "B 2 T 42"],
    asked: Bool[Tensor, "B T 2"],
) -> Float[Tensor, ""]:
    """Return the mean squared error of the hands' coordinates in the frames `asked`; 0 if there are none.

    `asked`: frames in which the right and
    the left hand are hidden from the network, but were detected.
    """
    counts = asked.transpose(1, 2).unsqueeze(-1).to(guesses.dtype)  # (B, 2, T, 1)
    squares = (guesses - truth).square().mean(dim=-1, keepdim=True)
    return (squares * counts).sum() / counts.sum().clamp(min=1)
