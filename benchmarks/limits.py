"""Measure this machine's peak performance: matrix products in fp32 and bf16, and memory bandwidth.

    python benchmarks/limits.py [--threads N]

Other benchmarks measure the same limits in their own run, and print the fraction of the limit they reach. A
limit is the best of several repetitions and shapes, because disturbances only make a repetition slower.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from measuring import table

Shape = tuple[int, int, int]
SHAPES: tuple[Shape, ...] = ((2048, 2048, 2048), (4096, 4096, 1024), (16384, 512, 512), (16384, 1024, 1024))
"""(rows, columns, depth) of the products: square ones, and tall ones like the encoder's."""
CUDA_SHAPES: tuple[Shape, ...] = (*SHAPES, (8192, 8192, 8192))
COPY_BYTES = 512 * 1024 * 1024
"""Much larger than any cache."""
SECONDS = 0.5
"""Measuring time per shape."""


@dataclass(frozen=True)
class Limits:
    """Peak performance: floating-point operations a second."""

    fp32_flops: float
    bf16_flops: float


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    torch.set_num_threads(parser.parse_args().threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    rows = [
        [f"{name} {'x'.join(map(str, shape))}", f"{product_flops(shape, dtype, device) / 1e9:.0f} GFLOP/s"]
        for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16))
        for shape in shapes_for(device)
    ]
    rows.append(["copy, read + written", f"{copy_bytes(device) / 1e9:.1f} GB/s"])
    print(table([f"{device.type}, {torch.get_num_threads()} threads", "best"], rows))


def measured_limits(device: torch.device | None = None) -> Limits:
    """Measure the limits of a device (None: CPU) with the current number of threads."""
    device = device or torch.device("cpu")
    best = {
        dtype: max(product_flops(shape, dtype, device) for shape in shapes_for(device))
        for dtype in (torch.float32, torch.bfloat16)
    }
    return Limits(best[torch.float32], best[torch.bfloat16])


def shapes_for(device: torch.device) -> tuple[Shape, ...]:
    return CUDA_SHAPES if device.type == "cuda" else SHAPES


def product_flops(shape: Shape, dtype: torch.dtype, device: torch.device) -> float:
    """Return the operations a second of a matrix product; a multiply-add counts as two."""
    rows, columns, depth = shape
    left = torch.randn(rows, depth, device=device).to(dtype)
    right = torch.randn(depth, columns, device=device).to(dtype)
    out = torch.empty(rows, columns, device=device, dtype=dtype)
    return 2 * rows * columns * depth / best_seconds(lambda: torch.mm(left, right, out=out), device)


def copy_bytes(device: torch.device) -> float:
    """Return the bytes a second of a large copy; reading and writing both count."""
    source = torch.ones(COPY_BYTES // 4, device=device)
    target = torch.empty_like(source)
    return 2 * COPY_BYTES / best_seconds(lambda: target.copy_(source), device)


def best_seconds(work: Callable[[], object], device: torch.device) -> float:
    """Return the shortest time of at least three repetitions within `SECONDS`, after a warm-up."""
    work()
    taken: list[float] = []
    while len(taken) < 3 or sum(taken) < SECONDS:
        synchronise(device)
        began = time.perf_counter()
        work()
        synchronise(device)
        taken.append(time.perf_counter() - began)
    return min(taken)


def synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


if __name__ == "__main__":
    main()
