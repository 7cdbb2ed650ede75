"""Random seeds derived from (seed, purpose, step), so that a resumed run draws the same numbers."""

import hashlib

import torch


def derived_seed(seed: int, purpose: str, *counters: int) -> int:
    """Return a 63-bit seed for one purpose and step, independent of all others."""
    words = ":".join([str(seed), purpose, *map(str, counters)])
    return int.from_bytes(hashlib.sha256(words.encode()).digest()[:8], "big") >> 1


def generator_for(seed: int, purpose: str, *counters: int) -> torch.Generator:
    """Return a CPU generator for one purpose and step."""
    return torch.Generator().manual_seed(derived_seed(seed, purpose, *counters))


def seed_global_draws(seed: int, purpose: str, *counters: int) -> None:
    """Seed PyTorch's global generators (initialisation) on every device."""
    torch.manual_seed(derived_seed(seed, purpose, *counters))
