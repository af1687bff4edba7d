"""The page for people and the table for programs."""

import html.parser
import json
import re

import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import accuracy_score, roc_auc_score

from components.evaluator import report
from components.evaluator.eval_config import read_eval_config
from components.evaluator.judgement import BASELINE, CANDIDATE, Case, judge
from components.evaluator.report_confusion import binary_table, class_table
from components.evaluator.report_metrics import write_metrics, write_table
from components.evaluator.report_ranking import rank
from components.evaluator.tally import Membership, Tally, Truth
from components.records import Baseline, Blessing, Subject, Validator

GENERATOR = np.random.default_rng(8)
SIZE = 900
LABELS = (GENERATOR.random(SIZE) < 0.4).astype(float)
BEFORE = np.clip(0.3 * LABELS + GENERATOR.normal(0.4, 0.2, SIZE), 0, 1)
ORIGINS = np.array(["EWR", "JFK", "LGA"])[np.arange(SIZE) % 3]
# LGA became much worse, JFK a bit; EWR stayed.
NOISE = np.select([ORIGINS == "LGA", ORIGINS == "JFK"], [0.6, 0.1], 0.0)
NOW = np.clip(BEFORE + NOISE * GENERATOR.normal(size=SIZE), 0, 1)
NOT_WORSE = {"change_threshold": {"absolute": -0.3, "direction": "HIGHER_IS_BETTER"}}
AUC = {"class_name": "AUC", "threshold": NOT_WORSE}
ACCURACY = {"class_name": "BinaryAccuracy"}


def case_of(
    metrics=(AUC, ACCURACY), *, slices=ORIGINS, baseline=BEFORE, now=NOW, name="origin", **options
):
    metrics = [{"class_name": "ExampleCount"}, *metrics]
    slicing = [{}, {"feature_keys": [name]}]
    config = read_eval_config(
        {
            "model_specs": [{"label_key": "late"}],
            "slicing_specs": slicing,
            "metrics_specs": [{"metrics": list(metrics)}],
            "options": options,
        }
    )
    models = {CANDIDATE: now} if baseline is None else {CANDIDATE: now, BASELINE: baseline}
    tally = Tally(config.metrics, list(models), resampling=config.resampling)
    names, numbers = np.unique(slices, return_inverse=True)
    keys = [(), *[((name, value),) for value in names.tolist()]]
    rows = np.tile(np.arange(SIZE), 2)
    positions = np.concatenate([np.zeros(SIZE, np.int64), numbers + 1])
    predictions = {model: {"": values} for model, values in models.items()}
    tally.add(Truth({"": LABELS}, {"": None}), predictions, Membership(keys, rows, positions))
    return Case(config, tally.measure(), "nothing live" if baseline is None else "live version 7",
                "bless")  # fmt: skip


def blessing_of(case):
    findings = judge(case)
    return Blessing(
        kind="evaluation",
        blessed=all(finding.passed for finding in findings),
        subject=Subject("model", "sha256:new"),
        findings=findings,
        validator=Validator("imprimatur.evaluator", "1"),
        issued_at="2026-01-01T00:00:00Z",
        baseline=Baseline("serving", "7", "sha256:old") if case.has_baseline else None,
    )


@pytest.fixture
def page(tmp_path):
    """Return a function that writes the page of a case and returns its text."""

    def write(case):
        report.write_report(case, blessing_of(case), tmp_path)
        return (tmp_path / "report.html").read_text()

    return write


