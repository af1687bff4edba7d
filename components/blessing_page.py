"""A blessing as a page: for those who left no report of their own, as the infra validator's."""

from pathlib import Path
from typing import Any

from components.records import Blessing

_TEMPLATE = "blessing_page.html.jinja"
_MAX_LOG_BYTES = 1 << 16


def blessing_page(blessing: Blessing, directory: Path) -> str:
    """Return the page, as HTML that needs nothing else: verdict, findings, the servers' logs.

    Args:
        blessing: what was left in `directory`.
        directory: the artifact; the ends of its ``*.log`` are shown. A run wrote there, so a link
            that leads elsewhere isn't followed, and only files are opened.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    ordered = sorted(blessing.findings, key=lambda finding: finding.passed)
    values: dict[str, Any] = {
        "blessing": blessing,
        "findings": ordered,
        "logs": [
            (path.name, _end(path)) for path in sorted(directory.glob("*.log")) if _is_own(path)
        ],
    }
    return environment.get_template(_TEMPLATE).render(values)


def _is_own(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _end(path: Path) -> str:
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _MAX_LOG_BYTES))
        return file.read().decode("utf-8", errors="replace")
