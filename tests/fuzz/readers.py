"""All readers of files that users send: how each is called, and small valid files to start from.

A seed is the part that the reader parses. Where that is compressed or has a checksum, `write` wraps it, so
that a changed seed is not refused at the wrapping.
"""

import gzip
import io
import json
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from core.corpora.header import read_header
from core.corpora.readers.labels_table import find_table
from core.corpora.readers.table_options import TableOptions
from core.corpora.readers.untrusted.unpack import UnpackLimits, is_archive, unpack
from core.exchange.card import EncoderCard, ReleasedCard
from core.exchange.clip_encoder import ClipEncoder
from core.exchange.released_file import read_released
from core.exchange.weights import WEIGHTS, load_encoder, save_encoder
from tests.core.corpora.readers import written
from tests.core.corpora.readers.conftest import coco_keypoints, holistic_keypoints, read
from tests.core.corpus_maker import random_corpus
from tests.core.small import SMALL

SIZE = (written.WIDTH, written.HEIGHT)
LIMITS = UnpackLimits(max_bytes=2**26, max_files=2000)

Write = Callable[[Path, bytes], Path]
"""Writes the file of a seed below a folder, and returns what the reader gets."""


@dataclass(frozen=True)
class Reader:
    """A reader: its name, what reads a path, and its valid seeds, which a function makes below a folder."""

    name: str
    read: Callable[[Path], object]
    write: Write
    seeds: Callable[[Path], Sequence[bytes]]


def import_source(path: Path) -> object:
    """Read a source to its end, as an import does."""
    return read(path, size=SIZE)


def unpack_archive(path: Path) -> None:
    """Unpack an archive."""
    if is_archive(path):
        with TemporaryDirectory(dir=path.parent) as folder:
            unpack(path, Path(folder), limits=LIMITS)


def named(name: str) -> Write:
    """A single file."""

    def write(folder: Path, content: bytes) -> Path:
        (folder / name).write_bytes(content)
        return folder / name

    return write


def below(place: str, **others: bytes) -> Write:
    """A file of a folder, beside others; the reader gets the folder."""

    def write(folder: Path, content: bytes) -> Path:
        for name, data in {place: content, **others}.items():
            path = folder / "source" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return folder / "source"

    return write


def gzipped(write: Write) -> Write:
    return lambda folder, content: write(folder, gzip.compress(content, 1))


def in_npz(folder: Path, content: bytes) -> Path:
    """An `.npz` whose `keypoints` are the seed."""
    with zipfile.ZipFile(folder / "clip.npz", "w") as archive:
        archive.writestr("keypoints.npy", content)
        for name, array in {"width": np.array(640), "height": np.array(480)}.items():
            archive.writestr(f"{name}.npy", npy(array))
    return folder / "clip.npz"


def in_checkpoint(folder: Path, content: bytes) -> Path:
    """A file of torch.save whose pickle is the seed."""
    with zipfile.ZipFile(folder / "a.pth.tar", "w") as archive:
        archive.writestr("a/data.pkl", content)
        archive.writestr("a/byteorder", b"little")
        archive.writestr("a/data/0", bytes(48))
        archive.writestr("a/version", b"3\n")
    return folder / "a.pth.tar"


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=False)
    return stream.getvalue()


def npz(compressed: bool = True, **arrays: np.ndarray) -> bytes:
    stream = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(stream, **arrays)
    return stream.getvalue()


def npz_seeds(folder: Path) -> list[bytes]:
    coco, points = coco_keypoints(4).astype("f4"), holistic_keypoints(2, 3).astype("f4")
    columns = {"names": np.array(["a", "b"]), "labels": np.array([0, 1]), "class_names": np.array(["x", "y"])}
    return [
        npz(keypoints=coco, width=np.array(640), height=np.array(480)),
        npz(keypoints=coco[:, :, :2], scores=coco[:, :, 2]),
        npz(keypoints=coco, offsets=np.array([0, 1, 4]), fps=np.array([25.0, 30]), **columns),
        npz(False, keypoints=points, **columns),
        npz(keypoints=points[0]),
    ]


def npy_seeds(folder: Path) -> list[bytes]:
    return [npy(coco_keypoints(2)), npy(coco_keypoints(2).astype("f2")), npy(holistic_keypoints(1, 2)[0])]


def frame_seeds(folder: Path) -> list[bytes]:
    return [npy(np.full(size, 0.5)) for size in (126, 258, 1662)]


