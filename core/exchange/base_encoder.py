"""The encoder that every installation has, for use as it is and as a start."""

from pathlib import Path

BASE_NAME = "signforge-base"
"""Its name: wherever the file of an encoder is asked for, this name means the installed one."""
_BASE_FILE = Path(__file__).with_name(f"{BASE_NAME}.safetensors")


def or_base(path: Path) -> Path:
    """Return the file of the base encoder if `path` is its name, and there is no file of that name."""
    return _BASE_FILE if str(path) == BASE_NAME and not path.exists() else path
