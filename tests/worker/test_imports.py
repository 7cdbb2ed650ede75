"""Each attempt and each part of the service is a process of its own: what it need not load, it does not."""

import subprocess
import sys

import pytest


@pytest.mark.slow
@pytest.mark.parametrize("module", ["worker.supervisor", "worker.main", "worker.reconciler"])
def test_a_fresh_process_loads_nothing_that_only_migrations_or_postgresql_need(module: str) -> None:
    program = f"""
import sys, {module}
unneeded = {{"torch", "numpy", "alembic", "mako", "sqlalchemy.dialects.postgresql"}} & set(sys.modules)
sys.exit(f"loaded: {{unneeded}}" if unneeded else 0)
"""
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
