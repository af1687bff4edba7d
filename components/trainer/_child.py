"""The process that trains: ``python -P -m components.trainer._child SPEC.json``."""

import logging
import sys
from pathlib import Path
from typing import Any

from components.trainer import run_folder, user_module, user_process
from components.trainer.child_spec import ChildResult, ChildSpec
from components.trainer.fn_args import FnArgs, example_accessor

_log = logging.getLogger("components.trainer")


def train(spec: ChildSpec) -> ChildResult:
    """Call ``run_fn``, and check what it wrote."""
    user = user_process.load(spec)
    run_fn = user_module.run_fn_of(user.module, user.path)
    run_dir, is_resumed = _run_dir(spec, user.digest)
    arguments = FnArgs(
        **{**spec.fn_args, "model_run_dir": run_dir}, data_accessor=example_accessor()
    )
    user_process.call(run_fn, arguments, "run_fn", user.path)
    return ChildResult(
        module_digest=user.digest,
        model_run_dir=run_dir,
        is_resumed=is_resumed,
        details={**user.details(), **(_described_output(spec) if spec.is_chief else {})},
    )


def _run_dir(spec: ChildSpec, module_digest: str) -> tuple[str, bool]:
    """Return the run folder, and whether an earlier try left something in it."""
    if spec.resume_root is not None and spec.recipe is not None:
        recipe = {**spec.recipe, "module_digest": module_digest}
        folder = run_folder.claim(Path(spec.resume_root), recipe)
        if folder is not None:
            is_resumed = any(folder.iterdir())
            if is_resumed:
                _log.info("an earlier try left its run folder; the module may go on from there")
            return str(folder), is_resumed
    return str(spec.fn_args["model_run_dir"]), False


def _described_output(spec: ChildSpec) -> dict[str, Any]:
    from components.trainer.servable import check_eval_model, check_servable
    from components.trainer.serving_example import serving_examples

    _log.info("trained; checking that the model can be served")
    check_eval_model(Path(spec.fn_args["eval_model_dir"]))
    files = [*spec.fn_args["eval_files"], *spec.fn_args["train_files"]]
    graph = spec.fn_args["transform_graph_path"]
    return check_servable(
        Path(spec.fn_args["serving_model_dir"]), serving_examples(spec.serving_files, files, graph)
    )


if __name__ == "__main__":
    user_process.end(user_process.main(sys.argv[1], train))
