"""Figures at print resolution, for papers and handouts: Matplotlib, never pyplot.

Pyplot keeps one list of figures a process, which the sessions of a dashboard would share. Text
stays text in PDF and SVG, and equal figures are equal files.
"""

from dff.figures.concepts import concepts_figure
from dff.figures.pair import contributions_figure
from dff.figures.panel import Panel
from dff.figures.parts import parts_figure
from dff.figures.results import results_figure
from dff.figures.sheet import FORMATS, save

__all__ = [
    "FORMATS",
    "Panel",
    "concepts_figure",
    "contributions_figure",
    "parts_figure",
    "results_figure",
    "save",
]
