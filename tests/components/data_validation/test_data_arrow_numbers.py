"""Numbers of Arrow's arrays as NumPy's, and the other way."""

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest

from components.data_validation.arrow_numbers import to_arrow, to_numpy


@pytest.mark.parametrize(
    "kind", [pa.int32(), pa.int64(), pa.uint32(), pa.uint64(), pa.float32(), pa.float64()], ids=str
)
def test_is_what_pyarrow_makes_of_it(kind):
    array = pa.array([1, 2, 250, 4], kind)
    for part in (array, array[1:], array[1:3], array[:0]):
        found = to_numpy(part)
        assert found.dtype == part.to_numpy().dtype
        np.testing.assert_array_equal(found, part.to_numpy())


def test_nulls_have_no_number():
    with pytest.raises(ValueError, match="1 of 2 values are null"):
        to_numpy(pa.array([1, None]))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_other_way_is_what_pyarrow_makes_of_it(dtype):
    numbers = np.arange(6, dtype=dtype)
    for part in (numbers, numbers[::2], numbers[:0]):
        assert to_arrow(part).equals(pa.array(part))


def test_pandas_is_not_imported():
    code = (
        "import sys, numpy as np; "
        "from components.data_validation.arrow_numbers import to_arrow, to_numpy; "
        "to_numpy(to_arrow(np.ones(3))); sys.exit('pandas' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
