"""Where in a trained model what lies. The layout of old artifacts isn't known here."""

import os

from components.trainer import absent_module
from tfx.dsl.io import fileio
from tfx.utils import path_constants


def serving_model_dir(output_uri: str, is_old_artifact: bool = False) -> str:
    """Return the directory of the model that is served."""
    del is_old_artifact
    return os.path.join(output_uri, path_constants.SERVING_MODEL_DIR)


def serving_model_path(output_uri: str, is_old_artifact: bool = False) -> str:
    """Return the model that is served."""
    return serving_model_dir(output_uri, is_old_artifact)


def eval_model_dir(output_uri: str, is_old_artifact: bool = False) -> str:
    """Return the directory of the model that is evaluated."""
    del is_old_artifact
    return os.path.join(output_uri, path_constants.EVAL_MODEL_DIR)


def eval_model_path(output_uri: str, is_old_artifact: bool = False) -> str:
    """Return the model that is evaluated: the one that is served, if there is no other."""
    directory = eval_model_dir(output_uri, is_old_artifact)
    is_there = fileio.exists(os.path.join(directory, "saved_model.pb"))
    return directory if is_there else serving_model_path(output_uri, is_old_artifact)


def get_model_dir_by_type(output_uri: str, model_type: str, is_old_artifact: bool = False) -> str:
    """Return the directory of a model of a kind of `path_constants`."""
    is_eval = model_type == path_constants.TFMA_EVAL
    return (eval_model_dir if is_eval else serving_model_dir)(output_uri, is_old_artifact)


def stamped_model_path(output_uri: str) -> str:
    """Return the directory of a stamped model."""
    return os.path.join(output_uri, path_constants.STAMPED_MODEL_DIR)


def warmup_file_path(saved_model_path: str) -> str:
    """Return where TensorFlow Serving looks for a model's warm-up requests."""
    return os.path.join(saved_model_path, "assets.extra", "tf_serving_warmup_requests")


__getattr__ = absent_module.attributes(__name__)