def parquet_seeds(folder: Path) -> list[bytes]:
    points = holistic_keypoints(1, 2)[0]
    paths = (
        written.write_asl_signs(folder / "a.parquet", points),
        written.write_coco_parquet(folder / "b.parquet", coco_keypoints(2), fps=np.full(266, 25.0)),
    )
    return [path.read_bytes() for path in paths]


def json_seeds(folder: Path) -> list[bytes]:
    paths = (
        written.write_mmpose(folder / "a.json", coco_keypoints(2)),
        written.write_tasks(folder / "b.json", holistic_keypoints(1, 2)[0]),
    )
    return [path.read_bytes() for path in paths]


def openpose_seeds(folder: Path) -> list[bytes]:
    written.write_openpose(folder / "clip", coco_keypoints(1))
    return [path.read_bytes() for path in (folder / "clip").iterdir()]


def pose_seeds(folder: Path) -> list[bytes]:
    """Two frames of two people, as each version writes them."""
    newest = written.write_pose(folder / "a.pose", coco_keypoints(2), people=2).read_bytes()
    num_values = 2 * 2 * 133 * 3
    body = newest[-4 * num_values :]
    header = newest[4 : -len(body) - struct.calcsize("<fIH")]
    person = struct.pack("<h", 0) + body[: len(body) // 4]
    frame = struct.pack("<H", 2) + 2 * person
    return [
        newest,
        struct.pack("<f", 0.1) + header + struct.pack("<HHH", 25, 2, 2) + body,
        struct.pack("<f", 0) + header + struct.pack("<HH", 25, 2) + 2 * frame,
    ]


def pickle_seeds(folder: Path) -> list[bytes]:
    clip = coco_keypoints(2).astype("f4")
    frames = {"keypoints": list(clip[:, None, :, :2]), "scores": list(clip[:, None, :, 2])}
    values = (
        clip,
        frames,
        {"a": clip, "b": {"keypoints": clip}},
        {"keypoints": clip.tolist(), "w_h": [(9, 9)]},
    )
    return [pickle.dumps(value, protocol) for value in values for protocol in (2, 5)]


def archive_seeds(folder: Path) -> list[bytes]:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("tea/", b"")
        archive.writestr("tea/0.npz", b"x" * 300)
    return [stream.getvalue()]


def tar_seeds(folder: Path) -> list[bytes]:
    seeds = []
    for kind in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT):
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w", format=kind) as archive:
            member = tarfile.TarInfo("tea" if kind == tarfile.USTAR_FORMAT else "long/" * 40 + "é.npz")
            member.size = 100
            archive.addfile(member, io.BytesIO(b"x" * 100))
        seeds.append(stream.getvalue()[: 512 * 12])
    return seeds


def compressed_tar_seeds(folder: Path) -> list[bytes]:
    import bz2
    import lzma

    content = tar_seeds(folder)[0]
    return [gzip.compress(content), bz2.compress(content), lzma.compress(content)]


def checkpoint_content() -> dict[str, object]:
    return {"epoch": 3, "state_dict": {"a.weight": torch.zeros(3, 4)}, "optimizer": {"lr": 0.1}}


def checkpoint_seeds(folder: Path) -> list[bytes]:
    stream = io.BytesIO()
    torch.save(checkpoint_content(), stream)
    return [stream.getvalue()]


def checkpoint_pickle_seeds(folder: Path) -> list[bytes]:
    (content,) = checkpoint_seeds(folder)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return [archive.read(name) for name in archive.namelist() if name.endswith(".pkl")]


def encoder_seeds(folder: Path) -> list[bytes]:
    model = ClipEncoder(SMALL)
    released = ReleasedCard(file="a.pth.tar", sha256="0" * 64, epoch=1, left_out={})
    card = EncoderCard(
        name="a",
        config=SMALL,
        released=released,
        embedding_width=model.embedding_width,
        signforge_version="1",
        torch_version="1",
    )
    save_encoder(folder / "encoder", model, card)
    return [(folder / "encoder" / WEIGHTS).read_bytes()]


def corpus_seeds(folder: Path) -> list[bytes]:
    return [(random_corpus(folder / "corpus", clips=4).path / "corpus.json").read_bytes()]


def json_of(*values: object) -> Callable[[Path], Sequence[bytes]]:
    return lambda folder: [json.dumps(value).encode() for value in values]


