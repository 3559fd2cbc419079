"""Where a user's own collections, names and choices are kept, outside the package."""

import os
from pathlib import Path

import platformdirs


def data_folder() -> Path:
    """DFF_DATA, or the system's folder for a program's data. It may not exist yet."""
    given = os.environ.get("DFF_DATA")
    return Path(given) if given else platformdirs.user_data_path("dff", appauthor=False)
