"""An index: the parts of a whole collection in a folder of plain files (docs/index-format.md)."""

from dff.index.format import IndexProblem, Settings
from dff.index.search import Index, Match, Query

__all__ = ["Index", "IndexProblem", "Match", "Query", "Settings"]
