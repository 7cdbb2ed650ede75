"""Whether a pretraining may start from an earlier encoder: both networks must be the same."""

from collections.abc import Iterator

from core.errors import SpecError
from core.specs.pretraining import EncoderConfig

_MAY_DIFFER = frozenset(
    {
        "streams",
        "graph_dropout",
        "output_dropout",
        "transformer_dropout",
        "projection_width",
        "embedding_width",
        "embedding_pieces",
    }
)
"""Settings that change no tensor of an encoder and not what it sees; projection heads always start anew."""


def check_start(name: str, there: EncoderConfig, here: EncoderConfig) -> None:
    """Check that an encoder with the settings `there` can be the start of a pretraining with those `here`.

    Raises:
        SpecError: the networks, or what they see, differ; the message names the settings.
    """
    if differences := list(_differences(there, here)):
        raise SpecError(
            f"Encoder {name!r} is another network than this recipe has: {'; '.join(differences)}. Set these "
            "fields to its values (--set), or start from another encoder.",
            pointer="/start",
        )


def _differences(there: EncoderConfig, here: EncoderConfig) -> Iterator[str]:
    for field in EncoderConfig.model_fields:
        theirs, ours = getattr(there, field), getattr(here, field)
        if field not in _MAY_DIFFER and theirs != ours:
            yield f"encoder.{field} is {theirs!r} there and {ours!r} here"
    if missing := set(here.streams) - set(there.streams):
        yield f"it lacks the stream {', '.join(sorted(missing))} of encoder.streams"
