"""Bodies shown in the OpenAPI document; the tests submit each of them."""

from fastapi.openapi.models import Example

JOB_EXAMPLES: dict[str, Example] = {
    "import": {
        "summary": "Pack an uploaded file into a corpus",
        "value": {
            "kind": "import",
            "name": "my-signs",
            "source": "upl_019e3c0a5b8c7d21a4f60b7c9d1e2f30",
            "format": "mediapipe_holistic",
            "split": {"by": "signer", "test_fraction": 0.25},
        },
    },
    "pretrain": {
        "summary": "Pretrain a small encoder, with another seed than the recipe's",
        "value": {
            "kind": "pretrain",
            "name": "my-encoder",
            "corpus": "my-signs",
            "recipe": "smoke",
            "overrides": {"run": {"seed": 1}},
        },
    },
    "evaluate": {
        "summary": "Score it with weighted k-nearest neighbours",
        "value": {"kind": "evaluate", "corpus": "my-signs", "encoder": "my-encoder", "protocol": "knn"},
    },
    "fine_tune": {
        "summary": "Fine-tune it with five labels per gloss, under three seeds",
        "value": {
            "kind": "evaluate",
            "corpus": "my-signs",
            "encoder": "my-encoder",
            "protocol": "fine_tune",
            "labels_per_gloss": 5,
            "num_seeds": 3,
        },
    },
    "import_encoder": {
        "summary": "Make an encoder of an uploaded checkpoint of the paper's released code",
        "value": {
            "kind": "import_encoder",
            "name": "released",
            "source": "upl_019e3c0a5b8c7d21a4f60b7c9d1e2f30",
        },
    },
    "leak_audit": {
        "summary": "Look for leaks between signers left out in turn",
        "value": {"kind": "leak_audit", "corpus": "my-signs", "folds": "each_signer"},
    },
}
