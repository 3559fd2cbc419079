"""Write docs/great_wall.html: a story as slides that need no installation.

    python scripts/story_page.py

Run it again when the sample index or the slides change; a test compares.
"""

import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # runnable from a checkout that is not installed

from dff.app.colours import chain_colours  # noqa: E402
from dff.app.components.talk import page  # noqa: E402
from dff.app.talk import talk  # noqa: E402
from dff.images import read_image  # noqa: E402
from dff.index import Index  # noqa: E402
from dff.shared_parts import JOINT, joint_parts  # noqa: E402
from dff.threads import prepare  # noqa: E402

OUT = ROOT / "docs" / "great_wall.html"
PICTURE = "great_wall_of_china_1"


def story_page() -> str:
    """The document."""
    index = Index.open(ROOT / "sample_index")
    query = index.indexed_query(PICTURE)
    rows = index.row_scores(query) @ np.ones(query.parts.k, np.float32)
    first = [int(row) for row in np.argsort(-rows, kind="stable") if row not in query.same]
    picture = index.pictures[index.row_of[PICTURE]]
    k = query.parts.k
    slides = talk(
        index,
        query,
        read_image(ROOT / "assets" / "photos" / picture.path),
        picture.title,
        joint_parts(index, query, first[:JOINT]),
        chain_colours({k: query.parts.basis}, k, k),
        {},
    )
    return page(f"{picture.title}: how a network finds its like", slides)


if __name__ == "__main__":
    prepare()
    OUT.write_text(story_page(), encoding="utf-8")
    print(f"{OUT}: {OUT.stat().st_size / 1e6:.1f} MB")
