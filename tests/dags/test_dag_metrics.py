"""What whole runs send to StatsD, and that dashboard, alerts and documents speak of just that.

How `prom/statsd-exporter` reads a mapping is written down here anew, from its README: the first
rule whose parts fit decides, `*` is one part, `$1` what stood there; a timer ends in `_bucket`,
`_sum`, `_count`.
"""

import json
import re
from importlib import resources

import pytest
import yaml

from operators import RollbackOperator
from operators.freshness import FreshnessOperator
from operators.metrics import METRICS
from tests.airflow_home import REPOSITORY
from tests.dags.test_dag_runs import database, run_dag
from tests.operators.contexts import make_context

__all__ = ["database", "run_dag"]
FOLDER = REPOSITORY / "docker" / "observability"
TYPES = {"c": "counter", "g": "gauge", "ms": "timer"}
OBSERVED = ("_bucket", "_sum", "_count")
JANUARY = {"window_start": "2013-01-01T00:00:00Z", "window_end": "2013-02-01T00:00:00Z"}
FEBRUARY = {"window_start": "2013-02-01T00:00:00Z", "window_end": "2013-03-01T00:00:00Z"}
RECEIVED: list[str] = []  # once for all tests: whole runs take their time


def read(name):
    return yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))


def series(line, mappings):
    """Return what statsd-exporter makes of a line: type, name, labels; None if no rule fits."""
    name, _, value = line.partition(":")
    name, *tags = name.split(",")
    for rule in mappings:
        pattern = re.escape(rule["match"]).replace(r"\*", r"([^.]+)")
        if found := re.fullmatch(pattern, name):
            given = {k: found[int(v[1:])] for k, v in rule.get("labels", {}).items()}
            labels = given | dict(tag.split("=") for tag in tags)
            return TYPES[value.rpartition("|")[2]], rule["name"], labels
    return None


@pytest.fixture
def sent(run_dag, statsd, installation):
    """All that a pushed and a refused run, a rollback and a look at the data's age send."""
    if RECEIVED:
        return RECEIVED
    folder = installation / "serving" / "flight_delays"
    run_dag(logical_date=None, run_conf=JANUARY)
    run_dag({"evaluator": "refuse"}, logical_date=None, run_conf=FEBRUARY)
    (folder / "1").mkdir()
    (folder / "1" / "saved_model.pb").write_text("what the rollback goes to")
    look = FreshnessOperator(task_id="freshness", model="flight_delays", max_age_hours=1e6)
    look.execute(make_context("freshness"))
    roll_back = RollbackOperator(task_id="rollback", base_directory=str(folder), reason="bad")
    roll_back.execute(make_context("rollback", user="ann"))
    RECEIVED.extend(statsd.received())
    return RECEIVED


def test_runs_send_each_metric_and_count_each_thing_once(sent):
    known = {f"airflow.{name}" for name in METRICS}
    found = {name for name in known if any(line.startswith(f"{name}.") for line in sent)}
    assert found == known
    counted = sorted(line for line in sent if line.endswith("|c"))
    name = "airflow.imprimatur"
    verdicts = {"data.blessed": 2, "infra.blessed": 2, "evaluation.blessed": 1}
    assert counted == sorted(
        [
            f"{name}.pushes.flight_delays.pushed:1|c",
            f"{name}.refusals.flight_delays.not_blessed:1|c",
            f"{name}.rollbacks.flight_delays:1|c",
            f"{name}.verdicts.flight_delays.evaluation.not_blessed:1|c",
            *(
                f"{name}.verdicts.flight_delays.{kind}:1|c"
                for kind, times in verdicts.items()
                for _ in range(times)
            ),
        ]
    )


