"""Reading a job's specification from a JSON file."""

import sys
from pathlib import Path
from typing import Any

from core.errors import SpecError
from core.file_kinds import kind_of
from core.specs.nesting import parse_json


def read_spec_file(path: Path, *, advice: str = "Give the path of a JSON file.") -> dict[str, Any]:
    """Return the JSON object in a file; `-` is standard input.

    Raises:
        SpecError: it cannot be read, in which case `advice` follows, or it holds no JSON object.
    """
    content = b""
    try:
        content = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
        document = parse_json(content.decode())
    except SpecError as error:
        raise SpecError(f"{path} cannot be used. {error}") from None
    except OSError as error:
        raise SpecError(f"{path} cannot be read ({error.strerror}). {advice}") from None
    except ValueError as error:
        kind = kind_of(content)
        why = str(error) if kind in ("text", "JSON") else f"it seems to be {kind}"
        raise SpecError(f"{path} is not JSON: {why}. Give a JSON file with a job's specification.") from None
    if not isinstance(document, dict):
        raise SpecError(f"{path} must hold a JSON object with a `kind`; it holds {type(document).__name__}.")
    return document
