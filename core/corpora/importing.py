"""Import pose files: read them, normalise the keypoints and write a packed corpus.

`python -m core.corpora.importing --spec FILE --out DIR` writes the corpus to `DIR/corpus`.
"""

import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from core.corpora.amounts import amounts
from core.corpora.doubtful_facts import DoubtfulFacts
from core.corpora.identical_clips import note_identical_clips
from core.corpora.packed import PackedCorpus
from core.corpora.paths_as_sent import paths_as_sent
from core.corpora.readers.benchmark_options import BenchmarkOptions
from core.corpora.readers.detect import open_source
from core.corpora.readers.raw_clip import OpenedSource, ReadOptions
from core.corpora.readers.shards import must_be_unpacked, unpack_source
from core.corpora.readers.table_options import TableOptions
from core.corpora.readers.untrusted.npz import as_corpus_error
from core.corpora.readers.untrusted.unpack import UnpackLimits
from core.corpora.reading import read_clips
from core.corpora.refusing import refuse_unaccepted
from core.corpora.similar_names import SeenNames
from core.corpora.source import ReadReport, SourceClip, grouped
from core.corpora.source_digest import SourceDigest
from core.corpora.writing import PARTIAL_SUFFIX, write_corpus
from core.errors import CorpusError
from core.pose.normalise import PROFILES
from core.program import frame
from core.program.control_group import available_cores
from core.program.heartbeat import Heartbeat, Pulse, stop_if_requested
from core.program.in_background import in_background
from core.program.observer import Observer
from core.source_files import check_source, confined
from core.specs.counts import counted
from core.specs.import_jobs import ImportSpec
from core.specs.saved_settings import with_defaults_for_new_settings

CORPUS_FOLDER = "corpus"

CLIPS_WORTH_A_PROCESS = 1000
"""A process takes about as long to start as this many clips take to read."""

_UNPACKED_PREFIX = ".unpacked-"
_NUM_REASONS = 3
"""Reasons that are given if no clip can be used."""
_LEFT_OUT = {"kind": ImportSpec.model_fields["kind"].default, "source": "any"}
"""Fields of a specification that a corpus does not keep, with placeholders."""


def import_corpus(
    spec: ImportSpec,
    out: Path,
    observer: Observer,
    *,
    limits: UnpackLimits | None = None,
    processes: int = 1,
) -> dict[str, object]:
    """Import the file, archive or folder `spec.source` into `out/corpus`, and return a summary.

    A complete corpus from an earlier, interrupted run of the same import is reused. Up to `processes`
    processes read a large source (see `core.corpora.reading`). The corpus is byte-identical for any number
    of processes.

    Raises:
        CorpusError: the source is damaged, its format is not supported, or it has no usable clip.
        SplitError: the split leaks, or a split made here leaves one side empty.
        Stopped: the observer requested a stop.
    """
    source, options = Path(spec.source), _read_options(spec)
    with as_corpus_error(source):
        check_source(source)
    if not source.exists():
        raise CorpusError(f"There is no file or folder {source}.")
    _remove_leftovers(out)
    path = out / CORPUS_FOLDER
    with (
        SourceDigest(source) as digest,
        TemporaryDirectory(prefix=_UNPACKED_PREFIX, dir=out, ignore_cleanup_errors=True) as working,
        paths_as_sent(source, Path(working)) as display,
    ):
        if path.exists():
            return _describe(_same_import(path, _origin(spec, digest, observer, {})))
        report = ReadReport(display=display)
        folder = _unpacked(spec, Path(working), limits or UnpackLimits(), observer, report)
        observer.on_phase("opening", total_steps=0)
        opened = in_background(lambda _: open_source(folder, spec.format, options, report), _pulse(observer))
        if not opened.separate_files:
            digest.start()
        corpus = _packed(opened, path, spec, observer, digest, processes=processes)
    observer.on_log(
        f"{counted(len(corpus), 'clip')}, {counted(corpus.num_frames, 'frame')}; "
        f"{counted(report.num_skipped, 'clip')} skipped."
    )
    return _describe(corpus)


