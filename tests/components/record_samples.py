"""One of each record, with every field filled in."""

from components.records import (
    Baseline,
    Blessing,
    Bound,
    Examples,
    Finding,
    HyperParameters,
    Inputs,
    Model,
    Override,
    PushedModel,
    Record,
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

DIGEST = "sha256:" + "0" * 64
WINDOW = Window("2013-01-01", "2013-02-01")
RUN = Run("flights", "manual__1", "pusher", 0, 2, "v3", "b1", "c0ffee")
FINDING = Finding(
    check="value_threshold",
    passed=False,
    message="AUC for origin=EWR is 0.5, below the bound 0.7",
    metric="auc",
    slice={"origin": "EWR", "hour": 18},
    observed=0.5,
    bound=Bound(lower=0.7),
    baseline=0.6,
    interval=Bound(0.4, 0.6),
)
OVERRIDE = Override("value_threshold", "auc", {}, "known", "ada", 0.5, Bound(0.7, None))
MODEL = Model(
    uri="/artifacts/model/Format-Serving",
    digest=DIGEST,
    num_bytes=12,
    format="saved_model",
    window=WINDOW,
    examples_digest=DIGEST,
    module_digest=DIGEST,
    base_model_digest=DIGEST,
    hyperparameters={"units": [16, 8], "dropout": 0.1, "name": "übermäßig", "nested": {"a": None}},
    train_args={"num_steps": 200},
    eval_model_uri="/artifacts/model/Format-TFMA",
)
BLESSING = Blessing(
    kind="evaluation",
    blessed=True,
    subject=Subject("model", DIGEST),
    findings=(FINDING,),
    validator=Validator("evaluator", "0.1.0", DIGEST),
    issued_at="2026-01-01T00:00:00Z",
    inputs=Inputs(DIGEST, DIGEST),
    baseline=Baseline("/serving/flights", "20130201000000", DIGEST),
    served_model=MODEL,
    destination="/serving/flights",
    overrides=(OVERRIDE,),
    report_uri="/artifacts/report.html",
    run=RUN,
    signature="c2lnbmF0dXJl",
)
RECORDS: tuple[Record, ...] = (
    Examples("/examples", {"train": Split("Split-train/*", 3)}, DIGEST, WINDOW, "/schema"),
    Statistics("/statistics", DIGEST, DIGEST),
    Schema("/schema", DIGEST, DIGEST),
    TransformGraph("/transform", DIGEST, DIGEST),
    HyperParameters("/tuner", DIGEST, DIGEST, {"units": 3}, 0.5, "/trials"),
    MODEL,
    BLESSING,
    PushedModel(
        outcome="pushed",
        version="20130201000000",
        uri="/serving/flights/20130201000000",
        digest=DIGEST,
        trained_digest=DIGEST,
        previous_version="20130101000000",
        window=WINDOW,
        blessings=(BLESSING,),
        replayed=True,
        run=RUN,
        findings=(FINDING,),
    ),
    Refusal((Finding(check="hold", passed=False, message="on hold"),), DIGEST, "20130201000000"),
)
