"""Compare how the corpora of an evaluation were read with how the encoder's corpus was read."""

from core.evaluation.task import Task
from core.exchange.weights import LoadedEncoder


def preprocessing_differences(encoder: LoadedEncoder | None, task: Task) -> list[str]:
    """Return a sentence for each corpus that was read otherwise; none where a record is missing."""
    card = None if encoder is None else encoder.card.corpus
    record = None if card is None else card.preprocessing
    if record is None:
        return []
    sentences = []
    for source in task.sources:
        other = source.corpus.header.preprocessing
        if other is not None and (found := record.differences(other)):
            sentences.append(
                f"Corpus {source.corpus.name!r} was read otherwise than the encoder's corpus (the encoder's "
                f"and this one's: {'; '.join(found)}). Scores may be lower for that reason alone."
            )
    return sentences
