"""Files of the released naming: an encoder comes back from one bit for bit, and anything else is refused."""

import copy
import io
import json
import pickle
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from core.errors import EncoderError, SpecError, Stopped
from core.evaluation.lineage import Lineage
from core.evaluation.task import task_of
from core.exchange import checkpoint_pickle
from core.exchange.card import EncoderCard, StartCard
from core.exchange.clip_encoder import ClipEncoder
from core.exchange.importing import import_encoder
from core.exchange.released_encoder import encoder_to_released
from core.exchange.released_file import export_released, read_released
from core.exchange.weights import LoadedEncoder, load_encoder
from core.program.observer import SilentObserver
from core.specs.import_jobs import ImportEncoderSpec
from core.specs.jobs import EvaluateSpec, PretrainSpec
from core.training.pretrain import pretrain
from signforge.cli import app
from tests.core.corpus_maker import random_corpus
from tests.core.small import OVERRIDES, REPAIRED
from tests.memory import MIB, memory_within

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> LoadedEncoder:
    folder = tmp_path_factory.mktemp("run")
    corpus = random_corpus(folder / "corpus")
    pretrain(PretrainSpec(name="mine", corpus=str(corpus.path), recipe="smoke", overrides=OVERRIDES), folder)
    return load_encoder(folder / "encoder")


@pytest.fixture
def checkpoint(encoder: LoadedEncoder, tmp_path: Path) -> Path:
    path = tmp_path / "mine.pth.tar"
    export_released(encoder, path)
    return path


class Told(SilentObserver):
    """Keeps what it is told; stops where it is asked to."""

    def __init__(self, *, stops: bool = False) -> None:
        self.logs: list[str] = []
        self._stops = stops

    def on_log(self, message: str) -> None:
        self.logs.append(message)

    def should_stop(self) -> bool:
        return self._stops


def imported(source: Path, out: Path, **options: Any) -> LoadedEncoder:
    import_encoder(ImportEncoderSpec(name="again", source=str(source)), out, **options)
    return load_encoder(out / "encoder")


