"""Tables of uploads, corpora, checkpoints, encoders and evaluations."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ForeignKey,
    Index,
    String,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from core.jobs.job_kind import Artifact
from core.jobs.tables.base import Tables
from core.jobs.tables.jobs import JobRow


class CheckpointRow(Tables):
    """A committed checkpoint. The row is the commit: a folder without a row is garbage."""

    __tablename__ = "checkpoints"
    __table_args__ = (UniqueConstraint("job_id", "step", "attempt"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    job_id: Mapped[str] = mapped_column(ForeignKey(JobRow.id), index=True)
    attempt: Mapped[int]
    step: Mapped[int]
    location: Mapped[str] = mapped_column(String(1000))
    manifest: Mapped[dict[str, Any]]
    pinned: Mapped[bool] = mapped_column(default=False)
    size_bytes: Mapped[int]
    created_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]


class UploadRow(Tables):
    """An uploaded file, ready to be imported."""

    __tablename__ = "uploads"

    id: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str] = mapped_column(index=True)
    filename: Mapped[str] = mapped_column(String(500))
    location: Mapped[str] = mapped_column(String(1000))
    size_bytes: Mapped[int]
    sha256: Mapped[str]
    created_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]


class CorpusRow(Tables):
    """A packed corpus made by an import job. Deleting it frees its name."""

    __tablename__ = "corpora"
    __table_args__ = (
        Index(
            "uq_corpora_owner_name",
            "owner",
            "name",
            unique=True,
            info={"where": "deleted_at IS NULL"},
        ),
        Index("ix_corpora_page", "owner", "created_at", "id"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str]
    name: Mapped[str]
    job_id: Mapped[str] = mapped_column(ForeignKey(JobRow.id))
    location: Mapped[str] = mapped_column(String(1000))
    digest: Mapped[str]
    size_bytes: Mapped[int] = mapped_column(default=0)
    summary: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]


class EncoderRow(Tables):
    """A trained encoder that users download. Versions of a name are 1, 2, 3 ..."""

    __tablename__ = "encoders"
    __table_args__ = (
        UniqueConstraint("owner", "name", "version"),
        Index("ix_encoders_page", "owner", "created_at", "id"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str]
    name: Mapped[str]
    version: Mapped[int]
    job_id: Mapped[str] = mapped_column(ForeignKey(JobRow.id))
    corpus_id: Mapped[str | None] = mapped_column(ForeignKey("corpora.id"))
    checkpoint_id: Mapped[str | None] = mapped_column(ForeignKey("checkpoints.id"))
    location: Mapped[str] = mapped_column(String(1000))
    sha256: Mapped[str]
    size_bytes: Mapped[int]
    card: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]


ROW_TYPES: Mapping[Artifact, type[UploadRow | CorpusRow | EncoderRow]] = {
    Artifact(row_type.__tablename__): row_type for row_type in (UploadRow, CorpusRow, EncoderRow)
}
"""Tables whose rows specifications refer to. Each row has files."""

_PER_CLIP = "per_clip"
_SCORE_TABLES = frozenset({"per_class", "per_signer", _PER_CLIP, "confusions"})


def without_tables(scores: Mapping[str, Any]) -> dict[str, Any]:
    """An evaluation's scores without tables of glosses, signers and clips, for lists and jobs' results."""
    return {name: value for name, value in scores.items() if name not in _SCORE_TABLES}


class EvaluationRow(Tables):
    """Scores of one encoder (or baseline) on one corpus by one protocol."""

    __tablename__ = "evaluations"

    id: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str] = mapped_column(index=True)
    job_id: Mapped[str] = mapped_column(ForeignKey(JobRow.id))
    encoder_id: Mapped[str | None] = mapped_column(ForeignKey("encoders.id"), index=True)
    corpus_id: Mapped[str] = mapped_column(ForeignKey("corpora.id"))
    features: Mapped[str]
    protocol: Mapped[str]
    folds: Mapped[str]
    scores: Mapped[dict[str, Any]]
    """All scores and tables except `per_clip`."""
    per_clip: Mapped[list[Any] | None] = mapped_column(deferred=True)
    """Megabytes on large corpora, so lists do not read it. Null if an earlier version made the evaluation."""
    created_at: Mapped[datetime]

    @staticmethod
    def columns_of(scores: Mapping[str, Any]) -> dict[str, Any]:
        """Return the columns that keep these scores."""
        rest = {name: value for name, value in scores.items() if name != _PER_CLIP}
        return {"scores": rest, "per_clip": scores.get(_PER_CLIP)}

    @property
    def all_scores(self) -> dict[str, Any]:
        """The scores with all tables. Reads `per_clip`, so the row's session must be open."""
        return self.scores if self.per_clip is None else {**self.scores, _PER_CLIP: self.per_clip}
