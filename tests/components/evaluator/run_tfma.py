"""Runs TensorFlow Model Analysis; a program of TFMA's own environment, not of ours.

``python run_tfma.py JOBS OUTPUT``: `JOBS` is a JSON list of objects with ``model`` (a SavedModel),
``examples`` (a pattern), ``config`` (an EvalConfig) and maybe ``baseline``. `OUTPUT` gets a list of
``{"slices": [[key, metrics]], "validation": ValidationResult}``: key is a list of pairs, metrics a
list of objects with ``name``, ``weighted``, ``sub_key`` and ``value``; and ``plots`` likewise, and
``seconds``, wall and CPU, without imports.
"""

import json
import pathlib
import sys
import tempfile
import time

import tensorflow_model_analysis as tfma
from google.protobuf import json_format
from google.protobuf.wrappers_pb2 import DoubleValue
from tensorflow_model_analysis.proto import config_pb2


def main(jobs_file, output_file):
    jobs = json.loads(pathlib.Path(jobs_file).read_text())
    pathlib.Path(output_file).write_text(json.dumps([run(job) for job in jobs]))


def run(job):
    config = json_format.ParseDict(job["config"], config_pb2.EvalConfig())
    if "baseline" in job:
        names = {tfma.CANDIDATE_KEY: job["model"], tfma.BASELINE_KEY: job["baseline"]}
        models = [
            tfma.default_eval_shared_model(path, model_name=name, eval_config=config)
            for name, path in names.items()
        ]
    else:
        models = tfma.default_eval_shared_model(job["model"], eval_config=config)
    started = time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory() as output:
        tfma.run_model_analysis(
            eval_shared_model=models,
            eval_config=config,
            data_location=job["examples"],
            output_path=output,
        )
        ended = time.perf_counter(), time.process_time()
        slices = [read_slice(message) for message in tfma.load_metrics(output)]
        plots = [read_plots(message) for message in tfma.load_plots(output)]
        validation = json_format.MessageToDict(tfma.load_validation_result(output))
    seconds = {name: ended[i] - started[i] for i, name in enumerate(("wall", "cpu"))}
    return {"slices": slices, "plots": plots, "validation": validation, "seconds": seconds}


def read_key(message):
    return [
        [single.column, getattr(single, single.WhichOneof("kind"))]
        for single in message.slice_key.single_slice_keys
    ]


def read_slice(message):
    metrics = [
        {
            "name": item.key.name,
            "model": item.key.model_name,
            "weighted": item.key.example_weighted.value,
            "sub_key": json_format.MessageToDict(item.key.sub_key),
            "aggregation": json_format.MessageToDict(item.key.aggregation_type),
            "value": read_value(item.value),
        }
        for item in message.metric_keys_and_values
    ]
    return [[[name, text(value)] for name, value in read_key(message)], metrics]


def read_plots(message):
    plots = [
        {
            "name": item.key.name,
            "weighted": item.key.example_weighted.value,
            "value": json_format.MessageToDict(item.value),
        }
        for item in message.plot_keys_and_values
    ]
    return [[[name, text(value)] for name, value in read_key(message)], plots]


def text(value):
    return value.decode() if isinstance(value, bytes) else value


def read_value(value):
    kind = value.WhichOneof("type")
    if kind is None:
        return None
    read = getattr(value, kind)
    if isinstance(read, DoubleValue):
        return read.value
    return {kind: json_format.MessageToDict(read)}


if __name__ == "__main__":
    main(*sys.argv[1:])
