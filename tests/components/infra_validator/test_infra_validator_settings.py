"""TFX's specifications: what is read, what is refused by name."""

import pytest

from components.errors import ConfigurationError
from components.infra_validator.settings import read_settings

LOCAL = {"local_process": {}}


def test_defaults_are_tfx_like():
    settings = read_settings(LOCAL)
    assert settings.max_loading_time_seconds == 300
    assert settings.num_examples == 100
    assert settings.signature_names == ("serving_default",)


def test_keys_may_be_written_in_camel_case():
    settings = read_settings(
        {"localProcess": {}, "modelName": "m"},
        {"maxLoadingTimeSeconds": 7, "numTries": 2},
        {"numExamples": 3, "splitName": "s", "tensorflowServing": {"signatureNames": ["a", "b"]}},
    )
    assert settings.model_name == "m"
    assert (settings.max_loading_time_seconds, settings.num_tries) == (7, 2)
    assert (settings.num_examples, settings.split_name) == (3, "s")
    assert settings.signature_names == ("a", "b")


@pytest.mark.parametrize(
    ("specs", "text"),
    [
        (({},), "serving_spec names no platform"),
        (({"tensorflow_serving": {}, "local_docker": {}},), r"local_docker: .*aren't offered yet"),
        (({"local_proces": {}},), r"serving_spec\.local_proces isn't known; expected only"),
        (({"local_process": {"port": 1}},), r"local_process\.port isn't known; it takes no"),
        (({"local_process": None},), r"local_process is None; expected a JSON object"),
        (({**LOCAL, "model_name": "a/b"},), r"model_name is 'a/b'; expected letters"),
        ((LOCAL, {"num_tries": 0}), r"num_tries is 0; expected a whole number from 1 up"),
        ((LOCAL, {"max_loading_time_seconds": "5"}), r"max_loading_time_seconds is '5'"),
        ((LOCAL, {"timeout": 5}), r"validation_spec\.timeout isn't known"),
        ((LOCAL, {}, {"num_examples": True}), r"num_examples is True"),
        ((LOCAL, {}, {"split_name": ""}), r"split_name is ''; expected text"),
        ((LOCAL, {}, {"make_warmup": True}), r"make_warmup: warm-up requests aren't offered yet"),
        ((LOCAL, {}, {"tensorflow_serving": {"signature_names": "a"}}), "expected a list"),
        ((LOCAL, {}, {"tensorflow_serving": {"signature": []}}), r"signature isn't known"),
    ],
)
def test_refuses_by_name(specs, text):
    with pytest.raises(ConfigurationError, match=text):
        read_settings(*specs)
