"""File downloads with range requests, resumption and digests (RFC 9110 section 14, RFC 9530).

The entity tag is the file's sha256, so a resumed download cannot mix two files. A store that can sign URLs
gets a redirect. A request with a range that must be ignored is served from here, since the store would not
ignore it.
"""

import base64
import re
from urllib.parse import quote

from fastapi import Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse

from api.conditional import names
from api.problems import Problem
from core.errors import ArtifactError
from core.jobs.storage.artifacts import ArtifactStore

_RANGE = re.compile(r"bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*", re.ASCII | re.IGNORECASE)


def send_artifact(
    request: Request, store: ArtifactStore, location: str, *, sha256: str, filename: str, media_type: str
) -> Response:
    """Serve a GET or HEAD of a whole file, or of one requested range of bytes.

    Raises:
        Problem: the range starts after the end of the file (416), or the file is no longer in storage (410).
        StorageAway: the object store does not respond (503).
    """
    size = _size_of(store, location)
    headers = _headers(sha256, filename)
    if names(request.headers.get("if-none-match"), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    if request.method == "HEAD":
        return Response(headers={**headers, "Content-Length": str(size)}, media_type=media_type)
    wanted = _wanted(request, headers["ETag"], size)
    as_asked = wanted is not None or "range" not in request.headers
    if as_asked and (url := store.signed_url(location)) is not None:
        return RedirectResponse(url, 307, headers={"Cache-Control": "no-store"})
    if wanted is None:
        start, stop, status = 0, size, 200
    else:
        start, stop, status = wanted.start, wanted.stop, 206
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    headers["Content-Length"] = str(stop - start)
    return StreamingResponse(store.read(location, start, stop), status, headers, media_type)


def parse_range(header: str, size: int) -> range | None:
    """Parse a `Range` header for a file of `size` bytes.

    Returns None where the header must be ignored: RFC 9110 requires it for malformed ranges and allows it for
    several ranges. Returns an empty range where the range cannot be satisfied.
    """
    match = _RANGE.fullmatch(header.strip())
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if first == "":
        return range(max(size - int(last), 0), size)
    if last != "" and int(last) < int(first):
        return None
    stop = size if last == "" else min(int(last) + 1, size)
    return range(int(first), stop)


def content_disposition(filename: str) -> str:
    """A `Content-Disposition: attachment` value whose file name is safe in headers (RFC 6266) and on disk."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", filename)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"


def repr_digest(sha256: str) -> str:
    """The `Repr-Digest` value of a sha256 given in hexadecimal."""
    return f"sha-256=:{base64.b64encode(bytes.fromhex(sha256)).decode()}:"


def _headers(sha256: str, filename: str) -> dict[str, str]:
    return {
        "Accept-Ranges": "bytes",
        "ETag": f'"sha256-{sha256}"',
        "Repr-Digest": repr_digest(sha256),
        "Content-Disposition": content_disposition(filename),
        "Cache-Control": "private, no-cache",
    }


def _size_of(store: ArtifactStore, location: str) -> int:
    try:
        return store.size_of(location)
    except ArtifactError:
        raise Problem(410, "gone", "The file is no longer in the service's storage.") from None


def _wanted(request: Request, tag: str, size: int) -> range | None:
    header, condition = request.headers.get("range"), request.headers.get("if-range")
    if header is None or (condition is not None and condition != tag):
        return None
    wanted = parse_range(header, size)
    if wanted is not None and len(wanted) == 0:
        detail = f"Range {header!r} is outside the file, which has {size} bytes."
        raise Problem(416, "range-not-satisfiable", detail, headers={"Content-Range": f"bytes */{size}"})
    return wanted
