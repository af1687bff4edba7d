"""What every engine does with a batch of examples and predictions, on whatever machine."""

from collections.abc import Mapping

from components.evaluator.eval_config import EvalConfig
from components.evaluator.exact_sum import Array
from components.evaluator.example_parser import ExampleBatch
from components.evaluator.fit import Fit
from components.evaluator.slicing import Slicer
from components.evaluator.tally import Tally, Truth

Predictions = Mapping[str, Mapping[str, Array]]
"""Model → output → predictions."""


class Counter:
    """Checks batches, finds their slices, and adds them to tallies.

    Args:
        config: metrics and slices.
        titles: model → how messages call it.
    """

    def __init__(self, config: EvalConfig, titles: Mapping[str, str]) -> None:
        self._config = config
        self._titles = dict(titles)
        self._slicer = Slicer(config.slicing_specs)
        label_of = config.candidate.label_of
        self._fits = {
            output: Fit([m for m in config.metrics if m.output == output], label_of(output))
            for output in config.outputs
        }

    def new_tally(self) -> Tally:
        """Return an empty one."""
        config = self._config
        return Tally(
            config.metrics,
            list(self._titles),
            min_slice_size=config.min_slice_size,
            resampling=config.resampling,
        )

    def add(self, tally: Tally, batch: ExampleBatch, predictions: Predictions) -> None:
        """Add a batch to a tally.

        Raises:
            DataError: labels that don't fit the metrics, or too many slices.
            InvalidModelError: predictions that don't fit the metrics.
        """
        truth = self._truth(batch)
        for output, fit in self._fits.items():
            answers = {title: predictions[key][output] for key, title in self._titles.items()}
            fit.check(truth.labels[output], answers, batch.start)
        tally.add(truth, predictions, self._slicer.slice(batch.size, batch.columns))

    def _truth(self, batch: ExampleBatch) -> Truth:
        spec, outputs = self._config.candidate, self._config.outputs
        return Truth(
            {output: batch.labels[spec.label_of(output)] for output in outputs},
            {output: batch.weights.get(spec.weight_of(output)) for output in outputs},
            batch.features,
            batch.start,
        )
