"""The API process imports neither torch nor the worker."""

import subprocess
import sys

PROGRAM = """
import sys
from pathlib import Path
from api.main import create_app
from core.jobs.settings import Settings
create_app(Settings(data_folder=Path("nowhere"))).openapi()
heavy = {"torch", "celery", "worker", "core.training", "core.encoders.sign_encoder"} & set(sys.modules)
sys.exit(f"loaded: {heavy}" if heavy else 0)
"""


def test_a_fresh_process_loads_neither_torch_nor_the_worker() -> None:
    finished = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