def changed(source: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """The checkpoint with something done to what it holds."""
    content = torch.load(source, weights_only=True)
    change(content)
    path = source.with_name("changed.pth.tar")
    torch.save(content, path)
    return path


def test_an_encoder_comes_back_bit_for_bit_with_its_lineage(
    encoder: LoadedEncoder, checkpoint: Path, tmp_path: Path
) -> None:
    again = imported(checkpoint, tmp_path)
    before, after = encoder.model.state_dict(), again.model.state_dict()
    assert before.keys() == after.keys()
    for name, tensor in before.items():
        assert tensor.dtype == after[name].dtype
        assert torch.equal(tensor, after[name]), name
    assert again.card.name == "again"
    assert (again.card.corpus, again.card.step) == (encoder.card.corpus, encoder.card.step)
    assert again.card.released is not None
    assert (again.card.released.file, again.card.released.epoch) == ("mine.pth.tar", 3)
    second = tmp_path / "second.pth.tar"
    export_released(again, second)
    assert {k: v.tolist() for k, v in read_released(second).state.items()} == {
        k: v.tolist() for k, v in read_released(checkpoint).state.items()
    }


def test_a_start_stays_known_so_that_no_clip_counts_as_unseen(encoder: LoadedEncoder, tmp_path: Path) -> None:
    """The file has no digests of clips; the second corpus alone must not answer for both pretrainings."""
    start = StartCard(name="earlier", sha256="0" * 64)
    started = replace(encoder, card=encoder.card.model_copy(update={"start": start}))
    export_released(started, tmp_path / "mine.pth.tar")
    again = imported(tmp_path / "mine.pth.tar", tmp_path)
    assert again.card.start == start
    corpus = random_corpus(tmp_path / "corpus")
    task = task_of(EvaluateSpec(corpus=str(corpus.path), features="keypoints"))
    assert Lineage(again, task, lambda: None).num_pretrained_on(task.folds[0].test) is None


def test_pieces_that_the_file_cannot_hold_are_refused(checkpoint: Path, tmp_path: Path) -> None:
    def with_pieces(content: dict[str, Any]) -> None:
        card = json.loads(content["signforge_card"])
        card["config"]["encoder"]["embedding_pieces"] = "pooled_and_halves"
        content["signforge_card"] = json.dumps(card)

    with pytest.raises(EncoderError, match=r"embedding_pieces 'pooled_and_halves', but such a file holds no"):
        imported(changed(checkpoint, with_pieces), tmp_path)


def test_the_file_is_what_the_released_code_would_read(encoder: LoadedEncoder, checkpoint: Path) -> None:
    content = torch.load(checkpoint, weights_only=True)
    state = content["state_dict"]
    assert content["epoch"] == 3
    assert {name.split(".")[0] for name in state} == {"encoder_q", "encoder_q_motion"}
    assert state["encoder_q.embed.st_gcn_hand.A"].shape[1:] == (21, 21)
    assert state["encoder_q.embed.st_gcn_body.st_gcn_networks.1.residual.0.weight"].dim() == 4
    assert state["encoder_q_motion.embed.st_gcn_hand.tcn_full_b1.conv1x1.weight"].dim() == 3
    assert state["encoder_q.proj.weight_hand.weight"].shape == (1, 16)
    assert EncoderCard.model_validate_json(content["signforge_card"]) == encoder.card


def test_its_graphs_are_kept(checkpoint: Path, tmp_path: Path) -> None:
    """A file may bring other graphs than ours, one for all blocks of a part."""
    name = "encoder_q.embed.st_gcn_body.A"
    half = changed(checkpoint, lambda content: content["state_dict"][name].mul_(0.5))
    part = imported(half, tmp_path).model.streams["joint"].trunk_network  # type: ignore[union-attr]
    ours = imported(checkpoint, tmp_path).model.streams["joint"].trunk_network  # type: ignore[union-attr]
    for block, whole in zip(part.joint_blocks, ours.joint_blocks, strict=True):
        assert torch.equal(2 * block.graph_conv.adjacency, whole.graph_conv.adjacency)
        assert torch.equal(2 * block.graph_conv.mixing, whole.graph_conv.mixing), "what it computes with"


def test_graphs_that_differ_between_blocks_have_no_released_name(encoder: LoadedEncoder) -> None:
    state = ClipEncoder(encoder.model.config).state_dict()
    state["streams.joint.hand_network.joint_blocks.1.graph_conv.adjacency"][0, 0, 0] += 1
    with pytest.raises(EncoderError, match=r"different graphs; encoder_q\.embed\.st_gcn_hand\.A"):
        encoder_to_released(state)


def test_names_of_several_devices_and_what_an_encoder_does_not_need(checkpoint: Path, tmp_path: Path) -> None:
    def change(content: dict[str, Any]) -> None:
        more = {
            "queue": torch.zeros(8, 32),
            "queue_ptr": torch.zeros(1, dtype=torch.long),
            "encoder_k.embed.st_gcn_hand.A": torch.zeros(3),
            "encoder_q.proj.fc.0.weight": torch.zeros(3),
            "encoder_q.embed.st_gcn_hand.conv2.weight": torch.zeros(3),
            "encoder_k_motion.embed.st_gcn_hand.non_local.0.weight": torch.zeros(3),
            "encoder_q_motion.embed.st_gcn_body.fcn.bias": torch.zeros(3),
            "encoder_q.embed.st_gcn_hand.a_new_one": torch.zeros(3),
        }
        whole = {**content["state_dict"], **more}
        content["state_dict"] = {f"module.{name}": tensor for name, tensor in whole.items()}
        content["optimizer"] = {
            "state": {0: {"momentum_buffer": torch.zeros(3)}},
            "param_groups": [{"lr": 0.1}],
        }

    told = Told()
    again = imported(changed(checkpoint, change), tmp_path, observer=told)
    assert again.card.released is not None
    assert again.card.released.left_out == {
        "heads": 1,
        "key_networks": 1,
        "queues": 2,
        "unknown": 1,
        "unused": 3,
    }
    assert "1 tensors with unknown names were left out: encoder_q.embed.st_gcn_hand.a_new_one" in told.logs[0]


def test_a_card_of_a_network_larger_than_the_file_is_refused_before_memory_is_taken(
    checkpoint: Path, tmp_path: Path
) -> None:
    def change(content: dict[str, Any]) -> None:
        card = json.loads(content["signforge_card"])
        card["config"]["encoder"]["feature_width"] = 2**24
        content["signforge_card"] = json.dumps(card)

    with pytest.raises(EncoderError, match=r"describes a network of \d{15,} parameters per stream"):
        imported(changed(checkpoint, change), tmp_path)


TENSOR = "encoder_q.proj.weight_body.weight"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda c: c.pop("state_dict"), "with a `state_dict`"),
        (lambda c: c.update(epoch="3"), "`epoch` must be an integer; got str"),
        (lambda c: c.update(epoch=-1), "`epoch` must be from 0 to 2147483647"),
        (lambda c: c.update(epoch=2**31), "`epoch` must be from 0 to 2147483647"),
        (lambda c: c.update(epoch=10**5000), "cannot be read as weights"),
        (lambda c: c.update(signforge_card="{}"), "card cannot be read"),
        (lambda c: c["state_dict"].pop(TENSOR), f"lacks 1 of the 384 tensors of an encoder: {TENSOR}"),
        (
            lambda c: (c.update(state_dict={}), c.pop("signforge_card")),
            r"lacks 704 of the 704 tensors .*: encoder_q\..*, \.\.\.\.$",
        ),
        (
            lambda c: c["state_dict"].update({TENSOR: torch.zeros(16, 1)}),
            r"weight_body.weight is \(16, 1\) float32, not \(1, 16\) float32",
        ),
        (
            lambda c: c["state_dict"].update({TENSOR: torch.zeros(1, 16, dtype=torch.float16)}),
            r"weight_body.weight is \(1, 16\) float16, not \(1, 16\) float32",
        ),
        (
            lambda c: c["state_dict"].update({TENSOR: torch.full((1, 16), torch.nan)}),
            f"1 tensors with NaN or infinite values: {TENSOR}",
        ),
        (lambda c: c["state_dict"].update({TENSOR: [0.0]}), "not plain tensors: 'encoder_q"),
        (lambda c: c["state_dict"].update({3: torch.zeros(1)}), "not plain tensors: 3"),
        (
            lambda c: c["state_dict"].update({TENSOR: torch.zeros(1, 16).to_sparse()}),
            "not plain tensors: 'encoder_q",
        ),
        (lambda c: c["state_dict"].update({f"module.{TENSOR}": torch.zeros(1, 16)}), "both with and without"),
        (
            lambda c: c.pop("signforge_card"),
            r"lacks 348 of the 704 tensors .*st_gcn_networks\.2",
        ),
    ],
)
def test_what_does_not_fit_is_refused(
    checkpoint: Path, tmp_path: Path, change: Callable[[dict[str, Any]], object], reason: str
) -> None:
    with pytest.raises(EncoderError, match=reason) as refused:
        imported(changed(checkpoint, change), tmp_path)
    assert str(checkpoint.parent) not in str(refused.value), "the file's name is the user's, its place is not"
    assert not (tmp_path / "encoder").exists()


