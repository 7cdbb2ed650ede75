"""Rows of the ablation tables: recipes at one small size, each with one change."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, Literal

from ablation.made_up import AMOUNTS

Overrides = dict[str, Any]

SIZE: Overrides = {
    "views": {"num_frames": 16, "min_crop_frames": 8},
    "encoder": {
        "graph_block_widths": [16, 32],
        "pooled_block_widths": [64],
        "feature_width": 64,
        "num_temporal_blocks": 1,
        "graph_dropout": 0.0,
        "output_dropout": 0.0,
        "transformer_dropout": 0.0,
        "num_transformer_blocks": 1,
        "num_attention_heads": 4,
        "hand_feed_forward_width": 128,
        "trunk_feed_forward_width": 64,
        "projection_width": 64,
        "embedding_width": 32,
    },
    "contrast": {
        "key_momentum": 0.99,
        "fused_queue_length": 512,
        "part_queue_length": 512,
        "consistency": {"num_neighbours": 64},
        "transfer": {"num_neighbours": 256},
    },
    "optimiser": {"learning_rate": 0.05, "schedule": "cosine", "warmup_steps": 20},
    "run": {
        "batch_size": 32,
        "num_epochs": 20,
        "device": "cpu",
        "precision": "fp32",
        "checkpoint_every_steps": 100_000,
        "monitor_every_steps": None,
    },
}
"""Widths, lengths and schedule of all recipes here, so that rows differ only in the named change. The key
encoder's momentum is part of the schedule: at 0.999 it would hardly change in a few hundred steps."""

REPAIRS: Mapping[str, Overrides] = {
    "input norm eps 1e-5": {"encoder": {"input_norm_eps": 1e-5}},
    "trunk about the shoulders": {"encoder": {"trunk_origin": "shoulders"}},
    "missing hands masked": {"encoder": {"missing_hands": "masked"}},
    "pooled trunk graph repaired": {"encoder": {"pooled_trunk_graph": "repaired"}},
    "sub-parts joined, with coordinates": {
        "encoder": {"sub_part_readout": "joined", "coordinate_shortcut": True}
    },
    "four time segments": {"encoder": {"num_time_segments": 4}},
    "temperature 0.2": {"contrast": {"temperature": 0.2}},
    "gentle views": {
        "views": {
            "crop_fraction_min": 0.7,
            "spatial_probability": 1.0,
            "occlusion_probability": 0.0,
            "shear_range": 0.2,
            "rotation_range": 0.4,
            "scale_range": 0.2,
            "parts_move_apart": True,
            "spatial_centre": "centre",
        }
    },
    "hand swap mirrors the trunk": {"views": {"hand_swap_mirrors_trunk": True}},
}
"""Each repairs one fault of the released recipe; together they are the rows `nine repairs`."""

PARTS: Mapping[str, Overrides] = {
    "contrast only": {"contrast": {"consistency_weight": 0.0, "transfer_weight": 0.0}},
    "without consistency": {"contrast": {"consistency_weight": 0.0}},
    "without transfer": {"contrast": {"transfer_weight": 0.0}},
    "joint only": {"encoder": {"streams": ["joint"]}},
    "motion only": {"encoder": {"streams": ["motion"]}},
}

CHOICES: Mapping[str, Overrides] = {
    "5 epochs": {"run": {"num_epochs": 5}},
    "40 epochs": {"run": {"num_epochs": 40}},
    "width 32": {
        "encoder": {
            "feature_width": 32,
            "hand_feed_forward_width": 64,
            "trunk_feed_forward_width": 32,
        }
    },
    "width 128": {
        "encoder": {
            "feature_width": 128,
            "hand_feed_forward_width": 256,
            "trunk_feed_forward_width": 128,
        }
    },
    "no transformer": {"encoder": {"num_transformer_blocks": 0}},
    "32 frames": {"views": {"num_frames": 32}},
    "temperature 0.1": {"contrast": {"temperature": 0.1}},
    "temperature 0.5": {"contrast": {"temperature": 0.5}},
    "queues of 128": {
        "contrast": {
            "fused_queue_length": 128,
            "part_queue_length": 128,
            "transfer": {"num_neighbours": 64},
        }
    },
    "learning rate 0.01": {"optimiser": {"learning_rate": 0.01}},
    "learning rate 0.2": {"optimiser": {"learning_rate": 0.2}},
    "AdamW at 0.001": {"optimiser": {"algorithm": "adamw", "learning_rate": 0.001, "weight_decay": 0.01}},
    "no warm-up": {"optimiser": {"warmup_steps": 0}},
    "key momentum 0.999": {"contrast": {"key_momentum": 0.999}},
}
"""Hyperparameters that are not repairs: size, steps, learning rate, temperature, queue."""


PLACED: Mapping[str, Overrides] = {
    "placed hands": {"encoder": {"hand_origin": "points"}},
    "joint only": PARTS["joint only"],
    "learning rate 0.01": CHOICES["learning rate 0.01"],
}
"""With all of these and `HALVES` the nine repairs are the recipe `signforge`; these three are tried in every
combination."""