class _Elements(html.parser.HTMLParser):
    """The elements in order, each with what is directly or deeper in it."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.texts = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.texts.append(data.strip())


def slices_ranked(text):
    return re.findall(r"<td>(origin=[^<]*)</td>", text)


def names_ranked(case):
    ranking = rank(case, judge(case))
    return [case.measurements.slices[position][0][1] for position in ranking.positions]


def test_what_became_worst_comes_first():
    assert names_ranked(case_of()) == ["LGA", "JFK", "EWR"]


def test_where_lower_is_better_what_rose_most_comes_first():
    limits = {"change_threshold": {"absolute": 9.0, "direction": "LOWER_IS_BETTER"}}
    loss = {"class_name": "BinaryCrossentropy", "threshold": limits}
    shift = np.select([ORIGINS == "EWR", ORIGINS == "JFK"], [0.3, 0.1], 0.0)
    worse = np.clip(BEFORE * (1 - shift) + shift * (1 - LABELS), 0.01, 0.99)
    before = np.clip(BEFORE, 0.01, 0.99)
    assert names_ranked(case_of([loss], now=worse, baseline=before)) == ["EWR", "JFK", "LGA"]


def test_without_a_baseline_the_lowest_comes_first():
    by_auc = sorted(
        ("EWR", "JFK", "LGA"),
        key=lambda name: roc_auc_score(LABELS[name == ORIGINS], NOW[name == ORIGINS]),
    )
    threshold = {"value_threshold": {"lower_bound": 0.0}}
    assert names_ranked(case_of([{**AUC, "threshold": threshold}], baseline=None)) == by_auc


def test_a_slice_that_fails_comes_before_one_that_changed_more():
    only_jfk = {
        "class_name": "MeanPrediction",
        "per_slice_thresholds": [
            {
                "slicing_specs": [{"feature_values": {"origin": "JFK"}}],
                "threshold": {"value_threshold": {"upper_bound": 0.1}},
            }
        ],
    }
    assert names_ranked(case_of([AUC, only_jfk])) == ["JFK", "LGA", "EWR"]


def test_a_slice_without_a_value_comes_last_unless_it_fails():
    one_class = np.where((ORIGINS == "LGA") & (LABELS == 1), "JFK", ORIGINS)
    judged_overall = {
        "class_name": "AUC",
        "per_slice_thresholds": [{"slicing_specs": [{}], "threshold": NOT_WORSE}],
    }
    assert names_ranked(case_of([judged_overall], slices=one_class))[-1] == "LGA"
    assert names_ranked(case_of([AUC], slices=one_class))[0] == "LGA"


def test_verdict_and_reasons_come_first(page):
    bound = {"value_threshold": {"lower_bound": 0.99}}
    case = case_of([{**AUC, "threshold": bound}])
    text = page(case)
    body = text[text.index("<h1") :]
    order = ["Not blessed", judge(case)[0].message, "Candidate against the live version 7",
             "Slices, worst first", "Pictures", "All thresholds"]  # fmt: skip
    positions = [body.index(each) for each in order]
    assert positions == sorted(positions)
    reasons = re.findall(r"<li>AUC (?:for )?(\S+)", text)
    assert reasons == ["overall", "origin=LGA", "origin=JFK", "origin=EWR"]
    assert slices_ranked(text) == ["origin=LGA", "origin=JFK", "origin=EWR"]


def test_says_how_much_each_metric_changed(page):
    text = page(case_of())
    change = accuracy_score(LABELS, NOW > 0.5) - accuracy_score(LABELS, BEFORE > 0.5)
    assert change < 0
    row = text[text.index("<td>BinaryAccuracy</td>") :]
    row = row[: row.index("</tr>")]
    assert f"−{abs(change):.3f}" in row
    assert f"{accuracy_score(LABELS, NOW > 0.5):.3f}" in row


def test_needs_nothing_else(page):
    elements = _Elements(page(case_of()))
    assert not {"script", "link", "img", "iframe", "object", "base"} & set(elements.tags)
    links = [value for name, value in elements.attributes if name.endswith(("href", "src"))]
    assert links
    assert all(value.startswith("#") for value in links)
    text = page(case_of())
    assert "@import" not in text
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", text))
    assert not [name for name, _ in elements.attributes if name.startswith("on")]


def test_pictures_have_the_pages_colours_and_text_that_is_text(page):
    text = page(case_of())
    titles = ["ROC curve", "Precision-recall curve", "Calibration", "Distribution of predictions"]
    assert re.findall(r'<svg role="img" aria-label="([^"]*)"', text) == titles
    pictures = "".join(re.findall(r"<svg.*?</svg>", text, re.DOTALL))
    assert not re.findall(r"#[0-9a-f]{6}\b(?!\))", re.sub(r'"#[^"]*"|url\([^)]*\)', "", pictures))
    texts = _Elements(pictures).texts
    assert "true positive rate (recall)" in texts
    assert "live version 7" in texts


def test_shows_text_as_text(page):
    evil = '<script>alert("1")</script>$x$'
    slices = np.where(ORIGINS == "JFK", evil, "LGA")
    elements = _Elements(page(case_of(slices=slices)))
    assert "script" not in elements.tags
    assert f"origin={evil}" in "".join(elements.texts)


def test_thousands_of_slices_and_findings_stay_readable(page, tmp_path):
    numbers = np.arange(SIZE)
    case = case_of(slices=numbers)
    failing = {"value_threshold": {"lower_bound": 0.99}}
    few = page(case_of([{**AUC, "threshold": failing}]))
    many = page(case_of([{**AUC, "threshold": failing}], slices=numbers))
    assert len(slices_ranked(many)) == report.MAX_SLICES
    assert f"{SIZE - report.MAX_SLICES} more slices are in metrics.json" in many
    assert many.count("✗ failed") == report.MAX_FINDINGS
    assert many.count("<li>") == report.MAX_REASONS
    assert f"{SIZE + 1 - report.MAX_REASONS} more reasons" in many
    assert len(many) < 8 * len(few)
    write_table(case, blessing_of(case), tmp_path)
    assert pq.read_table(tmp_path / "metrics.parquet").num_rows == 2 * (SIZE + 1) * 3


def test_a_first_model_is_shown_alone(page):
    text = page(case_of(baseline=None))
    assert "Compared with: nothing live" in text
    assert "0 of 4 thresholds hold; 4 couldn't be judged" in text
    assert "All 4 thresholds hold." in page(case_of(now=BEFORE))
    assert "<h2>Candidate</h2>" in text
    assert "version 7" not in text


def test_a_candidate_whose_predictions_are_not_numbers_is_not_drawn(page):
    broken = np.where(np.arange(SIZE) == 5, np.nan, NOW)
    text = page(case_of(now=broken))
    assert "1 prediction is NaN or infinite" in text
    assert "<svg" not in text


def test_a_baseline_whose_predictions_are_not_numbers_is_left_out(page):
    broken = np.where(np.arange(SIZE) == 5, np.nan, BEFORE)
    texts = _Elements("".join(re.findall(r"<svg.*?</svg>", page(case_of(baseline=broken)), re.S)))
    assert "candidate" in texts.texts
    assert "live version 7" not in texts.texts


def test_metrics_without_pictures_have_none(page):
    text = page(case_of([{"class_name": "MeanPrediction", "threshold": {
        "value_threshold": {"lower_bound": 0.0}}}]))  # fmt: skip
    assert "<svg" not in text
    assert "Pictures" not in text


def test_the_table_has_a_row_for_each_model_slice_and_metric(tmp_path):
    one_class = np.where((ORIGINS == "LGA") & (LABELS == 1), "JFK", ORIGINS)
    case = case_of(slices=one_class)
    write_table(case, blessing_of(case), tmp_path)
    rows = pq.read_table(tmp_path / "metrics.parquet").to_pylist()
    assert len(rows) == 2 * 4 * 3
    expected = {}
    for model, digest, scores in (
        ("candidate", "sha256:new", NOW),
        ("baseline", "sha256:old", BEFORE),
    ):
        for name in ("overall", "EWR", "JFK", "LGA"):
            here = np.full(SIZE, True) if name == "overall" else one_class == name
            key = (
                ("{}", name) if name == "overall" else (f'{{"origin": "{name}"}}', f"origin={name}")
            )
            only_one = len(set(LABELS[here])) == 1
            values = {
                "example_count": here.sum(),
                "auc": None if only_one else roc_auc_score(LABELS[here], scores[here]),
                "binary_accuracy": accuracy_score(LABELS[here], scores[here] > 0.5),
            }
            for metric, value in values.items():
                expected[model, digest, *key, here.sum(), metric] = value
    found = {tuple(row.values())[:6]: row["value"] for row in rows}
    assert set(found) == set(expected)
    ends = ("lower", "upper", "change_lower", "change_upper")
    assert {row[name] for row in rows for name in ends} == {None}
    for key, value in expected.items():
        assert found[key] == (None if value is None else pytest.approx(value, abs=1e-3))


def test_a_confusion_has_shares_of_the_true_class():
    counts = {"candidate": np.array([6.0, 2.0, 1.5, 4.5]), "live": np.array([5.0, 3.0, 0.0, 6.0])}
    table = binary_table(counts, "positive above 0.5")
    rows = [(name, [(cell.number, cell.share, cell.is_right, cell.baseline) for cell in cells])
            for name, cells in table.rows]  # fmt: skip
    assert rows == [
        ("0", [("6", 0.75, True, "5"), ("2", 0.25, False, "3")]),
        ("1", [("1.5", 0.25, False, "0"), ("4.5", 0.75, True, "6")]),
    ]


def test_classes_that_nobody_predicts_have_no_column():
    cells = np.array([[0, -1, 1], [0, 2, 3], [2, 2, 5]], float)
    table = class_table({"candidate": cells}, "")
    assert table.columns == ("none", "2")
    assert [name for name, _ in table.rows] == ["0", "2"]
    assert [cell.number for cell in table.rows[1][1]] == ["0", "5"]


def test_of_many_classes_the_most_frequent_mistakes_are_shown():
    actual, predicted = np.divmod(np.arange(400), 20)
    counts = GENERATOR.permutation(400) + 1.0
    table = class_table({"candidate": np.stack([actual, predicted, counts], axis=1)}, "")
    assert table.rows == ()
    wrong = np.where(actual == predicted, 0, counts)
    expected = np.argsort(-wrong)[: len(table.pairs)]
    assert [(int(a), int(p)) for a, p, _ in table.pairs] == [
        (actual[each], predicted[each]) for each in expected
    ]
    first = table.pairs[0][2]
    of_class = counts[actual == actual[expected[0]]].sum()
    assert first.share == pytest.approx(counts[expected[0]] / of_class)


def test_says_in_words_that_nothing_was_asked(page):
    text = page(case_of([ACCURACY]))
    assert "nothing was asked of the model" in text
    assert "Those that fail a threshold come first." in text


SURE = {"compute_confidence_intervals": True}


def test_says_how_sure_each_number_is(page):
    text = page(case_of(**SURE))
    assert "small numbers are 95 % intervals" in text
    assert "a faint bar may be chance" in text
    overall, slices = text.split("<h2>Slices")
    number = r"[+−]?[0-9.]+"
    (auc,) = re.findall(r"<tr><td>AUC</td>(.*)</tr>", overall)
    assert len(re.findall(rf"{number}<small>{number} to {number}</small>", auc)) == 3
    # The number of examples isn't estimated.
    (count,) = re.findall(r"<tr><td>ExampleCount</td>(.*)</tr>", overall)
    assert "<small>" not in count
    # EWR stayed exactly as it was: all samples agree, so nothing can be said.
    assert slices.count("--upper") == 2
    assert "95 % interval" not in page(case_of())


def test_bars_that_may_be_chance_are_faint(page):
    """EWR stayed as it was, LGA became much worse."""
    text = page(case_of(**SURE))
    bars = dict(re.findall(r"<td>origin=(...)</td>(?:.|\n)*?<span class=\"(bar[^\"]*)\"", text))
    assert bars == {"LGA": "bar", "JFK": "bar unsure", "EWR": "bar unsure"}


def test_the_line_of_an_interval_lies_where_the_bar_ends(page):
    text = page(case_of(**SURE))
    line = r"--size: ([0-9.]+)\"></i><b style=\"--lower: ([0-9.-]+); --upper: ([0-9.-]+)"
    size, lower, upper = map(float, re.search(line, text).groups())
    assert lower < size < upper <= 1
    assert size == pytest.approx((lower + upper) / 2, abs=2e-4)


def test_programs_get_the_intervals(tmp_path):
    case = case_of(**SURE)
    blessing = blessing_of(case)
    write_table(case, blessing, tmp_path)
    write_metrics(case, blessing, tmp_path)
    rows = pq.read_table(tmp_path / "metrics.parquet").to_pylist()
    slices = json.loads((tmp_path / "metrics.json").read_text())["slices"]
    (finding,) = (f for f in blessing.findings if f.slice == {"origin": "LGA"})
    told = {(row["model"], row["slice_name"], row["metric"]): row for row in rows}
    candidate, baseline = (told[model, "origin=LGA", "auc"] for model in ("candidate", "baseline"))
    assert candidate["lower"] < candidate["value"] < candidate["upper"]
    change = candidate["value"] - baseline["value"]
    assert candidate["change_lower"] < change < candidate["change_upper"] < 0
    assert baseline["change_lower"] is None
    # The finding has it as what the value may be, given the baseline's.
    assert finding.interval.lower == pytest.approx(baseline["value"] + candidate["change_lower"])
    assert finding.interval.upper == pytest.approx(baseline["value"] + candidate["change_upper"])
    (lga,) = (item for item in slices if item["slice"] == {"origin": "LGA"})
    assert lga["intervals"]["auc"] == {
        model: {"lower": row[f"{kind}lower"], "upper": row[f"{kind}upper"], "confidence": 0.95}
        for model, row, kind in (
            ("candidate", candidate, ""),
            ("baseline", baseline, ""),
            ("change", candidate, "change_"),
        )
    }
    assert told["candidate", "overall", "example_count"]["lower"] is None
    assert "example_count" not in lga["intervals"]
