"""Entry point of the command `signforge` and of `python -m signforge`."""

import gc
import sys

from signforge.installation import InstallationError, refuse_hidden_folders

_OBJECTS_BETWEEN_COLLECTIONS = 50_000
"""Python's own 700 makes a tenth of a short command's time a search for garbage that imports do not leave."""


def main() -> None:
    """Check that no user folder hides signforge's modules, then run the command line."""
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    try:
        refuse_hidden_folders()
    except InstallationError as error:
        sys.exit(f"Error: {error}")
    from signforge.cli import main as run

    run()


if __name__ == "__main__":
    main()