def pickles_of(*values: object) -> Callable[[Path], Sequence[bytes]]:
    return lambda folder: [pickle.dumps(value) for value in values]


CLIP = npz(keypoints=coco_keypoints(1), width=np.array(640), height=np.array(480))
POSE_OF_UNI_SIGN = pickle.dumps(
    {"keypoints": [np.full((1, 133, 2), 0.5)], "scores": [np.ones((1, 133))], "start": 0, "end": 1}
)
GLOSSES = [{"gloss": "tea", "instances": [{"video_id": "1", "split": "train", "signer_id": 3}]}]
SIGNS = [{"label": 0, "text": "tea", "signer_id": 1, "url": "youtube.com/watch?v=abcdefghijk", "start": 1}]
LABELS = {"a": {"video_path": "a.mp4", "text": "t", "gloss": ["tea", "cup"]}}
LISTED = [{"name": "a", "label": "tea", "video_file": "a.mp4"}]

READERS: tuple[Reader, ...] = (
    Reader("npz", import_source, named("clip.npz"), npz_seeds),
    Reader("array in npz", import_source, in_npz, npy_seeds),
    Reader("frame", import_source, below("tea/0/0.npy"), frame_seeds),
    Reader("parquet", import_source, named("clip.parquet"), parquet_seeds),
    Reader("json", import_source, named("clip.json"), json_seeds),
    Reader("openpose", import_source, below("clip_000_keypoints.json"), openpose_seeds),
    Reader("pose", import_source, named("clip.pose"), pose_seeds),
    Reader("pickle", import_source, named("clip.pkl"), pickle_seeds),
    Reader("pickle in gzip", import_source, gzipped(named("clip.pkl")), pickle_seeds),
    Reader(
        "any ending",
        import_source,
        named("upload"),
        lambda folder: [*pose_seeds(folder), *json_seeds(folder)],
    ),
    Reader(
        "labels",
        lambda path: find_table(path.parent, [path], TableOptions()),
        named("labels.csv"),
        lambda folder: [b'name,label,signer\na/0,tea,1\n"b,1","c;d",\n'],
    ),
    Reader(
        "lists of clips",
        import_source,
        below("trainlist01.txt", **{"tea/a.npz": CLIP, "classInd.txt": b"1 tea\n2 cup\n"}),
        lambda folder: [b"tea/a.mp4 1\ncup/b.mp4 2\n", b"tea/a.mp4\n"],
    ),
    Reader("wlasl", import_source, below("WLASL_v0.3.json", **{"1.npz": CLIP}), json_of(GLOSSES)),
    Reader(
        "nslt",
        import_source,
        below("nslt_100.json", **{"1.npz": CLIP}),
        json_of({"1": {"subset": "train", "action": [0, 1, 2]}}),
    ),
    Reader("msasl", import_source, below("MSASL_train.json", **{"train_00000.npz": CLIP}), json_of(SIGNS)),
    Reader(
        "uni-sign",
        import_source,
        gzipped(below("labels-10.train", **{"pose_format/train/a.pkl": POSE_OF_UNI_SIGN})),
        pickles_of(LABELS),
    ),
    Reader(
        "nla-slr",
        import_source,
        below("train.pkl", **{"keypoints_a.pkl": pickle.dumps({"a": coco_keypoints(1)})}),
        pickles_of(LISTED),
    ),
    Reader(
        "dsta-slr",
        import_source,
        below("train_label.pkl", **{"train_data_joint.npy": npy(np.ones((2, 3, 4, 27, 1), "f4"))}),
        pickles_of((["a", "b"], [0, 1])),
    ),
    Reader("zip", unpack_archive, named("upload.zip"), archive_seeds),
    Reader("tar", unpack_archive, named("upload.tar"), tar_seeds),
    Reader("tar in gzip", unpack_archive, gzipped(named("upload.tar.gz")), tar_seeds),
    Reader("compressed tar", unpack_archive, named("upload.tar.gz"), compressed_tar_seeds),
    Reader("checkpoint", read_released, named("a.pth.tar"), checkpoint_seeds),
    Reader("pickle of a checkpoint", read_released, in_checkpoint, checkpoint_pickle_seeds),
    Reader("encoder", load_encoder, named("encoder.safetensors"), encoder_seeds),
    Reader("corpus", read_header, below("corpus.json"), corpus_seeds),
)