def test_the_mapping_has_a_rule_for_each_line_with_and_without_tags(sent):
    mappings = read("statsd_mapping.yaml")["mappings"]
    plain = {line: series(line, mappings) for line in sent}
    assert None not in plain.values()
    for line, (kind, name, labels) in plain.items():
        metric = METRICS[name_of(line)]
        assert kind == metric.kind
        assert tuple(labels) == metric.tags
        parts = line.partition(":")[0].removeprefix(f"airflow.{name_of(line)}.").split(".")
        assert parts == list(labels.values())
        tags = ",".join(f"{tag}={value}" for tag, value in labels.items())
        tagged = f"airflow.{name_of(line)},{tags}:{line.partition(':')[2]}"
        assert series(tagged, mappings) == (kind, name, labels)


def name_of(line):
    return next(name for name in METRICS if line.startswith(f"airflow.{name}."))


@pytest.fixture
def exported(sent):
    """The names in Prometheus: of this project, from what was sent, and of Airflow itself."""
    mappings = read("statsd_mapping.yaml")["mappings"]
    found = {series(line, mappings)[:2] for line in sent}
    template = resources.files("airflow.sdk._shared.observability.metrics")
    registry = yaml.safe_load((template / "metrics_template.yaml").read_text(encoding="utf-8"))
    airflows = {f"airflow_{one['name'].replace('.', '_')}" for one in registry["metrics"]}
    ends = {"timer": OBSERVED}
    return {name + end for kind, name in found for end in ends.get(kind, ("",))} | airflows


def used(text):
    return set(re.findall(r"\bairflow_\w+", text))


def test_dashboard_and_alerts_ask_for_what_is_sent(exported):
    panels = read("grafana_dashboard.json")["panels"]
    for panel in panels:
        for target in panel["targets"]:
            assert used(target["expr"]), panel["title"]
            assert used(target["expr"]) <= exported, panel["title"]
    for variable in read("grafana_dashboard.json")["templating"]["list"]:
        assert used(variable.get("definition", "")) <= exported, variable["name"]
    for group in read("prometheus_alerts.yaml")["groups"]:
        for rule in group["rules"]:
            assert used(rule["expr"]), rule["alert"]
            assert used(rule["expr"]) <= exported, rule["alert"]


def test_the_dashboard_shows_each_metric_that_has_a_panel_to_be_in(exported):
    shown = used(json.dumps(read("grafana_dashboard.json")))
    missing = {name for name in exported - shown if name.startswith("airflow_imprimatur_")}
    assert missing == {
        "airflow_imprimatur_component_duration_seconds_bucket",
        "airflow_imprimatur_live_data_age_seconds",  # time() - …_end_seconds stays right
    }


def test_labels_in_dashboard_and_alerts_are_those_that_are_sent(sent):
    mappings = read("statsd_mapping.yaml")["mappings"]
    labels = {}
    for line in sent:
        _, name, given = series(line, mappings)
        labels[name] = set(given)
    rules = [rule for group in read("prometheus_alerts.yaml")["groups"] for rule in group["rules"]]
    targets = [
        target for panel in read("grafana_dashboard.json")["panels"] for target in panel["targets"]
    ]
    for expression in [one["expr"] for one in (*targets, *rules)]:
        for name in used(expression):
            base = re.sub("_(sum|count|bucket)$", "", name)
            selected = set(re.findall(rf"{name}{{(\w+)", expression))
            assert selected <= labels.get(base, set()), expression
        ours = [
            labels[re.sub("_(sum|count)$", "", n)] for n in used(expression) if "imprimatur" in n
        ]
        by = re.findall(r"by \(([\w, ]+)\)", expression)
        assert all(set(each.split(", ")) <= given for each in by for given in ours), expression


def test_the_document_lists_each_metric_with_its_tags():
    text = (REPOSITORY / "docs" / "observability.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(imprimatur\.\w+)` \| (\w+) \| ([^|]+) \|", text, re.MULTILINE)
    listed = {name: (kind, tuple(re.findall(r"`(\w+)`", tags))) for name, kind, tags in rows}
    assert listed == {name: (one.kind, one.tags) for name, one in METRICS.items()}
