"""Import an encoder: a file that signforge wrote, or a checkpoint of the paper's released code.

`python -m core.exchange.importing --spec FILE --out DIR` writes the encoder to `DIR/encoder`.
"""

import hashlib
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import torch
from torch import Tensor

from core.corpora.paths_as_sent import paths_as_sent
from core.errors import EncoderError, SpecError
from core.exchange.card import EncoderCard, ReleasedCard
from core.exchange.clip_encoder import ClipEncoder
from core.exchange.described import check_described, check_views
from core.exchange.graph import random_view
from core.exchange.released_encoder import first_names, unused_tensors
from core.exchange.released_file import ReleasedFile, model_of, read_released
from core.exchange.weights import load_encoder, save_encoder
from core.file_kinds import SAFETENSORS, seems_to_be
from core.program.frame import Launch, finish, main
from core.program.heartbeat import Pulse, stop_if_requested
from core.program.in_background import in_background
from core.program.observer import Observer, SilentObserver
from core.source_files import LeadsOut, check_source, confined, pinned
from core.specs.import_jobs import ImportEncoderSpec
from core.specs.pretraining import PretrainConfig
from core.specs.recipes import find_recipe

ENCODER_FOLDER = "encoder"
RECIPE = "stc"
"""The recipe whose network the released checkpoints hold, with its full widths."""
_PHASES = 3
_TRIAL_CLIPS, _TRIAL_FRAMES = 2, 16
_FP32_BYTES = 4


def import_encoder(
    spec: ImportEncoderSpec, out: Path, *, observer: Observer | None = None
) -> dict[str, object]:
    """Import `spec.source` to `out/encoder`, and return a summary.

    A downloaded encoder keeps its card, weights and lineage, under the new name. A released checkpoint that
    signforge exported holds its configuration and lineage; any other is assumed to have the network of the
    recipe `stc`.

    Raises:
        EncoderError: the file is damaged, holds more than tensors, or holds another network.
        SpecError: the file does not exist.
        Stopped: the observer requested a stop.
    """
    observer, source = observer or SilentObserver(), Path(spec.source)
    try:
        check_source(source)
    except LeadsOut as error:
        raise EncoderError(f"Cannot read {source.name}: {error.strerror}.") from None
    if not source.is_file():
        raise SpecError(f"There is no file {source}.", pointer="/source")
    observer.on_phase("importing", total_steps=_PHASES)
    pulse = Pulse(observer, doing="importing")
    with pinned(source) as opened, paths_as_sent(opened, name=source.name):
        if seems_to_be(opened) == SAFETENSORS:
            return _own_encoder(spec, opened, out, observer, pulse)
        file = in_background(lambda _: read_released(opened), pulse)
        _step_done(observer, pulse)
        model = in_background(lambda _: _model(file, opened), pulse)
        _step_done(observer, pulse)
        source_digest = in_background(lambda _: _digest(opened), pulse)
        released = _released_card(file, model, source_digest, observer, name=source.name)
    card = _card(spec, file, model, released)
    digest = in_background(lambda _: save_encoder(out / ENCODER_FOLDER, model, card), pulse)
    observer.on_step(_PHASES, {})
    return {"encoder": ENCODER_FOLDER, "sha256": digest, "epoch": file.epoch, "left_out": released.left_out}


def _own_encoder(
    spec: ImportEncoderSpec, source: Path, out: Path, observer: Observer, pulse: Pulse
) -> dict[str, object]:
    """Import an encoder that signforge wrote."""
    encoder = in_background(lambda _: load_encoder(source), pulse)
    check_views(encoder.card.config, source)
    if (stated := encoder.card.embedding_width) != (width := encoder.model.embedding_width):
        raise EncoderError(
            f"{source}: its card says embedding_width {stated}, but its network gives {width}. "
            "Import the file as it was downloaded."
        )
    _step_done(observer, pulse)
    in_background(lambda _: _check_embedding(encoder.model, source), pulse)
    _step_done(observer, pulse)
    card = encoder.card.model_copy(update={"name": spec.name})
    clips = encoder.pretrained_clips
    digest = in_background(
        lambda _: save_encoder(out / ENCODER_FOLDER, encoder.model, card, pretrained_clips=clips), pulse
    )
    observer.on_step(_PHASES, {})
    return {"encoder": ENCODER_FOLDER, "sha256": digest}


def run(launch: Launch[ImportEncoderSpec]) -> Mapping[str, object]:
    """Import an encoder."""
    with confined(launch.confinement):
        return import_encoder(launch.spec, launch.out, observer=launch.observer)


def _config(file: ReleasedFile, source: Path) -> PretrainConfig:
    """Return the configuration in the file's card, or the recipe's.

    A card is rejected if the file is too small for its network, or if its views are too long for memory.
    """
    if file.card is None:
        return find_recipe(RECIPE).config
    config = file.card.config
    if config.encoder.embedding_pieces != "pooled":
        pieces = config.encoder.embedding_pieces
        raise EncoderError(
            f"{source}: its card says encoder.embedding_pieces {pieces!r}, but such a file holds no "
            "statistics of these pieces. Download the encoder itself instead."
        )
    check_described(config, _bytes_held(file.state) // _FP32_BYTES, source)
    check_views(config, source)
    return config


def _bytes_held(state: Mapping[str, Tensor]) -> int:
    """Return the size of the tensors' storage; shared and repeated (expanded) memory is counted once."""
    storages = (tensor.untyped_storage() for tensor in state.values())
    return sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values())


def _model(file: ReleasedFile, source: Path) -> ClipEncoder:
    model = model_of(file, ClipEncoder(_config(file, source)))
    _check_embedding(model, source)
    return model


def _digest(source: Path) -> str:
    with source.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


@torch.inference_mode()
def _check_embedding(model: ClipEncoder, source: Path) -> None:
    """Check that embeddings are finite, because finite weights do not guarantee it."""
    if not torch.isfinite(model.embed_view(random_view(_TRIAL_CLIPS, _TRIAL_FRAMES, seed=0))).all():
        raise EncoderError(
            f"{source} gives embeddings with NaN or infinite values, so its weights are invalid. Import "
            "another checkpoint."
        )


def _released_card(
    file: ReleasedFile, model: ClipEncoder, digest: str, observer: Observer, *, name: str
) -> ReleasedCard:
    unused = unused_tensors(file.state, model.state_dict())
    if "unknown" in unused:
        observer.on_log(
            f"{len(unused['unknown'])} tensors with unknown names were left out: "
            f"{first_names(unused['unknown'])}. If they belong to the network, this encoder is incomplete."
        )
    counts = {kind: len(names) for kind, names in unused.items()}
    summary = ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in counts.items())
    observer.on_log(f"{len(file.state)} tensors read; not part of an encoder: {summary or 'none'}.")
    return ReleasedCard(file=name, sha256=digest, epoch=file.epoch, left_out=counts)


def _card(
    spec: ImportEncoderSpec, file: ReleasedFile, model: ClipEncoder, released: ReleasedCard
) -> EncoderCard:
    known = () if file.card is None else ("spec", "corpus", "also", "step", "start")
    lineage = {name: getattr(file.card, name) for name in known}
    return EncoderCard(
        name=spec.name,
        config=model.config,
        embedding_width=model.embedding_width,
        released=released,
        signforge_version=version("signforge"),
        torch_version=torch.__version__,
        **lineage,
    )


def _step_done(observer: Observer, pulse: Pulse) -> None:
    pulse.count()
    observer.on_step(pulse.num_done, {})
    stop_if_requested(observer, doing="importing")


if __name__ == "__main__":
    finish(main(run, ImportEncoderSpec))
