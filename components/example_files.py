"""The files of an `Examples` record, as every component that reads them must find them."""

from components import artifacts
from components.errors import DataError
from components.records import Examples


def check_unchanged(examples: Examples) -> None:
    """Check that a directory of examples holds the bytes that its record names.

    Raises:
        DataError: it doesn't.
    """
    found = artifacts.digest(examples.uri, exclude={artifacts.RECORD_FILE})
    if found != examples.digest:
        raise DataError(
            f"the examples in {examples.uri!r} have the digest {found}, but their record says "
            f"{examples.digest}: they were changed; generate them again"
        )
