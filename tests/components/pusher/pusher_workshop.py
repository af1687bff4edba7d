"""Makes models, blessings and serving folders for the tests of the pusher; needs no TensorFlow."""

import dataclasses
from pathlib import Path

from components import artifacts, pusher
from components.records import (
    Baseline,
    Blessing,
    Finding,
    Model,
    PushedModel,
    Refusal,
    Run,
    Subject,
    Validator,
    Window,
)
from components.serving_folder import WARM_UP_FILE, ServingFolder

ISSUED_AT = "2026-01-01T00:00:00Z"


class Workshop:
    """Makes models and blessings, and pushes them to one serving folder."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.base = directory / "serving"
        self.folder = ServingFolder(self.base)

    def model(self, content="graph", month=2, window="default", **fields) -> Model:
        """Train a model: `content` makes its bytes, its window ends on the first of `month`."""
        path = self.directory / "models" / f"{content}-{month}" / "Format-Serving"
        self.write_model(path, content)
        manifest = artifacts.read_manifest(path)
        if window == "default":
            window = Window("2013-01-01", f"2013-{month:02d}-01")
        return Model(
            uri=str(path),
            digest=manifest.digest,
            num_bytes=manifest.num_bytes,
            window=window,
            **fields,
        )

    def write_model(self, path: Path, content="graph") -> Path:
        (path / "variables").mkdir(parents=True, exist_ok=True)
        (path / "saved_model.pb").write_text(content)
        (path / "variables" / "variables.index").write_bytes(b"index")
        (path / "variables" / "variables.data-00000-of-00001").write_bytes(content.encode() * 100)
        return path

    def with_warm_up(self, model: Model, **extra_files) -> Model:
        """Return the same model with warm-up requests, and whatever else is named."""
        path = Path(model.uri).parent / "served_model"
        for name in artifacts.list_files(Path(model.uri)):
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes((Path(model.uri) / name).read_bytes())
        for name, text in {WARM_UP_FILE: "requests", **extra_files}.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_text(text)
        manifest = artifacts.read_manifest(path)
        return dataclasses.replace(
            model, uri=str(path), digest=manifest.digest, num_bytes=manifest.num_bytes
        )

    def bless(self, model: Model, kind="evaluation", blessed=True, **fields) -> Blessing:
        subject = fields.pop("subject", Subject("model", model.digest))
        fields.setdefault("findings", ())
        return Blessing(
            kind=kind,
            blessed=blessed,
            subject=subject,
            validator=Validator("test", "1"),
            issued_at=ISSUED_AT,
            **fields,
        )

    def blessings(self, model: Model) -> list[Blessing]:
        return [self.bless(model, "evaluation"), self.bless(model, "infra")]

    def failure(self, metric="auc", observed=0.61, **fields) -> Finding:
        message = fields.pop("message", f"{metric} is {observed}")
        return Finding(
            "value_threshold", False, message, metric=metric, observed=observed, **fields
        )

    def baseline(self) -> Baseline:
        """Return what an evaluation notes that compares with what is live now."""
        live = self.folder.live()
        return Baseline(
            base_directory=str(self.base),
            version=None if live is None else str(live.number),
            digest=None if live is None else live.read_digest(),
        )

    def push(self, model: Model | None, blessings=None, **options) -> PushedModel | Refusal:
        if blessings is None:
            blessings = self.blessings(model)
        destination = options.pop("base", self.base)
        return pusher.push(
            model=model,
            blessings=blessings,
            push_destination={"filesystem": {"base_directory": str(destination)}},
            **options,
        )

    def publish(self, *months: int) -> list[PushedModel]:
        return [self.push(self.model(f"graph {month}", month)) for month in months]

    def rollback(self, reason="it is bad", **options) -> PushedModel | Refusal:
        return pusher.rollback(base_directory=str(self.base), reason=reason, **options)

    def visible(self) -> list[str]:
        """Return the names that a server sees."""
        return [name for name in self.folder.names() if name != ".imprimatur"]

    def run(self, task_id="pusher", try_number=1, **fields) -> Run:
        fields = {"dag_id": "flight_delays", "run_id": "run 1", **fields}
        return Run(task_id=task_id, try_number=try_number, **fields)
