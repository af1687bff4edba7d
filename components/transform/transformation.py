"""`transform`: what comes in is checked, one of two ways transforms, what comes out is recorded."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from components import artifacts, example_files
from components.data_validation.schema_inference import SCHEMA_FILE, read_schema
from components.errors import ConfigurationError
from components.records import Examples, Run, Schema, Split, TransformGraph
from components.trainer.user_module import find_module
from components.transform.request import EXAMPLES_DIRECTORY, GRAPH_DIRECTORY, Request
from components.transform.user_function import KERAS_FUNCTION, UserFunction, find_function

__all__ = ["EXAMPLES_DIRECTORY", "GRAPH_DIRECTORY", "transform"]


def transform(
    *,
    examples: Examples,
    schema: Schema | str | Path,
    module_file: str,
    output_dir: str | Path,
    analyze_splits: Sequence[str] = ("train",),
    transform_splits: Sequence[str] = (),
    custom_config: Mapping[str, Any] | None = None,
    beam_pipeline_args: Sequence[str] = (),
    analyzer_cache: str | Path | None = None,
    earlier_examples: Sequence[Examples] = (),
    run: Run | None = None,
) -> TransformGraph:
    """Analyze examples by a user's function and write the graph that transforms them.

    Args:
        examples: the raw examples.
        schema: what they are: a record, or a ``schema.pbtxt``. Features that aren't in it aren't
            read.
        module_file: with either ``preprocessing_fn(inputs)``, which tf.Transform runs on Beam, or
            ``preprocessing_layers(inputs)``, which gets a `keras.Input` for each feature and
            returns what Keras' layers make of them; these are adapted in one pass, without Beam.
            Either may take ``custom_config`` as well.
        output_dir: gets ``transform_graph/``, ``record.json``, and, where splits are to be
            transformed, ``transformed_examples/`` with a record of its own.
        analyze_splits: from which vocabularies, means and the like are computed: never from what
            a model is judged on.
        transform_splits: splits to write transformed; default: none, the graph is applied while
            training.
        custom_config: handed to the function.
        beam_pipeline_args: Beam's options, for instance ``--runner=FlinkRunner``; default: its
            direct runner in this process. Only for ``preprocessing_fn``, as are the next two.
        analyzer_cache: a directory where analyzers keep what they found in each window, so that
            it is looked at once; made if it isn't there.
        earlier_examples: of other windows, analyzed together with these. Their files are read
            only where the cache hasn't got them.
        run: which task instance asks.

    Returns:
        The record; its ``uri`` is the directory that `tft.TFTransformOutput` takes.

    Raises:
        ConfigurationError: no such split, no module, no function or both, no schema.
        DataError: the examples aren't those of the record, or don't fit the schema.
        UserCodeError: the user's function raised.
        TransformError: Beam failed, or an example doesn't fit.
    """
    path = find_module(module_file)
    expected = read_schema(Path(schema.uri) if isinstance(schema, Schema) else Path(schema))
    if not analyze_splits:
        raise ConfigurationError("analyze_splits is empty; name the split that is trained on")
    _check_splits(examples, (*analyze_splits, *transform_splits))
    for earlier in earlier_examples:
        _check_splits(earlier, analyze_splits)
    example_files.check_unchanged(examples)
    for name in ("absl", "apache_beam", "tensorflow"):
        logging.getLogger(name).setLevel(logging.WARNING)
    function = find_function(module_file, path, custom_config)
    with artifacts.new_directory(output_dir) as staging:
        request = Request(
            examples, expected, path, analyze_splits, transform_splits, staging, custom_config
        )
        _run(function, request, beam_pipeline_args, analyzer_cache, earlier_examples)
        final = Path(output_dir).absolute()
        if transform_splits:
            _record_examples(request, final)
        record = TransformGraph(
            uri=str(final / GRAPH_DIRECTORY),
            digest=artifacts.digest(request.graph),
            examples_digest=examples.digest,
        )
        artifacts.write_record(record, staging)
    return record


def _run(
    function: UserFunction,
    request: Request,
    beam_pipeline_args: Sequence[str],
    analyzer_cache: str | Path | None,
    earlier_examples: Sequence[Examples],
) -> None:
    if function.name == KERAS_FUNCTION:
        given = {
            "beam_pipeline_args": beam_pipeline_args,
            "analyzer_cache": analyzer_cache,
            "earlier_examples": earlier_examples,
        }
        useless = [name for name, value in given.items() if value]
        if useless:
            raise ConfigurationError(
                f"{str(request.module_path)!r} has {KERAS_FUNCTION}, which runs without Beam, but "
                f"{', '.join(useless)} was given; leave it out, or write a preprocessing_fn"
            )
        from components.transform.keras_transform import transform_by_keras

        transform_by_keras(function, request)
        return
    from components.transform.analyzer_cache import AnalyzerCache
    from components.transform.beam_transform import transform_by_beam

    directory = None if analyzer_cache is None else Path(analyzer_cache).absolute()
    cache = AnalyzerCache(directory, earlier_examples)
    transform_by_beam(function, request, cache, beam_pipeline_args)


def _check_splits(examples: Examples, names: Iterable[str]) -> None:
    for name in names:
        if name not in examples.splits:
            raise ConfigurationError(
                f"the examples in {examples.uri!r} have no split {name!r}; they have "
                f"{', '.join(sorted(examples.splits)) or 'none'}"
            )


def _record_examples(request: Request, final: Path) -> None:
    directory, examples = request.staging / EXAMPLES_DIRECTORY, request.examples
    record = Examples(
        uri=str(final / EXAMPLES_DIRECTORY),
        splits={
            name: Split(f"Split-{name}/*.gz", examples.splits[name].num_examples)
            for name in request.transform_splits
        },
        digest=artifacts.digest(directory),
        window=examples.window,
        schema_uri=str(final / GRAPH_DIRECTORY / "transformed_metadata" / SCHEMA_FILE),
    )
    artifacts.write_record(record, directory)
