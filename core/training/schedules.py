"""Learning-rate schedules (paper, section IV-B; cosine decay: Loshchilov and Hutter, 2017)."""

import math

from core.specs.pretraining import OptimiserConfig


def learning_rate(config: OptimiserConfig, *, step: int, steps_per_epoch: int, total_steps: int) -> float:
    """Return the learning rate of step `step`, counted from 0: linear warm-up, then step or cosine decay."""
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    if config.schedule == "cosine":
        remaining = max(1, total_steps - config.warmup_steps)
        done = (step - config.warmup_steps) / remaining
        return config.learning_rate * 0.5 * (1 + math.cos(math.pi * done))
    passed = sum(step >= epoch * steps_per_epoch for epoch in config.milestones)
    return float(config.learning_rate * config.decay**passed)