class Malice:
    """Runs a command when a plain unpickler meets it."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.target,)


def test_a_pickle_that_would_run_something_is_refused_and_runs_nothing(
    checkpoint: Path, tmp_path: Path
) -> None:
    traces = tmp_path / "traces"
    hostile = changed(checkpoint, lambda content: content.update(epoch=Malice(traces)))
    with pytest.raises(
        EncoderError, match=r"rejected: its pickle uses .*Path.*not allowed in a file of weights"
    ):
        read_released(hostile)
    assert not traces.exists()
    torch.load(hostile, weights_only=False)
    assert traces.exists(), "the trap is a real one"


def tar_of(path: Path) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        archive.add(path, "checkpoint.pth")
    return content.getvalue()


def legacy(path: Path) -> bytes:
    content = io.BytesIO()
    torch.save(torch.load(path, weights_only=True), content, _use_new_zipfile_serialization=False)
    return content.getvalue()


def flipped(path: Path) -> bytes:
    """One bit of a weight is another."""
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        member = max(archive.infolist(), key=lambda each: each.file_size)
    content[member.header_offset + 200 + member.file_size // 2] ^= 1
    return bytes(content)


def compressed(path: Path) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as new:
        for member in old.infolist():
            new.writestr(member.filename, old.read(member))
    return content.getvalue()


def swollen(path: Path) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(content, "w") as new:
        for member in old.infolist():
            more = bytes(65 * 2**20) if member.filename.endswith("data.pkl") else b""
            new.writestr(member.filename, old.read(member) + more)
    return content.getvalue()


def of_other_files(path: Path) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as new:
        new.writestr("readme.txt", "nothing")
    return content.getvalue()


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (tar_of, "is a tar archive"),
        (legacy, r"format before 1\.6.*weights_only=True"),
        (flipped, "checksum of .* does not match"),
        (compressed, "has compressed members"),
        (swollen, "has a pickle above the limit of 67108864 bytes"),
        (of_other_files, "cannot be read as weights"),
        (lambda path: path.read_bytes()[:-1000], "is truncated or damaged"),
        (lambda path: pickle.dumps({"state_dict": {}}), "is a plain pickle"),
        (lambda path: b"", "is not a file of torch.save: it seems to be empty"),
        (lambda path: json.dumps({"state_dict": {}}).encode(), "seems to be JSON. Expected a .pth"),
    ],
)
def test_what_is_no_whole_file_of_its_kind_is_refused(
    checkpoint: Path, tmp_path: Path, make: Callable[[Path], bytes], reason: str
) -> None:
    path = tmp_path / "broken.pth.tar"
    path.write_bytes(make(checkpoint))
    with pytest.raises(EncoderError, match=reason):
        imported(path, tmp_path)


def test_a_tensor_that_claims_more_than_its_bytes_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    """PyTorch would fill it up with what lies behind, if it left it on disk."""
    path = tmp_path / "stretched.pth.tar"
    with zipfile.ZipFile(checkpoint) as old, zipfile.ZipFile(path, "w") as new:
        for member in old.infolist():
            content = old.read(member)
            short = member.filename.endswith("data/0")
            new.writestr(member.filename, content[: len(content) // 2] if short else content)
    with pytest.raises(EncoderError, match="cannot be read as weights"):
        imported(path, tmp_path)


def test_a_missing_file_and_a_stop_request(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"There is no file .*nothing\.pth\.tar"):
        imported(tmp_path / "nothing.pth.tar", tmp_path)
    with pytest.raises(Stopped):
        imported(checkpoint, tmp_path, observer=Told(stops=True))
    assert not (tmp_path / "encoder").exists()


def test_the_command_line_exports_by_the_ending(encoder: LoadedEncoder, tmp_path: Path) -> None:
    from core.exchange.weights import save_encoder

    save_encoder(tmp_path, encoder.model, encoder.card)
    out = tmp_path / "theirs.pth.tar"
    done = CliRunner().invoke(app, ["export", str(tmp_path), "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert "released, " in done.stdout
    assert (
        "its 384 tensors read back bit for bit. The released code builds another number of blocks"
        in done.stdout
    )
    assert read_released(out).epoch == 3
    refused = CliRunner().invoke(app, ["export", str(tmp_path), "--out", "encoder.bin"])
    assert refused.exit_code == 1
    assert "--format onnx | torch | released" in refused.stderr


def test_a_network_that_the_released_code_does_not_know_is_refused(
    encoder: LoadedEncoder, tmp_path: Path
) -> None:
    config = encoder.card.config.model_copy(update={"encoder": REPAIRED.encoder})
    repaired = LoadedEncoder(ClipEncoder(config), encoder.card.model_copy(update={"config": config}))
    with pytest.raises(
        EncoderError,
        match=r"trunk_origin, hand_origin, missing_hands, .*embedding_pieces\. Export it as ONNX",
    ):
        export_released(repaired, tmp_path / "repaired.pth.tar")
    assert list(tmp_path.iterdir()) == []


class Bytes:
    """Takes any memory when PyTorch's restricted unpickler meets it."""

    def __init__(self, num_bytes: int) -> None:
        self.num_bytes = num_bytes

    def __reduce__(self) -> tuple[Any, ...]:
        return bytearray, (self.num_bytes,)


