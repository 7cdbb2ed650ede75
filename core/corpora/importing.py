"""The import program: read pose files, normalise them, pack them into a corpus.

`python -m core.corpora.importing --spec FILE --out DIR` writes the corpus to `DIR/corpus`.
"""

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from core.corpora.packed import PackedCorpus
from core.corpora.paths_as_sent import paths_as_sent
from core.corpora.readers.benchmark_options import BenchmarkOptions
from core.corpora.readers.detect import open_source
from core.corpora.readers.raw_clip import OpenedSource, ReadOptions
from core.corpora.readers.untrusted.unpack import UnpackLimits, is_archive, unpack
from core.corpora.reading import read_clips
from core.corpora.source import ReadReport, SourceClip
from core.corpora.source_digest import SourceDigest
from core.corpora.writing import PARTIAL_SUFFIX, write_corpus
from core.errors import CorpusError
from core.pose.normalise import PROFILES
from core.program import frame
from core.program.available_cores import available_cores
from core.program.heartbeat import stop_if_requested
from core.program.observer import Observer
from core.specs.jobs import ImportSpec
from core.specs.saved_settings import with_defaults_for_new_settings

CORPUS_FOLDER = "corpus"

CLIPS_WORTH_A_PROCESS = 1000
"""A process takes about as long to start as this many clips take to read."""

_UNPACKED_PREFIX = ".unpacked-"
_LEFT_OUT = {"kind": "import", "source": "any"}
"""Fields of a specification that a corpus does not note, with stand-ins for them."""
_BEATS_SHOWN = 256
_NAMED = 5


