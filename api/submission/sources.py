"""What an import may read: an upload of the caller's, or a path below a configured root."""

from collections.abc import Sequence
from pathlib import Path

from sqlalchemy.orm import Session

from api.problems import Problem, unfit
from core.jobs.deletions import KEEP
from core.jobs.settings import Settings
from core.jobs.tables.artifacts import UploadRow

_INSTEAD = "or send the file with POST /v1/uploads and name the upload's id"


def resolve_source(session: Session, settings: Settings, *, owner: str, source: str, field: str) -> str:
    """Return the upload id or the real path that `source` stands for, which `field` of a specification gave.

    Symbolic links are followed before the path is compared with the roots, and whether something exists is
    told only below them.

    Raises:
        Problem: an unknown upload, or a path that is relative, missing or outside the roots (422).
    """
    if source.startswith("upl_"):
        return _own_upload(session, owner, source, f"/{field}")
    return str(_below_a_root(source, settings.corpus_roots, f"/{field}"))


def _own_upload(session: Session, owner: str, upload_id: str, pointer: str) -> str:
    row = session.get(UploadRow, upload_id, with_for_update=KEEP)
    if row is None or row.owner != owner or row.deleted_at is not None:
        raise unfit(pointer, f"You have no upload {upload_id!r}; POST /v1/uploads makes one.", code="unknown")
    return upload_id


def _below_a_root(source: str, roots: Sequence[Path], pointer: str) -> Path:
    if not roots:
        raise _outside(
            pointer,
            f"This service reads no paths, because SIGNFORGE_CORPUS_ROOTS is empty, so it cannot import "
            f"{source!r}. Set it on the server to a folder above that path, {_INSTEAD}.",
        )
    if not Path(source).is_absolute():
        raise _outside(
            pointer, f"{source!r} is a relative path; give the absolute path on the server, {_INSTEAD}."
        )
    path = _real(source)
    if path is None or not any(path.is_relative_to(root.resolve()) for root in roots):
        listed = ", ".join(str(root) for root in roots)
        raise _outside(
            pointer,
            f"{source!r} is outside the folders this service may read, SIGNFORGE_CORPUS_ROOTS ({listed}). "
            f"Add a folder above it there, {_INSTEAD}.",
        )
    if not path.exists():
        raise unfit(pointer, f"There is nothing at {source!r} on the server.", code="missing_path")
    return path


def _real(source: str) -> Path | None:
    try:
        return Path(source).resolve()
    except (OSError, ValueError, RuntimeError):  # a name no file can have, or links in a circle
        return None


def _outside(pointer: str, detail: str) -> Problem:
    return unfit(pointer, detail, code="outside_corpus_roots")