HIDDEN: Overrides = {"views": {"trunk_hidden_probability": 0.5}}
"""Half of the clips are shown without their trunk, as if only hands had been recorded."""
HALVES: Overrides = {"encoder": {"embedding_pieces": "pooled_and_halves"}}
POOLED: Overrides = {"encoder": {"embedding_pieces": "pooled"}}
"""What an embedding is made of; training is the same."""

OBJECTIVES: Mapping[str, Overrides] = {
    "neighbours as positives": {"contrast": {"neighbour_share": 0.5}},
    "prototypes": {"contrast": {"prototype_weight": 1.0}},
    "hidden hands predicted": {
        "views": {"hidden_hand_frames": 0.3},
        "contrast": {"hidden_hands_weight": 1.0},
    },
}
"""What may be learned beside the paper's losses."""


LearnedFrom = Literal["own", "others", "all", "made-up"]
"""Clips that a row pretrains on: those known of the fold's corpus; those of the other recorded corpora, but
not of people who are scored; both; or those of made-up signers."""


@dataclass(frozen=True)
class Row:
    """One row: a recipe with changes; `pretrained` is False for a randomly initialised network."""

    name: str
    group: str
    recipe: str
    overrides: Overrides = field(default_factory=dict)
    pretrained: bool = True
    learned_from: LearnedFrom = "own"
    num_clips: int | None = None
    """So many of these clips, drawn at random, or so many made-up ones; None: all."""


def merged(*layers: Mapping[str, Any]) -> Overrides:
    """Merge nested fields of all layers; later layers override earlier ones."""
    result: Overrides = {}
    for layer in layers:
        for name, value in layer.items():
            nested = isinstance(value, Mapping)
            result[name] = merged(result.get(name, {}), value) if nested else deepcopy(value)
    return result


def rows() -> list[Row]:
    """Return all rows, in the order of the tables."""
    nine = merged(SIZE, *REPAIRS.values())
    ours = merged(SIZE, PLACED["learning rate 0.01"])  # of which `SIZE` has another one
    return [
        Row("from scratch", "recipes", "signforge", ours, pretrained=False),
        Row("stc", "recipes", "stc", SIZE),
        Row("stc-paper", "recipes", "stc-paper", SIZE),
        Row("signforge", "recipes", "signforge", ours),
        Row("nine repairs, from scratch", "nine repairs", "stc", nine, pretrained=False),
        Row("nine repairs", "nine repairs", "stc", nine),
        *(
            Row(f"stc + {name}", "each repair alone", "stc", merged(SIZE, repair))
            for name, repair in REPAIRS.items()
        ),
        *(
            Row(
                f"nine repairs - {name}",
                "each repair left out",
                "stc",
                merged(SIZE, *(repair for other, repair in REPAIRS.items() if other != name)),
            )
            for name in REPAIRS
        ),
        *(
            Row(f"nine repairs, {name}", "parts of the loss", "stc", merged(nine, part))
            for name, part in PARTS.items()
        ),
        Row("stc, whole clips", "other choices", "stc", merged(SIZE, {"views": {"min_crop_frames": 32}})),
        Row("stc, 40 epochs", "other choices", "stc", merged(SIZE, CHOICES["40 epochs"])),
        *(
            Row(f"nine repairs, {name}", "other choices", "stc", merged(nine, choice))
            for name, choice in CHOICES.items()
        ),
        *(
            Row(
                f"nine repairs, {', '.join(names)}",
                "combinations",
                "stc",
                merged(nine, *(PLACED[name] for name in names)),
            )
            for names in (("placed hands",), *combinations(PLACED, 2))
        ),
        Row("signforge, pooled pieces only", "combinations", "signforge", merged(ours, POOLED)),
        Row(
            "signforge, pooled pieces only, without consistency",
            "combinations",
            "signforge",
            merged(ours, POOLED, PARTS["without consistency"]),
        ),
        *(
            Row(f"signforge, {name}", "other objectives", "signforge", merged(ours, objective))
            for name, objective in OBJECTIVES.items()
        ),
        Row("signforge, other corpora", "several corpora", "signforge", ours, learned_from="others"),
        Row("signforge, all corpora", "several corpora", "signforge", ours, learned_from="all"),
        Row(
            "signforge, other corpora, trunks hidden",
            "several corpora",
            "signforge",
            merged(ours, HIDDEN),
            learned_from="others",
        ),
        Row("signforge, trunks hidden", "several corpora", "signforge", merged(ours, HIDDEN)),
        *(
            Row(f"signforge, {count:,} of its clips", "scale", "signforge", ours, num_clips=count)
            for count in (100, 300, 1000)
        ),
        *(
            Row(f"signforge, {name}", "scale", "signforge", merged(ours, CHOICES[name]))
            for name in ("width 32", "width 128")
        ),
        *(
            Row(
                f"signforge, {n:,} made-up clips",
                "scale",
                "signforge",
                ours,
                learned_from="made-up",
                num_clips=n,
            )
            for n in AMOUNTS
        ),
        Row("signforge, made-up signers", "several corpora", "signforge", ours, learned_from="made-up"),
    ]
