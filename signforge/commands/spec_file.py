"""Reading a job's specification from a JSON file."""

import json
import sys
from pathlib import Path
from typing import Any

from core.errors import SpecError


def read_spec_file(path: Path, *, advice: str = "Give the path of a JSON file.") -> dict[str, Any]:
    """Return the JSON object in a file; `-` is standard input.

    Raises:
        SpecError: it cannot be read, in which case `advice` follows, or it holds no JSON object.
    """
    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
        document = json.loads(text)
    except OSError as error:
        raise SpecError(f"{path} cannot be read ({error.strerror}). {advice}") from None
    except ValueError as error:
        raise SpecError(f"{path} is not JSON: {error}.") from None
    if not isinstance(document, dict):
        raise SpecError(f"{path} must hold a JSON object with a `kind`; it holds {type(document).__name__}.")
    return document
