"""Threads that wait sleep, in every program of the command line, unless the user says otherwise."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import os, sys
sys.argv = ["signforge", "recipes"]
from signforge.cli import main
try:
    main()
finally:
    assert "torch" not in sys.modules  # it reads the variable when it is imported
    print("policy", os.environ.get("OMP_WAIT_POLICY"))
"""


@pytest.mark.parametrize(("own", "used"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_the_command_line_sets_it_unless_the_user_has(own: str | None, used: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    environment |= {} if own is None else {"OMP_WAIT_POLICY": own}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=False
    )
    assert f"policy {used}" in done.stdout, done.stderr
