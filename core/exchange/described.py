"""Checks that a file can hold the network that its card describes, before memory is taken for it."""

from core.encoders.footprint import count_parameters
from core.errors import EncoderError
from core.specs.pretraining import PretrainConfig

_MAX_FRAMES = 4096
"""Maximum frames of a view in a card: more than a minute of video; recipes have 64."""


def check_described(config: PretrainConfig, num_held: int, file: object) -> None:
    """Check a card's configuration against the numbers that its file holds.

    Raises:
        EncoderError: the network has more parameters than the file has numbers.
    """
    described = count_parameters(config.encoder, num_spaces=0)
    if described > num_held:
        raise EncoderError(
            f"{file}: its card describes a network of {described} parameters per stream, but the file "
            f"holds only {num_held} numbers in all. Export the encoder again."
        )


def check_views(config: PretrainConfig, file: object) -> None:
    """Check that the views of a card from elsewhere are of a length that memory can take.

    Raises:
        EncoderError: they have too many frames.
    """
    if config.views.num_frames > _MAX_FRAMES:
        raise EncoderError(
            f"{file}: its card describes views of {config.views.num_frames} frames, to which every clip "
            f"would be resized; the limit is {_MAX_FRAMES}."
        )
