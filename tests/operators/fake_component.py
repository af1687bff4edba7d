"""Stands in for a component's command line: the components' flags, exit codes and layouts, no work.

``FAKE_COMPONENTS`` holds a JSON object of component, or verb → behaviour: ``refuse`` (exit code 3),
``fault`` (1), ``usage`` (2). What it was called with is kept as ``arguments.json`` in the output.
The pusher is never faked. A hyperparameter ``refused_by`` names a component that refuses that
model. While the file ``FAKE_PAUSES``/<component> is there, that component waits; where there is
``FAKE_PAUSES``/refuse-<end of the window>, the evaluator refuses models of that window.
"""

import dataclasses
import json
import os
import sys
import time
from pathlib import Path

from components import artifacts, records
from components.parent_death import die_with_announced_parent
from components.records import (
    Baseline,
    Blessing,
    Bound,
    Examples,
    Finding,
    Inputs,
    Model,
    Refusal,
    Run,
    Schema,
    Split,
    Statistics,
    Subject,
    TransformGraph,
    Validator,
    Window,
)
from components.serving_folder import ServingFolder

COMPONENTS = {"evaluation": "evaluator", "infra": "infra_validator"}
NOW = "2026-01-01T00:00:00Z"


def read_flags(arguments: list[str]) -> dict[str, str]:
    return {
        flag.removeprefix("--").replace("-", "_"): value
        for flag, value in zip(arguments[::2], arguments[1::2], strict=True)
    }


def example_gen(flags: dict[str, str], directory: Path, final: Path, verdict: bool):
    window = Window.parse(flags.get("window", "2013-12-01/2014-01-01"))
    if not verdict:
        message = f"the window {window} has no rows"
        return Refusal((Finding("empty_window", False, message),))
    (directory / "Split-train").mkdir()
    (directory / "Split-train" / "data").write_text(str(window))
    digest = artifacts.digest(directory)
    return Examples(str(final), {"train": Split("Split-train/*", 1000)}, digest, window)


def statistics(flags: dict[str, str], directory: Path, final: Path, verdict: bool):
    del verdict
    examples = records.load(flags["examples"])
    (directory / "Split-train").mkdir()
    return Statistics(str(final), artifacts.digest(directory), examples.digest)


def schema(flags: dict[str, str], directory: Path, final: Path, verdict: bool):
    del verdict
    (directory / "schema.pbtxt").touch()
    examples_digest = records.load(flags["statistics"]).examples_digest
    return Schema(str(final), artifacts.digest(directory), examples_digest)


def validate(flags: dict[str, str], directory: Path, final: Path, verdict: bool):
    digest = records.load(flags["examples"]).digest
    message = "as the schema wants them" if verdict else "feature 'distance' is as great as 8019"
    finding = Finding("int_type_big_int", verdict, message, metric="distance")
    subject, validator = Subject("examples", digest), Validator("fake", "1")
    return Blessing("data", verdict, subject, (finding,), validator, NOW)


def transform(flags: dict[str, str], directory: Path, final: Path, verdict: bool):
    del verdict
    (directory / "transform_graph").mkdir()
    digest = artifacts.digest(directory / "transform_graph")
    examples_digest = records.load(flags["examples"]).digest
    return TransformGraph(str(final / "transform_graph"), digest, examples_digest)


def trainer(flags: dict[str, str], directory: Path, final: Path, verdict: bool):
    del verdict
    examples = records.load(flags["examples"])
    model = directory / "Format-Serving"
    (model / "variables").mkdir(parents=True)
    (model / "saved_model.pb").write_text(f"trained by {final}")
    (model / "variables" / "variables.index").touch()
    return Model(
        uri=str(final / "Format-Serving"),
        digest=artifacts.digest(model),
        num_bytes=artifacts.read_manifest(model).num_bytes,
        window=examples.window,
        examples_digest=examples.digest,
        hyperparameters=json.loads(flags.get("hyperparameters", "{}")),
        train_args=json.loads(flags.get("train_args", "{}")),
    )


def bless(kind: str, flags: dict[str, str], blessed: bool) -> Blessing:
    model = records.load(flags["model"])
    blessed = blessed and model.hyperparameters.get("refused_by") != COMPONENTS[kind]
    if model.window is not None and is_marked(f"refuse-{model.window.end}"):
        blessed = False
    examples = records.load(flags["examples"])
    message = "AUC overall is 0.700" if blessed else "AUC overall is 0.500, below the bound 0.600"
    finding = Finding(
        "value_threshold",
        blessed,
        message,
        metric="AUC",
        observed=0.7 if blessed else 0.5,
        bound=Bound(lower=0.6),
    )
    return Blessing(
        kind=kind,
        blessed=blessed,
        subject=Subject("model", model.digest),
        inputs=Inputs(examples.digest, "sha256:config"),
        findings=(finding,),
        baseline=baseline_of(flags["baseline"]) if kind == "evaluation" else None,
        validator=Validator("fake", "1"),
        issued_at=NOW,
    )


def baseline_of(base_directory: str) -> Baseline:
    live = ServingFolder(base_directory).live()
    if live is None:
        return Baseline(base_directory)
    return Baseline(base_directory, str(live.number), live.digest)


def evaluator(flags: dict[str, str], directory: Path, final: Path, verdict: bool):
    return bless("evaluation", flags, verdict)


def infra_validator(flags: dict[str, str], directory: Path, final: Path, verdict: bool):
    return bless("infra", flags, verdict)


def is_marked(name: str) -> bool:
    marks = os.environ.get("FAKE_PAUSES")
    return marks is not None and (Path(marks) / name).exists()


def wait_while_paused(name: str) -> None:
    while is_marked(name):
        time.sleep(0.05)


def main() -> int:
    die_with_announced_parent()
    name, *arguments = sys.argv[1:]
    if name == "data_validation":
        name, *arguments = arguments
    behaviour = json.loads(os.environ.get("FAKE_COMPONENTS", "{}")).get(name)
    if behaviour in ("fault", "usage"):
        sys.stderr.write(f"ERROR components.{name}: broken on purpose\n")
        return {"fault": 1, "usage": 2}[behaviour]
    wait_while_paused(name)
    flags = read_flags(arguments)
    run = Run.from_json(json.loads(flags["run"])) if "run" in flags else None
    final = Path(flags["output_dir"])
    with artifacts.new_directory(final) as directory:
        record = globals()[name](flags, directory, final, behaviour != "refuse")
        if isinstance(record, Blessing):
            record = dataclasses.replace(record, report_uri=str(final), run=run)
        (directory / "arguments.json").write_text(json.dumps(flags))
        artifacts.write_record(record, directory)
    sys.stderr.write(f"INFO components.{name}: done\n")
    print(records.dump(record))
    is_negative = isinstance(record, Blessing) and not record.blessed
    return 3 if behaviour == "refuse" or is_negative else 0


if __name__ == "__main__":
    sys.exit(main())
