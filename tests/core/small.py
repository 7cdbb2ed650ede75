"""A configuration small enough for unit tests; every part of the real one is in it."""

from core.specs.pretraining import (
    ContrastConfig,
    EncoderConfig,
    NeighbourConfig,
    OptimiserConfig,
    PretrainConfig,
)
from core.specs.run import RunConfig
from core.specs.views import ViewConfig

SMALL = PretrainConfig(
    recipe="small",
    views=ViewConfig(num_frames=8, min_crop_frames=4),
    encoder=EncoderConfig(
        graph_block_widths=(4, 8),
        pooled_block_widths=(8,),
        feature_width=16,
        num_temporal_blocks=1,
        num_transformer_blocks=1,
        num_attention_heads=2,
        hand_feed_forward_width=16,
        trunk_feed_forward_width=16,
        projection_width=16,
        embedding_width=8,
    ),
    contrast=ContrastConfig(
        fused_queue_length=32,
        part_queue_length=16,
        consistency=NeighbourConfig(num_neighbours=4),
        transfer=NeighbourConfig(num_neighbours=8),
    ),
    optimiser=OptimiserConfig(learning_rate=0.05, schedule="cosine", warmup_steps=2),
    run=RunConfig(batch_size=4, num_epochs=3, checkpoint_every_steps=4, log_every_steps=1),
)
OVERRIDES = {
    "views": SMALL.views.model_dump(),
    "encoder": SMALL.encoder.model_dump(),
    "contrast": SMALL.contrast.model_dump(),
    "optimiser": SMALL.optimiser.model_dump(),
    "run": SMALL.run.model_dump(),
}
"""The same as a specification's overrides over any recipe."""

REPAIRED = SMALL.model_copy(
    update={
        "recipe": "repaired",
        "encoder": SMALL.encoder.model_copy(
            update={
                "trunk_origin": "shoulders",
                "hand_origin": "points",
                "missing_hands": "masked",
                "pooled_trunk_graph": "repaired",
                "sub_part_readout": "joined",
                "coordinate_shortcut": True,
                "num_time_segments": 3,
                "embedding_pieces": "pooled_and_halves",
            }
        ),
    }
)
"""Every repair of ours at once."""
