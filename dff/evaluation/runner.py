"""One evaluation: a dataset, a backbone, some descriptors; tables as one JSON document."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from dff.evaluation.datasets.base import Dataset
from dff.evaluation.features import Features
from dff.evaluation.locating import Method, locate_all
from dff.evaluation.retrieval import Row, Tell, choose, describe_all, rows_of

DIGITS = 6


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The tables of one run, and what a reader must know about it."""

    dataset: Dataset
    backbone: str
    layer: str
    size: int
    k: int
    crop: bool
    rows: tuple[Row, ...]
    localization: tuple[Method, ...]
    notes: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """The tables as JSON values (DESIGN: mAP, P@1 and CorLoc in percent, IoU 0..1)."""
        main = "medium" if "medium" in self.dataset.tasks else self.dataset.tasks[0]
        rows = [
            {
                "descriptor": row.descriptor,
                "backbone": self.backbone,
                "layer": self.layer,
                "size": self.size,
                "whitening": row.whitening,
                "matching": row.matching,
                "dimensions": row.dimensions,
                "regions": round(row.regions, 2),
                "map": round(row.mean_precisions[main], DIGITS),
                "p_at_1": round(row.first, DIGITS),
                "seconds": round(row.seconds, DIGITS),
                "bytes": row.bytes,
                "default": row.default,
            }
            | ({"map_by_task": row.mean_precisions} if len(self.dataset.tasks) > 1 else {})
            for row in self.rows
        ]
        return {
            "dataset": self.dataset.name,
            "queries": len(self.dataset.queries),
            "images": len(self.dataset.images),
            "k": self.k,
            "cropped": self.crop,
            "rows": rows,
            "localization": [asdict(method) for method in self.localization],
            "notes": list(self.notes),
        }


def evaluate(
    dataset: Dataset,
    features: Features,
    descriptors: Sequence[str] = ("all",),
    *,
    k: int = 4,
    crop: bool = False,
    tell: Tell = lambda what, done, total: None,
) -> Evaluation:
    """Run descriptors and localisation methods on a dataset.

    descriptors: names, or "all". crop: queries with a box are cropped to it. tell: called with
    what is being done, how much of it is done and how much there is.

    Activations are computed once a picture and kept, so a run that was stopped goes on, and a
    repeated one gives the same numbers. Raises ValueError for an unknown descriptor, and if no
    picture could be read.
    """
    names, notes = choose(descriptors, features.backbone.class_weights is not None)
    described, unreadable = describe_all(dataset, features, names, k=k, crop=crop, tell=tell)
    if all(regions is None for regions in described[0].pictures):
        raise ValueError(f"{dataset.name}: expected pictures, none could be read: {unreadable[0]}")
    rows = [row for one in described for row in rows_of(dataset, one, tell=tell)]
    located, unlocated = locate_all(dataset, features, k=k, tell=tell)
    return Evaluation(
        dataset=dataset,
        backbone=features.backbone.name,
        layer=features.backbone.layer,
        size=features.size,
        k=k,
        crop=crop,
        rows=tuple(rows),
        localization=tuple(located),
        notes=(*dataset.notes, *notes, *unreadable, *unlocated),
    )