def _packed(
    opened: OpenedSource,
    path: Path,
    spec: ImportSpec,
    observer: Observer,
    digest: SourceDigest,
    *,
    processes: int,
) -> PackedCorpus:
    """Read an opened source's clips and write them to `path`."""
    report, pulse = opened.report, _pulse(observer)
    processes = max(1, min(processes, opened.num_clips // CLIPS_WORTH_A_PROCESS))
    with closing(read_clips(opened, processes=processes, heartbeat=pulse)) as clips:
        return write_corpus(
            path,
            _with_progress(opened, clips, observer, pulse, accept=spec.accept),
            name=spec.name,
            split=spec.split,
            published_split=opened.published_split,
            inspect=partial(note_identical_clips, report=report),
            heartbeat=pulse,
            provenance=lambda: {
                "format": opened.format,
                "profile": opened.profile.name,
                **_origin(spec, digest, observer, report.file_digests),
                "report": report.as_json(),
            },
        )


def run(launch: frame.Launch[ImportSpec]) -> Mapping[str, object]:
    """Read pose files, normalise them and pack them into a corpus."""
    with confined(launch.confinement):
        return import_corpus(launch.spec, launch.out, launch.observer, processes=available_cores())


def _origin(
    spec: ImportSpec, digest: SourceDigest, observer: Observer, known: Mapping[Path, bytes]
) -> dict[str, object]:
    """Return the source's name and digest and the import options. Waits for the digest."""
    if not digest.start(known).done():
        observer.on_phase("hashing", total_steps=0)
    return {
        "file": Path(spec.source).name,
        "sha256": digest.wait(_pulse(observer)),
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
        sides=spec.sides,
        part_order=spec.part_order,
        table=TableOptions(spec.labels, spec.columns),
    )


def _image_size(spec: ImportSpec) -> tuple[int, int] | None:
    if spec.image_width is None or spec.image_height is None:
        return None
    return spec.image_width, spec.image_height


def _remove_leftovers(out: Path) -> None:
    """Remove the temporary folders of a killed run."""
    for pattern in (f".{CORPUS_FOLDER}.*{PARTIAL_SUFFIX}", f"{_UNPACKED_PREFIX}*"):
        for leftover in out.glob(pattern):
            shutil.rmtree(leftover, ignore_errors=True)


def _unpacked(
    spec: ImportSpec, working: Path, limits: UnpackLimits, observer: Observer, report: ReadReport
) -> Path:
    source = Path(spec.source)
    if not in_background(lambda _: must_be_unpacked(source), _pulse(observer)):
        return source
    observer.on_phase("unpacking", total_steps=0)
    pulse = _pulse(observer)

    def work(check: Heartbeat) -> list[str]:
        def before_chunk() -> None:
            check()
            pulse.count()

        encoding = spec.archive_encoding
        return unpack_source(source, working, limits=limits, encoding=encoding, before_chunk=before_chunk)

    for note in in_background(work, pulse):
        report.note(note)
    return working


def _pulse(observer: Observer) -> Pulse:
    return Pulse(observer, doing="importing")


def _with_progress(
    opened: OpenedSource,
    clips: Iterable[SourceClip],
    observer: Observer,
    pulse: Pulse,
    *,
    accept: Collection[str],
) -> Iterator[SourceClip]:
    """Yield the source's clips and report progress at every hundredth.

    Raises:
        CorpusError: there are none, or a finding that is not among those to `accept` is true of too many.
    """
    report, checks = opened.report, (SeenNames(), DoubtfulFacts())
    observer.on_phase("reading", total_steps=opened.num_clips)
    interval = max(1, opened.num_clips // 100)
    reported = 0
    for clip in clips:
        stop_if_requested(observer, doing="importing")
        for check in checks:
            check.add(clip)
        yield clip
        pulse.num_done = done = report.clips_read + report.num_skipped
        if done - reported >= interval:
            reported = done
            observer.on_step(done, {})
    if report.clips_read == 0:
        reasons = ", ".join(f"{count} {reason}" for reason, count in report.skipped.items()) or "it is empty"
        raise CorpusError(
            f"No clip of the {opened.format} source can be used. Clips skipped, by reason: {reasons}. "
            + (f"Example: {' '.join(grouped(report.examples)[:_NUM_REASONS])}" if report.examples else "")
        )
    for check in checks:
        check.report(report)
    refuse_unaccepted(report, accept, undone="nothing was imported")
    observer.on_step(report.clips_read + report.num_skipped, {})


def _same_import(path: Path, origin: Mapping[str, object]) -> PackedCorpus:
    corpus = PackedCorpus.open(path)
    found = dict(corpus.header.provenance)
    found["options"] = with_defaults_for_new_settings(
        found.get("options"), ImportSpec, placeholders=_LEFT_OUT
    )
    if {key: found.get(key) for key in origin} != origin:
        raise CorpusError(f"{path} already holds another corpus, {corpus.name!r}. Choose another folder.")
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
        **amounts(corpus),
        "report": corpus.header.provenance["report"],
    }


if __name__ == "__main__":
    frame.finish(frame.main(run, ImportSpec))
