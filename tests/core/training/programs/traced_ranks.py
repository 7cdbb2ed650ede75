"""The pretraining program; networks to be compiled are traced as always, forward and backward, and what comes
of it is then computed operation by operation: minutes in the C++ compiler would show nothing more of ranks.
Only rank 0 does so. The others compute plainly, and so it must meet them in the same order.
"""

import os

from torch import nn

from core.program.frame import finish, main
from core.specs.jobs import PretrainSpec
from core.training.engine import Engine
from core.training.pretrain import run


def _trace(self: Engine, networks: nn.ModuleDict) -> None:
    if self.name == "compiled" and os.environ["RANK"] == "0":
        for network in networks.values():
            network.compile(backend="aot_eager")


if __name__ == "__main__":
    Engine.prepare = _trace  # type: ignore[method-assign]
    finish(main(run, PretrainSpec))
