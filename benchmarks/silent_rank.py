"""A rank of a pretraining run that does its share and never talks to the others. It learns nothing sensible.

A side of ranks.py: what is left of a rank when communication costs nothing.
"""

import os
import sys
from collections.abc import Mapping

from core.program.frame import Launch, main
from core.specs.jobs import PretrainSpec
from core.training.pretrain import pretrain
from core.training.process_group import RankPlace, SingleRank


def run_silently(launch: Launch[PretrainSpec]) -> Mapping[str, object] | None:
    """Pretrain on one rank's share of each batch."""
    place = RankPlace.of_environment(os.environ)
    assert place is not None, "ranks.py starts this"
    ranks = SingleRank()
    ranks.rank, ranks.num_ranks = place.rank, place.num_ranks
    result = pretrain(launch.spec, launch.out, observer=launch.observer, ranks=ranks)
    return result if place.rank == 0 else None


if __name__ == "__main__":
    sys.exit(main(run_silently, PretrainSpec))
