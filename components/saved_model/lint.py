"""Says how fit a SavedModel is to be reused and fine-tuned.

The advice is TF Hub's to those who create SavedModels:
https://www.tensorflow.org/hub/exporting_tf2_saved_model
"""

from collections.abc import Callable, Iterator

from components.record_parts import Finding
from components.saved_model.description import ModelDescription, TraceDescription
from components.saved_model.export_note import ExportNote

_PROBABILITIES = ("Sigmoid", "Softmax", "LogSoftmax")
_RANKED = ("ArgMax", "ArgMin", "InTopKV2", "TopK", "TopKV2")


def lint(model: ModelDescription, note: ExportNote | None) -> list[Finding]:
    """Return one finding for each piece of advice.

    Args:
        model: the SavedModel.
        note: what `export` left beside it; None where something else wrote the model.
    """
    return [
        Finding(check=name, passed=passed, message=message)
        for name, check in _CHECKS.items()
        for passed, message in [check(model, note)]
    ]


_Verdict = tuple[bool, str]
_UNTOLD: _Verdict = (False, "It can't be told without a __call__.")


def _reusable(model: ModelDescription, note: ExportNote | None) -> _Verdict:
    if model.calls:
        return True, "It has a __call__, so other models can be built on it."
    return False, (
        "It has no __call__, so it can only be asked through its signatures; export it with "
        "components.saved_model.export."
    )


def _servable(model: ModelDescription, note: ExportNote | None) -> _Verdict:
    if model.signatures:
        return True, f"It can be served: {', '.join(model.signatures)}."
    return False, "It has no signatures, so a server has nothing to ask; give it serving_default."


def _fine_tunable(model: ModelDescription, note: ExportNote | None) -> _Verdict:
    trained = sum(variable.trained for variable in model.variables)
    if model.calls and trained:
        return True, f"It can be fine-tuned: {trained} of its variables are trainable_variables."
    return False, "It lists no trainable_variables, so it can be used as it is, not fine-tuned."


def _variables(model: ModelDescription, note: ExportNote | None) -> _Verdict:
    unlisted = [v.name for v in model.variables if not v.listed and v.name != "save_counter"]
    if not unlisted:
        return True, "All its variables are in the list variables."
    return False, (
        f"{len(unlisted)} of its variables aren't in the list variables ({_some(unlisted)}); an "
        "optimizer's, or layers that won't be found when it is fine-tuned."
    )


def _losses(model: ModelDescription, note: ExportNote | None) -> _Verdict:
    if note is not None and note.num_lost_losses:
        return False, (
            f"{note.num_lost_losses} losses depend on inputs (activity regularizers or add_loss) "
            "and were lost: those who fine-tune it must add them again."
        )
    if model.num_regularization_losses:
        return True, f"It has {model.num_regularization_losses} regularization_losses."
    if note is not None:
        return True, "It was trained without regularization losses."
    return False, (
        "It has no regularization_losses: if its weights were regularized, that was lost."
    )


def _training_modes(model: ModelDescription, note: ExportNote | None) -> _Verdict:
    if not model.calls:
        return _UNTOLD
    modes = {trace.arguments.get("training") for trace in model.calls}
    if {True, False} <= modes:
        return True, "Its __call__ was traced with training=True and with training=False."
    if modes == {None}:
        return True, (
            "Its __call__ has no argument training: dropout and batch normalization, if it has "
            "any, work in one way only."
        )
    missing = "True" if True not in modes else "False"
    return False, f"Its __call__ wasn't traced with training={missing}."


def _logits(model: ModelDescription, note: ExportNote | None) -> _Verdict:
    if not model.calls:
        return _UNTOLD
    origins = {origin for trace in model.calls for origin in trace.origins}
    if ranked := sorted(origins.intersection(_RANKED)):
        return False, (
            f"Its output comes from {_some(ranked)}, which gradients don't flow through: give the "
            "scores, and let those who use it rank them."
        )
    if flat := sorted(origins.intersection(_PROBABILITIES)):
        return False, (
            f"Its output comes from {_some(flat)}: gradients flow better through logits; export "
            "the piece before it, and keep the probabilities for the serving signatures."
        )
    return True, "No softmax, sigmoid or ranking was found right before its output."


def _optimizer(model: ModelDescription, note: ExportNote | None) -> _Verdict:
    if not model.num_slot_variables and not model.optimizer_paths:
        return True, "The optimizer was left out."
    return False, (
        f"It holds an optimizer ({_some(model.optimizer_paths) or 'slot variables'}), which nobody "
        "can use who loads it: export it without."
    )


def _optimizer_regularization(model: ModelDescription, note: ExportNote | None) -> _Verdict:
    if note is None:
        return True, (
            "If its optimizer regularized (weight_decay, l1_regularization_strength), that isn't "
            "in the model; nothing here says so."
        )
    lost = ", ".join(f"{name}={value:g}" for name, value in note.optimizer_regularization.items())
    if lost:
        return False, (
            f"It was trained by {note.optimizer} with {lost}, which isn't in the model: say so to "
            "those who fine-tune it, or use weight regularizers."
        )
    return True, "Its optimizer didn't regularize."


def _hyperparameters(model: ModelDescription, note: ExportNote | None) -> _Verdict:
    if not model.calls:
        return _UNTOLD
    optional = sorted({name for trace in model.calls for name in _numbers(trace)})
    if optional:
        return True, f"Those who fine-tune it can set {_some(optional)}."
    if any(trace.is_random and trace.arguments.get("training") for trace in model.calls):
        return False, (
            "Its training is random (dropout or noise) at a rate that can't be set: choose one "
            "that suits many problems, or export it with hyperparameters={…}."
        )
    return True, "Its training has no random part whose rate would have to be set."


def _numbers(trace: TraceDescription) -> Iterator[str]:
    names = list(trace.arguments)
    for name in names[1:]:
        if isinstance(trace.arguments[name], str) and trace.arguments[name].endswith("[]"):
            yield name


def _some(names: Iterator[str] | list[str] | tuple[str, ...]) -> str:
    listed = list(names)
    more = f" and {len(listed) - 3} more" if len(listed) > 3 else ""
    return ", ".join(listed[:3]) + more


_CHECKS: dict[str, Callable[[ModelDescription, ExportNote | None], _Verdict]] = {
    "servable": _servable,
    "reusable": _reusable,
    "fine_tunable": _fine_tunable,
    "variables": _variables,
    "losses": _losses,
    "training_modes": _training_modes,
    "logits": _logits,
    "optimizer": _optimizer,
    "optimizer_regularization": _optimizer_regularization,
    "hyperparameters": _hyperparameters,
}
