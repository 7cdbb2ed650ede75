"""Lets the threads of a computation sleep while they wait for each other, by an environment variable.

By default threads of OpenMP spin while they wait. Beside another busy process they take the cores from the
thread that they wait for, and PyTorch is ten times slower. A user's own setting wins.
"""

import os

VARIABLE = "OMP_WAIT_POLICY"
"""Read once, when PyTorch loads its OpenMP library."""


def sleeping_threads() -> dict[str, str]:
    """Return the environment variable to set before a process imports torch."""
    return {VARIABLE: os.environ.get(VARIABLE, "PASSIVE")}
