"""One self-contained HTML page: each feature's distribution in every split, side by side."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2

from components.data_validation.distribution import Distribution, distribution
from components.records import Examples

BASELINE = "published"
"""The name under which the published model's data stand beside a split."""
_ENVIRONMENT = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True
)


@dataclass(frozen=True)
class Column:
    """One feature of one data set."""

    dataset: str
    rows: tuple[tuple[str, str], ...]
    """What is said of it: name and number."""
    bars: tuple[tuple[str, float], ...]
    """Label, and the share of all values, from 0 to 1."""


@dataclass(frozen=True)
class Row:
    """One feature."""

    name: str
    kind: str
    columns: tuple[Column | None, ...]
    warning: str

    @property
    def greatest(self) -> float:
        """The greatest share of any bar: the length of all is measured by it."""
        shares = (share for column in self.columns if column for _, share in column.bars)
        return max(shares, default=1.0) or 1.0


def write_page(
    path: Path, found: Mapping[str, Any], baseline: Mapping[str, Any], examples: Examples
) -> None:
    """Write the page.

    Args:
        path: of the file.
        found: the `DatasetFeatureStatisticsList` of each split.
        baseline: the same of the published model's data; empty if there is none.
        examples: what was looked at.
    """
    datasets = {name: proto.datasets[0] for name, proto in found.items()}
    if baseline:
        name = "train" if "train" in baseline else min(baseline)
        datasets[f"{BASELINE} {name}"] = baseline[name].datasets[0]
    features = {
        name: {_name(feature): feature for feature in dataset.features}
        for name, dataset in datasets.items()
    }
    names = sorted({feature for of_dataset in features.values() for feature in of_dataset})
    html = _ENVIRONMENT.get_template("statistics.html.jinja").render(
        examples=examples,
        datasets=[(name, dataset.num_examples) for name, dataset in datasets.items()],
        rows=[_row(name, features) for name in names],
    )
    path.write_text(html, encoding="utf-8")


def _row(name: str, features: Mapping[str, Mapping[str, Any]]) -> Row:
    protos = {dataset: of_dataset.get(name) for dataset, of_dataset in features.items()}
    there = [proto for proto in protos.values() if proto is not None]
    distributions = {
        dataset: distribution(proto) for dataset, proto in protos.items() if proto is not None
    }
    labels = _shared_labels(distributions.values())
    columns = tuple(
        None if proto is None else _column(dataset, proto, distributions[dataset], labels)
        for dataset, proto in protos.items()
    )
    missing = [proto for proto in there if _common(proto).num_missing]
    absent = [dataset for dataset, proto in protos.items() if proto is None]
    warning = f"not in {', '.join(absent)}" if absent else "missing in some" if missing else ""
    return Row(name, there[0].Type.Name(there[0].type).lower(), columns, warning)


def _column(dataset: str, proto: Any, values: Distribution, labels: list[str]) -> Column:
    common = _common(proto)
    total = common.num_non_missing + common.num_missing
    rows = [("missing", f"{common.num_missing / total:.2%}" if total else "–")]
    if common.min_num_values != 1 or common.max_num_values != 1:
        rows.append(("values each", f"{common.min_num_values} – {common.max_num_values}"))
    if proto.HasField("num_stats"):
        numbers = proto.num_stats
        zeros = numbers.num_zeros / common.tot_num_values if common.tot_num_values else 0
        rows += [
            ("mean", f"{numbers.mean:.5g}"),
            ("std", f"{numbers.std_dev:.5g}"),
            ("zeros", f"{zeros:.2%}"),
            ("min – median – max", f"{numbers.min:.6g} – {numbers.median:.6g} – {numbers.max:.6g}"),
        ]
        if any(histogram.num_nan for histogram in numbers.histograms):
            rows.append(("NaN", f"{numbers.histograms[0].num_nan:,}"))
    else:
        texts = proto.string_stats
        rows += [
            ("distinct", f"{texts.unique:,}"),
            ("length", f"{texts.avg_length:.1f} on average"),
        ]
    shares = values.on(labels) if labels else values.shares
    return Column(dataset, tuple(rows), tuple(shares.items()))


def _shared_labels(distributions: Any) -> list[str]:
    """Return the same bars for all data sets: ranges that span all, or the commonest values."""
    found = list(distributions)
    if any(one.edges is not None for one in found):
        return []
    total: dict[str, float] = {}
    for one in found:
        for label, share in one.shares.items():
            total[label] = total.get(label, 0.0) + share
    return sorted(total, key=lambda label: (-total[label], label))[:12]


def _common(proto: Any) -> Any:
    kind = "num_stats" if proto.HasField("num_stats") else "string_stats"
    return getattr(proto, kind).common_stats


def _name(feature: Any) -> str:
    return ".".join(feature.path.step) or feature.name
