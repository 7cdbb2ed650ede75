"""Installation checks: missing packages and hidden modules, with the command that fixes each."""

from importlib.util import find_spec
from pathlib import Path
from typing import Literal

Extra = Literal["api", "worker", "all"]

_PACKAGE = Path(__file__).parent
_FOLDERS = ("core", "api", "worker")


class InstallationError(ImportError):
    """Packages are missing, or a folder of the user hides signforge's modules."""


def require(extra: Extra, *modules: str, what: str) -> None:
    """Check that the third-party `modules` that `what` needs are installed. `extra` installs them.

    Raises:
        InstallationError: some are missing.
    """
    missing = [name for name in modules if find_spec(name) is None]
    if missing:
        raise InstallationError(
            f"{what} needs packages that are not installed ({', '.join(missing)}). "
            f"Install them: pip install 'signforge[{extra}]'"
        )


def refuse_hidden_folders() -> None:
    """Check that `core`, `api` and `worker` are signforge's own, for an editable install.

    An installed wheel has them below `signforge`, where other modules cannot hide them.

    Raises:
        InstallationError: Python finds another folder or file by that name first.
    """
    if (_PACKAGE / "core").is_dir():
        return
    for name in _FOLDERS:
        found = _place_of(name)
        if found is not None and found != (_PACKAGE.parent / name).resolve():
            raise InstallationError(
                f"{found} hides signforge's module `{name}`, because signforge is installed in editable mode "
                f"(pip install --editable). Rename it, or install a copy: pip install {_PACKAGE.parent}"
            )


def _place_of(name: str) -> Path | None:
    """The folder or file that `import name` finds."""
    spec = find_spec(name)
    if spec is None:
        return None
    folders = list(spec.submodule_search_locations or ())
    return Path(folders[0] if folders else str(spec.origin)).resolve()
