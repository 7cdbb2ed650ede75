"""One rank that takes single steps from the states of another run, and shows what each step made of them."""

import os
from collections.abc import Mapping

import torch
from safetensors.torch import save_file

from core.program.frame import Launch, finish, main
from core.specs.jobs import PretrainSpec
from core.training.checkpoint import checkpoints_in, load_checkpoint
from core.training.pretrain import Pretraining
from core.training.process_group import RankPlace, joined


def step_and_show(launch: Launch[PretrainSpec]) -> Mapping[str, object] | None:
    """From each checkpoint in the folder of `resume`, the oldest first, take one step.

    Reports its losses and writes this rank's model to step_<number>_rank_<number>.safetensors.
    """
    place = RankPlace.of_environment(os.environ)
    assert place is not None
    assert launch.resume is not None
    with joined(place, torch.device("cpu")) as ranks:
        run = Pretraining(launch.spec, launch.out, launch.observer, ranks=ranks)
        for checkpoint in reversed(checkpoints_in(launch.resume.parent)):
            run.state.restore(load_checkpoint(checkpoint))
            losses = run._step()
            run.state.step += 1
            run._report(losses, clips_per_second=0.0)
            name = f"step_{run.state.step}_rank_{place.rank}.safetensors"
            save_file(run.state.model.state_dict(), launch.out / name)
        ranks.wait_for_all()
    return {} if place.rank == 0 else None


if __name__ == "__main__":
    finish(main(step_and_show, PretrainSpec))
