"""Source of an import: an upload of the caller, or a path below a configured corpus root."""

from collections.abc import Sequence
from pathlib import Path

from sqlalchemy.orm import Session

from api.problems import Problem, unfit
from core.jobs.deletions import SHARE_LOCK
from core.jobs.settings import Settings
from core.jobs.tables.artifacts import UploadRow

_INSTEAD = "or upload the file with POST /v1/uploads and use the upload's id"


def resolve_source(session: Session, settings: Settings, *, owner: str, source: str, field: str) -> str:
    """Return the upload id or the real path of `source`, which `field` of a specification gave.

    Symbolic links are resolved before the path is compared with the roots. Whether a path exists is revealed
    only below the roots.

    Raises:
        Problem: an unknown upload, or a path that is relative, missing or outside the roots (422).
    """
    if source.startswith("upl_"):
        return _own_upload(session, owner, source, f"/{field}")
    return str(_below_a_root(source, settings.corpus_roots, f"/{field}"))


def _own_upload(session: Session, owner: str, upload_id: str, pointer: str) -> str:
    row = session.get(UploadRow, upload_id, with_for_update=SHARE_LOCK)
    if row is None or row.owner != owner or row.deleted_at is not None:
        detail = f"You have no upload {upload_id!r}. Create one with POST /v1/uploads."
        raise unfit(pointer, detail, code="unknown")
    return upload_id


def _below_a_root(source: str, roots: Sequence[Path], pointer: str) -> Path:
    if not roots:
        raise _outside(
            pointer,
            f"Cannot import the path {source!r}: this service reads no paths, because "
            "SIGNFORGE_CORPUS_ROOTS is empty. Set it on the server to a parent folder of that path, "
            f"{_INSTEAD}.",
        )
    if not Path(source).is_absolute():
        raise _outside(
            pointer, f"{source!r} is a relative path. Give the absolute path on the server, {_INSTEAD}."
        )
    path = _real(source)
    if path is None or not any(path.is_relative_to(root.resolve()) for root in roots):
        listed = ", ".join(str(root) for root in roots)
        raise _outside(
            pointer,
            f"{source!r} is outside the folders this service may read, SIGNFORGE_CORPUS_ROOTS ({listed}). "
            f"Add a parent folder of it to that setting, {_INSTEAD}.",
        )
    if not path.exists():
        raise unfit(pointer, f"{source!r} does not exist on the server.", code="missing_path")
    return path


def _real(source: str) -> Path | None:
    try:
        return Path(source).resolve()
    except (OSError, ValueError, RuntimeError):  # an invalid file name, or a loop of symbolic links
        return None


def _outside(pointer: str, detail: str) -> Problem:
    return unfit(pointer, detail, code="outside_corpus_roots")
