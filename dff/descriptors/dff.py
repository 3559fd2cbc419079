"""DFF: the basis vectors of a picture's factorization (Collins & Süsstrunk, ICIP 2019).

Each region is a part, its vector the part's basis row, its weight the part's share of energy.
The paper's public page does not say how the vectors are weighted; uniform weights give a noise
part as much say as the object, and lost 6 mAP and more on landmarks and 1.5 to 3 on logos and
PASCAL; by category they won by 1 (docs/evaluation.md).
"""

from dff.descriptors.base import Regions, View

TITLE = "DFF"
SAYS = "The parts of the picture, each as the pattern that its factorization found."
PAPER = "Collins & Süsstrunk, ICIP 2019"
REGION = "part"


def regions(view: View) -> Regions:
    """k regions: vectors (k, channels), weights (k,) that sum to 1, the parts' heatmaps."""
    parts = view.parts
    return Regions(parts.basis, parts.energy, parts.heatmaps)
