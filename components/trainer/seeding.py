"""Sets the seeds of random numbers, of each library as soon as it is imported."""

import random
from types import ModuleType

from components.errors import ConfigurationError
from components.trainer.import_hook import after_import

DEFAULT_SEED = 0


def check_seed(seed: int) -> int:
    """Return the seed.

    Raises:
        ConfigurationError: it isn't one.
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise ConfigurationError(f"seed is {seed!r}; expected a whole number from 0 to 2**32 - 1")
    return seed


def variables(seed: int, *, deterministic: bool) -> dict[str, str]:
    """Return what must stand in the environment before Python starts."""
    given = {"PYTHONHASHSEED": str(seed % 2**32)}
    return {**given, "TF_DETERMINISTIC_OPS": "1"} if deterministic else given


def seed_all(seed: int, *, deterministic: bool) -> None:
    """Seed Python now, and NumPy, TensorFlow and Keras when they are imported.

    Args:
        seed: a whole number from 0 up to 2**32.
        deterministic: have TensorFlow use only operations that give the same result each time;
            slower.
    """
    random.seed(seed)

    def seed_numpy(numpy: ModuleType) -> None:
        numpy.random.seed(seed)

    def seed_tensorflow(tensorflow: ModuleType) -> None:
        tensorflow.random.set_seed(seed)
        if deterministic:
            tensorflow.config.experimental.enable_op_determinism()

    def seed_keras(keras: ModuleType) -> None:
        keras.utils.set_random_seed(seed)

    after_import("numpy", seed_numpy)
    after_import("tensorflow", seed_tensorflow)
    after_import("keras", seed_keras)
