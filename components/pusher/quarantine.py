"""What may not be pushed again: bytes that were withdrawn, and whatever has the same recipe."""

import hashlib
from collections.abc import Iterable

from components import canonical_json
from components.records import Model
from components.serving_records import Quarantined


def recipe_digest(model: Model) -> str | None:
    """Return what a model was trained from, as one digest; None where that isn't known.

    Two trainings of one recipe never give the same bytes (``fingerprint.pb`` holds a random uuid),
    so it takes this to recognise a defect that was trained again.
    """
    if model.module_digest is None or model.examples_digest is None:
        return None
    recipe = {
        "module_digest": model.module_digest,
        "examples_digest": model.examples_digest,
        "base_model_digest": model.base_model_digest,
        "hyperparameters": dict(model.hyperparameters),
        "train_args": dict(model.train_args),
    }
    return "sha256:" + hashlib.sha256(canonical_json.dumps(recipe)).hexdigest()


def find(
    entries: Iterable[Quarantined], *, digests: Iterable[str], recipe: str | None
) -> Quarantined | None:
    """Return the first entry that names one of these bytes, or a non-null recipe."""
    wanted = set(digests)
    for entry in entries:
        if wanted & {entry.digest, entry.trained_digest}:
            return entry
        if recipe is not None and recipe == entry.recipe:
            return entry
    return None
