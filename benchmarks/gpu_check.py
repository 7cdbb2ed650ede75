"""Check a CUDA device in under eight minutes: tests, steps, ranks, embedding and a resumed run, as one JSON.

    python benchmarks/gpu_check.py gpu.json                              # on a machine with a GPU
    python benchmarks/gpu_check.py cpu.json --device cpu --recipe smoke --batch 32      # dry run

Each part is a process of its own with a time limit. What it printed last, or why it failed, is in the JSON,
so a part that fails or takes too long costs no other part. Parts that no time is left for are named. Rates
are clips a second of the median step of a real pretraining run, beside the limit of matrix products.
`gpu_check.sh` runs it where neither our packages nor a network are.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TOTAL_SECONDS = 470
STEPS, SKIP = 12, 4
COMPILED_STEPS = 600
"""Steps that a run announces, so that compiling is worth its time; it is stopped after `STEPS`."""
SETTINGS: dict[str, dict[str, object]] = {
    "fp32": {"engine": "eager", "precision": "fp32"},
    "bf16": {"engine": "eager", "precision": "bf16"},
    "compiled bf16": {"engine": "compiled", "precision": "bf16"},
    "compiled bf16, CUDA graph": {"engine": "compiled", "precision": "bf16", "cuda_graph": True},
}
Found = dict[str, Any]


def main() -> None:
    """Run all parts, or the one that is asked for."""
    options = _options()
    if options.part:
        print(json.dumps(PARTS[options.part][0](options)))
        return
    found: Found = {"device": options.device, "recipe": options.recipe, "batch": options.batch}
    end = time.monotonic() + TOTAL_SECONDS
    for part, (_, seconds) in PARTS.items():
        found[part] = _run(part, min(seconds, end - time.monotonic()), options)
        options.out.write_text(json.dumps(found, indent=2) + "\n")  # what there is, if the machine is lost
        print(f"{part}: {json.dumps(found[part])}", flush=True)


def _run(part: str, seconds: float, options: argparse.Namespace) -> Found:
    if seconds < 5:
        return {"left_out": "no time was left"}
    asked = ["--device", options.device, "--recipe", options.recipe, "--batch", str(options.batch)]
    command = [sys.executable, __file__, str(options.out), "--part", part, *asked]
    began = time.monotonic()
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds, cwd=ROOT)
    except subprocess.TimeoutExpired:
        return {"failed": f"it took more than {seconds:.0f} s"}
    took = round(time.monotonic() - began, 1)
    if done.returncode:
        return {"failed": done.stderr[-1500:], "seconds": took}
    return {**json.loads(done.stdout.splitlines()[-1]), "seconds": took}


def machine(options: argparse.Namespace) -> Found:
    """What the machine is, and its matrix product limits in TFLOP/s."""
    import torch
    from measuring import timed

    size = 8192 if options.device == "cuda" else 1024
    limits = {}
    for name, kind in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        left = torch.randn(size, size, dtype=kind, device=options.device)
        product = timed(lambda left=left: (left @ left).sum().item())
        seconds = min(product() for _ in range(8))
        limits[f"{name}_tflops"] = round(2e-12 * size**3 / seconds, 2)
    name = torch.cuda.get_device_name() if options.device == "cuda" else "CPU"
    return {"name": name, "torch": torch.__version__, "cuda": torch.version.cuda, **limits}


def tests(options: argparse.Namespace) -> Found:
    """Run the core's tests that are marked `gpu`; without a GPU they are skipped, which the counts say.

    The others, and conftest.py, need packages of the service.
    """
    marked = (path for path in (ROOT / "tests" / "core").rglob("test_*.py") if "mark.gpu" in path.read_text())
    command = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", "--noconftest", "-p", "no:cacheprovider"]
    command += map(str, sorted(marked))
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode:
        raise SystemExit((done.stdout + done.stderr)[-1500:])
    return {"said": done.stdout.strip().splitlines()[-1]}


def ranks(options: argparse.Namespace) -> Found:
    """Clips a second on two ranks, where there are two devices."""
    import torch

    count = torch.cuda.device_count() if options.device == "cuda" else 1
    if count < 2:
        return {"left_out": f"{count} device; two ranks need two"}
    return {"2 ranks, bf16": _rate(options, engine="eager", precision="bf16", num_devices=2)}


def embedding(options: argparse.Namespace) -> Found:
    """Clips a second of an encoder that embeds packed clips."""
    from measuring import timed

    from core.corpora.packed import PackedCorpus
    from core.exchange.weights import load_encoder

    with tempfile.TemporaryDirectory(prefix="signforge-gpu-") as folder:
        corpus, out = _corpus(Path(folder), 2048), Path(folder) / "run"
        _pretrain(corpus, out, options, num_steps=1)
        clips = [PackedCorpus.open(corpus).clip(index) for index in range(1024)]
        encoder = load_encoder(out / "encoder", device=options.device).model
        encoder.embed(clips[:64])
        embed = timed(lambda: encoder.embed(clips))
        seconds = min(embed() for _ in range(3))
    return {"clips_per_second": round(len(clips) / seconds, 1)}


def resumed(options: argparse.Namespace) -> Found:
    """Whether a run that was stopped and resumed ends with the bytes of one that was not."""
    from short_run import Clock

    from core.errors import Stopped

    with tempfile.TemporaryDirectory(prefix="signforge-gpu-") as name:
        folder = Path(name)
        corpus = _corpus(folder, 8 * options.batch)
        whole = _pretrain(corpus, folder / "whole", options, num_steps=6)
        with suppress(Stopped):
            _pretrain(corpus, folder / "first", options, num_steps=6, observer=Clock(3))
        (saved, *_) = sorted((folder / "first" / "checkpoints").glob("step_*"))
        again = _pretrain(corpus, folder / "again", options, num_steps=6, resume=saved)
    return {"from": saved.name, "same_bytes": whole["sha256"] == again["sha256"]}


def _rate(options: argparse.Namespace, **settings: object) -> Found:
    """Clips a second of a run with these settings, and of `stc` the operations a second."""
    from short_run import step_seconds
    from step import GFLOP_PER_CLIP

    with tempfile.TemporaryDirectory(prefix="signforge-gpu-") as folder:
        seconds = step_seconds(
            _corpus(Path(folder), 20 * options.batch),
            recipe=options.recipe,
            batch_size=options.batch,
            steps=STEPS,
            skip=SKIP,
            device=options.device,
            num_steps=COMPILED_STEPS,
            **settings,
        )
    rate = {"clips_per_second": round(options.batch / seconds, 1)}
    if options.recipe == "stc":
        rate["tflops"] = round(options.batch * GFLOP_PER_CLIP / seconds / 1e3, 2)
    return rate


def _pretrain(
    corpus: Path, out: Path, options: argparse.Namespace, *, num_steps: int, **more: Any
) -> dict[str, Any]:
    from core.specs.jobs import PretrainSpec
    from core.training.pretrain import pretrain

    run = {
        "device": options.device,
        "batch_size": options.batch,
        "num_steps": num_steps,
        "checkpoint_every_steps": 3,
        "log_every_steps": 1,
        "monitor_every_steps": None,
        "engine": "eager",
    }
    spec = PretrainSpec(corpus=str(corpus), recipe=options.recipe, overrides={"run": run})
    return dict(pretrain(spec, out, **more))


def _corpus(folder: Path, clips: int) -> Path:
    from synthetic_corpus import write_quickly

    write_quickly(folder / "corpus", clips)
    return folder / "corpus"


PARTS: dict[str, tuple[Callable[[argparse.Namespace], Found], float]] = {
    "machine": (machine, 40),
    "resumed": (resumed, 60),
    "embedding": (embedding, 60),
    "ranks": (ranks, 60),
    **{f"steps, {name}": (partial(_rate, **settings), 100) for name, settings in SETTINGS.items()},
    "tests": (tests, 200),
}
"""Each part and its time limit in seconds: what is quick first."""


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("out", type=Path, help="JSON to write")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--recipe", default="stc")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--part", choices=PARTS, help="used by the check itself")
    return parser.parse_args()


if __name__ == "__main__":
    main()