def import_corpus(
    spec: ImportSpec,
    out: Path,
    observer: Observer,
    *,
    limits: UnpackLimits | None = None,
    processes: int = 1,
) -> dict[str, object]:
    """Make `out/corpus` of the file, archive or folder `spec.source`, and describe it.

    A corpus that an earlier, interrupted run of the same import left complete is kept as it is. Up to
    `processes` processes read a large source (see `core.corpora.reading`); the corpus is the same to the last
    bit.

    Raises:
        CorpusError: the source is damaged, of no known format, or without any usable clip.
        SplitError: the split leaks, or one made here leaves a side empty.
        Stopped: the observer asked to.
    """
    source, options = Path(spec.source), _read_options(spec)
    if not source.exists():
        raise CorpusError(f"There is no file or folder {source}.")
    _remove_leftovers(out)
    path = out / CORPUS_FOLDER
    with (
        SourceDigest(source) as digest,
        TemporaryDirectory(prefix=_UNPACKED_PREFIX, dir=out) as working,
        paths_as_sent(source, Path(working)) as shown,
    ):
        if path.exists():
            return _describe(_same_import(path, _origin(spec, digest, observer)))
        report = ReadReport(shown=shown)
        folder = _unpacked(source, Path(working), limits or UnpackLimits(), observer)
        opened = open_source(folder, spec.format, options, report)
        processes = max(1, min(processes, opened.num_clips // CLIPS_WORTH_A_PROCESS))
        with closing(read_clips(opened, processes=processes)) as clips:
            corpus = write_corpus(
                path,
                _watched(opened, clips, observer),
                name=spec.name,
                split=spec.split,
                published_split=opened.published_split,
                provenance=lambda: {
                    "format": opened.format,
                    "profile": opened.profile.name,
                    **_origin(spec, digest, observer),
                    "report": report.as_json(),
                },
            )
    observer.on_log(f"{len(corpus)} clips, {corpus.num_frames} frames; {report.num_skipped} clips skipped.")
    return _describe(corpus)


def run(launch: frame.Launch[ImportSpec]) -> Mapping[str, object]:
    """Read pose files, normalise them and pack them into a corpus."""
    return import_corpus(launch.spec, launch.out, launch.observer, processes=available_cores())


def _origin(spec: ImportSpec, digest: SourceDigest, observer: Observer) -> dict[str, object]:
    """What the corpus is made of, once that is known, and how."""
    if not digest.is_known:
        observer.on_phase("hashing", total_steps=0)
    return {
        "file": Path(spec.source).name,
        "sha256": digest.wait(_Pulse(observer).beat),
        "options": spec.model_dump(mode="json", exclude=set(_LEFT_OUT)),
    }


def _read_options(spec: ImportSpec) -> ReadOptions:
    return ReadOptions(
        PROFILES[spec.profile or "wlasl"],
        _image_size(spec),
        BenchmarkOptions(
            classes=spec.benchmark_classes,
            exclude_clips=spec.exclude_clips,
            exclude_train_positions=spec.exclude_train_positions,
            drop_last_frame=spec.drop_last_frame,
            override_image_size=spec.override_image_size,
        ),
        profile_is_stated=spec.profile is not None,
        unmirror_frames=spec.unmirror_frames,
    )


def _image_size(spec: ImportSpec) -> tuple[int, int] | None:
    if spec.image_width is None or spec.image_height is None:
        return None
    return spec.image_width, spec.image_height


def _remove_leftovers(out: Path) -> None:
    """Remove what a killed run left in its own folder."""
    for pattern in (f".{CORPUS_FOLDER}.*{PARTIAL_SUFFIX}", f"{_UNPACKED_PREFIX}*"):
        for leftover in out.glob(pattern):
            shutil.rmtree(leftover, ignore_errors=True)


def _unpacked(source: Path, working: Path, limits: UnpackLimits, observer: Observer) -> Path:
    if not is_archive(source):
        return source
    observer.on_phase("unpacking", total_steps=0)
    unpack(source, working, limits=limits, before_chunk=_Pulse(observer).beat)
    return working


def _watched(opened: OpenedSource, clips: Iterable[SourceClip], observer: Observer) -> Iterator[SourceClip]:
    """The source's clips, with progress told at every hundredth, and an error where there are none."""
    report, signers = opened.report, set[str | None]()
    observer.on_phase("reading", total_steps=opened.num_clips)
    interval = max(1, opened.num_clips // 100)
    told = 0
    for clip in clips:
        stop_if_requested(observer, doing="importing")
        signers.add(clip.signer)
        yield clip
        done = report.clips_read + report.num_skipped
        if done - told >= interval:
            told = done
            observer.on_step(done, {})
    if report.clips_read == 0:
        reasons = ", ".join(f"{count} {reason}" for reason, count in report.skipped.items()) or "it is empty"
        raise CorpusError(
            f"No clip of the {opened.format} source can be used: {reasons}. "
            + (f"For example {report.examples[0]}" if report.examples else "")
        )
    _note_signers_alike(sorted(name for name in signers if name), report)
    observer.on_step(report.clips_read + report.num_skipped, {})


def _note_signers_alike(names: Sequence[str], report: ReadReport) -> None:
    alike: dict[str, list[str]] = {name.casefold(): [] for name in names}
    for name in names:
        alike[name.casefold()].append(repr(name))
    if doubtful := [" and ".join(same) for same in alike.values() if len(same) > 1]:
        report.note(
            "Signers that differ only in capitals count as different people: "
            f"{'; '.join(doubtful[:_NAMED])}. Name them alike if they are the same."
        )


class _Pulse:
    """Stops at a beat where that is requested, and shows at some that the program is alive."""

    def __init__(self, observer: Observer) -> None:
        self._observer, self._beats = observer, 0

    def beat(self) -> None:
        """One more file or chunk."""
        stop_if_requested(self._observer, doing="importing")
        self._beats += 1
        if self._beats % _BEATS_SHOWN == 0:
            self._observer.on_step(self._beats, {})


def _same_import(path: Path, origin: Mapping[str, object]) -> PackedCorpus:
    corpus = PackedCorpus.open(path)
    found = dict(corpus.header.provenance)
    found["options"] = with_defaults_for_new_settings(
        found.get("options"), ImportSpec, placeholders=_LEFT_OUT
    )
    if {key: found.get(key) for key in origin} != origin:
        raise CorpusError(f"{path} holds another corpus, {corpus.name!r}; choose another folder.")
    return corpus


def _describe(corpus: PackedCorpus) -> dict[str, object]:
    return {
        "corpus": CORPUS_FOLDER,
        "num_clips": len(corpus),
        "num_frames": corpus.num_frames,
        "digest": corpus.digest,
        "label_names": list(corpus.label_names),
        "signer_names": list(corpus.signer_names),
        "session_names": list(corpus.session_names),
        "split_counts": corpus.split_counts,
        "report": corpus.header.provenance["report"],
    }


if __name__ == "__main__":
    frame.finish(frame.main(run, ImportSpec))
