"""A rank of a pretraining run without communication, as a baseline for ranks.py.

It does one rank's share of the work, and its model is not usable.
"""

import os
import sys
from collections.abc import Mapping

from core.program.frame import Launch, main
from core.specs.jobs import PretrainSpec
from core.training.pretrain import pretrain
from core.training.process_group import RankPlace, SingleRank


def run_silently(launch: Launch[PretrainSpec]) -> Mapping[str, object] | None:
    """Pretrain on one rank's share of each batch, without communication."""
    place = RankPlace.of_environment(os.environ)
    assert place is not None, "ranks.py starts this"
    ranks = SingleRank()
    ranks.rank, ranks.num_ranks = place.rank, place.num_ranks
    result = pretrain(launch.spec, launch.out, observer=launch.observer, ranks=ranks)
    return result if place.rank == 0 else None


if __name__ == "__main__":
    sys.exit(main(run_silently, PretrainSpec))
