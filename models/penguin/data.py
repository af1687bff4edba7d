"""Makes the training data of penguins, measured at Palmer Station, Antarctica, 2007 to 2009.

They come from the package palmerpenguins (CC0; Horst, Hill and Gorman, 2020).
"""

import argparse
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from components.errors import EXIT_DONE, ConfigurationError

SPECIES = ("Adelie", "Chinstrap", "Gentoo")
FEATURES = ("bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g")


def find_penguins() -> Path:
    """Return the path of palmerpenguins' ``penguins.csv``, without importing the package.

    Raises:
        ConfigurationError: the package isn't installed.
    """
    spec = importlib.util.find_spec("palmerpenguins")
    if spec is None or spec.origin is None:
        raise ConfigurationError(
            "the package palmerpenguins, which holds the penguins, isn't installed; "
            "run: pip install palmerpenguins"
        )
    return Path(spec.origin).with_name("data") / "penguins.csv"


def read_penguins(path: Path) -> pa.Table:
    """Return the penguins that were measured: four numbers each, and the index in `SPECIES`."""
    penguins = pyarrow.csv.read_csv(path).select([*FEATURES, "species"]).drop_null()
    numbers = [pc.cast(penguins[name], pa.float32()) for name in FEATURES]
    species = pc.cast(pc.index_in(penguins["species"], pa.array(SPECIES)), pa.int64())
    return pa.table([*numbers, species], [*FEATURES, "species"])


def main(argv: Sequence[str] | None = None) -> int:
    """Write the penguins to the file given as ``--output``."""
    parser = argparse.ArgumentParser(prog="python -m models.penguin.data", description=__doc__)
    parser.add_argument("--output", type=Path, required=True, metavar="FILE.parquet")
    output = parser.parse_args(argv).output
    try:
        table = read_penguins(find_penguins())
        output.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, output)
    except (ConfigurationError, OSError) as error:
        sys.stderr.write(f"ERROR {parser.prog}: {error}\n")
        return getattr(error, "exit_code", 1)
    sys.stdout.write(f"wrote {table.num_rows:,} penguins to {output}\n")
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(main())
