"""Turns a flight's features into what the network takes, the same when trained and when served.

Keras' layers rather than tf.Transform: a vocabulary and a mean need no Beam, which would take
longer to start than one pass over a month of flights takes.
"""

import math
from typing import Any

import keras
from keras import ops

LABEL = "is_late"
NUM_ROUTES = 2048
NUM_SCHEDULED_FLIGHTS = 16384
MINUTES_A_DAY = 24 * 60


def preprocessing_layers(inputs: dict[str, Any]) -> dict[str, Any]:
    """Return what the network takes.

    Args:
        inputs: the features of ``schema.pbtxt``, each `(batch, 1)`.

    Returns:
        ``numbers``, `(batch, 6)`, float32; indices by name, each `(batch, 1)`, int64; the label.
        Index 0 is for what wasn't there when it was trained. Routes and scheduled flights, of
        which there are thousands, are hashed rather than looked up.
    """
    hour, weekday = inputs["hour"], inputs["weekday"]
    carrier, origin, dest = inputs["carrier"], inputs["origin"], inputs["dest"]
    return {
        "numbers": _numbers(inputs),
        "hour": _index_below(24)(hour),
        "weekday": _index_below(7)(weekday),
        "hour_of_week": _index_below(7 * 24)(weekday * 24 + hour),
        "carrier": keras.layers.StringLookup(name="carriers")(carrier),
        "origin": keras.layers.StringLookup(name="origins")(origin),
        "dest": keras.layers.StringLookup(name="destinations")(dest),
        "route": keras.layers.HashedCrossing(NUM_ROUTES)((origin, dest)),
        "scheduled_flight": keras.layers.HashedCrossing(NUM_SCHEDULED_FLIGHTS)(
            (carrier, inputs["flight"])
        ),
        LABEL: inputs[LABEL],
    }


def _index_below(end: int) -> keras.Layer:
    return keras.layers.IntegerLookup(vocabulary=list(range(end)))


def _numbers(inputs: dict[str, Any]) -> Any:
    """Return the times of day as points on a circle, and the distance around its mean."""
    hhmm = inputs["sched_arr_time"]
    departure = _turn(inputs["hour"] * 60 + inputs["minute"])
    arrival = _turn(hhmm // 100 * 60 + hhmm % 100)
    miles = ops.cast(inputs["distance"], "float32")
    normalize = keras.layers.Normalization(axis=None, name="distance_around_mean")
    logarithm = ops.log1p(ops.maximum(miles, 0.0))
    return ops.concatenate(
        [
            departure / math.pi - 1.0,
            *(ops.sin(departure), ops.cos(departure), ops.sin(arrival), ops.cos(arrival)),
            normalize(logarithm),
        ],
        axis=1,
    )


def _turn(minutes: Any) -> Any:
    return ops.cast(minutes, "float32") * (2.0 * math.pi / MINUTES_A_DAY)
