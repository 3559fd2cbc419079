"""An index: the parts of a whole collection in a folder of plain files (docs/index-format.md)."""

from dff.index.format import IndexProblem, Settings
from dff.index.query import Match, Query
from dff.index.search import Index

__all__ = ["Index", "IndexProblem", "Match", "Query", "Settings"]