class Numbers(Bytes):
    def __reduce__(self) -> tuple[Any, ...]:
        return torch.FloatTensor, (self.num_bytes // 4,)


class Storage(Bytes):
    def __reduce__(self) -> tuple[Any, ...]:
        return torch.FloatStorage, (self.num_bytes // 4,)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [(Bytes, "uses '.*bytearray'"), (Numbers, "holds a call of a str"), (Storage, "holds a call of a str")],
)
def test_a_pickle_that_takes_memory_is_refused_before_pytorch_sees_it(
    checkpoint: Path, tmp_path: Path, kind: type[Bytes], reason: str
) -> None:
    bomb = changed(checkpoint, lambda content: None)
    torch.save({"state_dict": {}, "epoch": kind(2**30)}, bomb)
    with memory_within(128 * MIB), pytest.raises(EncoderError, match=reason):
        read_released(bomb)


def test_a_pickle_of_many_sets_is_refused(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint_pickle, "MAX_OBJECT_BYTES", 8 * MIB)
    path = tmp_path / "sets.pth.tar"
    with zipfile.ZipFile(checkpoint) as old, zipfile.ZipFile(path, "w") as new:
        for member in old.infolist():
            sets = b"\x80\x02](" + b"\x8f" * 300_000 + b"e."
            new.writestr(member.filename, sets if member.filename.endswith(".pkl") else old.read(member))
    with memory_within(64 * MIB), pytest.raises(EncoderError, match="take more than 8388608 bytes"):
        read_released(path)


def test_members_that_share_their_bytes_are_refused(checkpoint: Path, tmp_path: Path) -> None:
    """PyTorch would read each of a thousand tensors from the same bytes."""
    path = tmp_path / "overlapping.pth.tar"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", pickle.dumps({}))
        archive.writestr("a/data/0", bytes(10_000))
        for number in range(1, 9):
            again = copy.copy(archive.getinfo("a/data/0"))
            again.filename = f"a/data/{number}"
            archive.filelist.append(again)
    with pytest.raises(EncoderError, match="its members overlap, or are longer than the file"):
        read_released(path)


def test_an_offset_before_the_start_of_the_file_is_damage(tmp_path: Path) -> None:
    """zipfile seeks there, and the system refuses; that is the file's fault, not the disk's."""
    path = tmp_path / "offset.pth.tar"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", pickle.dumps({}))
    content = bytearray(path.read_bytes())
    end = content.rindex(b"PK\x05\x06")
    content[end + 16 : end + 20] = (2**31).to_bytes(4, "little")  # where the directory begins
    path.write_bytes(content)
    with pytest.raises(EncoderError, match="is damaged"):
        read_released(path)
