"""Entry point of the command `signforge` and of `python -m signforge`."""

import sys

from signforge.installation import InstallationError, refuse_hidden_folders


def main() -> None:
    """Check that no user folder hides signforge's modules, then run the command line."""
    try:
        refuse_hidden_folders()
    except InstallationError as error:
        sys.exit(f"Error: {error}")
    from signforge.cli import main as run

    run()


if __name__ == "__main__":
    main()
