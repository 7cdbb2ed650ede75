"""KL divergence over nearest past samples, used by consistency and knowledge transfer."""

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from core.specs.pretraining import NeighbourConfig


def neighbour_divergence(
    teacher_similarities: Float[Tensor, "B K"],
    student_similarities: Float[Tensor, "B K"],
    config: NeighbourConfig,
) -> Float[Tensor, ""]:
    """Return KL(teacher || student) over the teacher's nearest past samples, mean over the batch.

    Column i of both is the same past sample. The teacher carries no gradient.
    """
    nearest = teacher_similarities.detach().topk(config.num_neighbours, dim=1)
    teacher = (nearest.values / config.teacher_temperature).log_softmax(dim=1)  # (B, N)
    student = student_similarities.gather(1, nearest.indices) / config.student_temperature  # (B, N)
    return functional.kl_div(student.log_softmax(dim=1), teacher, reduction="batchmean", log_target=True)
