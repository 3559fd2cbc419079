"""Threshold curves as a part of the report: inline SVG that follows the page's light or dark."""

import html
from collections.abc import Callable, Sequence

from dff.evaluation.curves import Curve
from dff.localization import JOINT_THRESHOLD, THRESHOLD

WIDTH, HEIGHT = 330, 230  # of a chart with its labels, in pixels
LEFT, RIGHT, TOP, BOTTOM = 44, 10, 30, 38  # margins
# petroff10 without its greys and brown, two lightened to be seen on dark, too; dashes say the same.
COLOURS = ("#e76300", "#94a4a2", "#b9ac70", "#9d5bcb", "#d6412b", "#3f90da")
DASHES = ("8 3", "2 3", "6 2 2 2", "12 4", "4 2", "none")

Values = Callable[[Curve], Sequence[float] | None]
_MEASURES: tuple[tuple[str, float, Values], ...] = (
    ("mask IoU", 1, lambda curve: curve.mask_iou),
    ("box IoU", 1, lambda curve: curve.box_iou),
    ("CorLoc, percent", 100, lambda curve: curve.corloc),
)


def threshold_section(curves: Sequence[Curve]) -> str:
    """HTML: a chart a measure, the largest piece alone, and a table with all pieces too.

    "" without curves. Measures that no curve has are left out.
    """
    if not curves:
        return ""
    drawn = [curve for curve in curves if curve.pieces == "largest"]
    charts = [
        _chart(name, top, [(curve, values(curve) or ()) for curve in drawn])
        for name, top, values in _MEASURES
        if any(values(curve) for curve in drawn)
    ]
    keys = "".join(
        f'<li style="display:flex;align-items:center;gap:.5rem">{_key(place, len(drawn))}'
        f"{html.escape(curve.method)}</li>"
        for place, curve in enumerate(drawn)
    )
    told = (
        "A region is where a heatmap is over this share of its own maximum: its largest "
        "connected piece. In use: "
        f"{JOINT_THRESHOLD:g} for joint DFF, {THRESHOLD:g} for the others."
    )
    flow = "display:flex;flex-wrap:wrap;gap:.5rem 1.25rem;padding:0;margin:0"
    return (
        f'<h3>Over the threshold</h3><p>{told}</p><div style="{flow}">{"".join(charts)}</div>'
        f'<ul style="{flow};list-style:none">{keys}</ul>'
        f"<details><summary>Largest piece or all pieces, in numbers</summary>{_numbers(curves)}"
        "</details>"
    )


def _chart(name: str, top: float, lines: Sequence[tuple[Curve, Sequence[float]]]) -> str:
    low, high = lines[0][0].thresholds[0], lines[0][0].thresholds[-1]
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM

    def x(threshold: float) -> float:
        return LEFT + (threshold - low) / (high - low) * (right - LEFT)

    def y(value: float) -> float:
        return bottom - value / top * (bottom - TOP)

    parts = [f'<text x="{LEFT}" y="16" font-weight="700">{html.escape(name)}</text>']
    for fifth in range(6):
        value = top * fifth / 5
        at = f"{y(value):.1f}"
        parts.append(f'<path d="M{LEFT} {at}H{right}" stroke="currentColor" opacity=".2"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{at}" dy=".35em" text-anchor="end">{value:g}</text>')
    for threshold in lines[0][0].thresholds[::2]:
        parts.append(
            f'<text x="{x(threshold):.1f}" y="{bottom + 16}" text-anchor="middle">'
            f"{threshold:g}</text>"
        )
    middle = (LEFT + right) / 2
    parts.append(f'<text x="{middle}" y="{HEIGHT - 5}" text-anchor="middle">threshold</text>')
    best = []
    for place, (curve, values) in enumerate(lines):
        if values:
            points = zip(curve.thresholds, values, strict=True)
            path = "L".join(f"{x(t):.1f} {y(v):.1f}" for t, v in points)
            parts.append(f'<path d="M{path}" {_stroke(place, len(lines))}/>')
            value = max(values)
            best.append(f"{curve.method} {value:.3g} at {curve.thresholds[values.index(value)]:g}")
    told = html.escape(f"{name} over the threshold; the best: {', '.join(best)}", quote=True)
    return (
        f'<svg role="img" aria-label="{told}" viewBox="0 0 {WIDTH} {HEIGHT}" font-size="12" '
        f'fill="currentColor" style="width:{WIDTH}px;max-width:100%;height:auto;border:0">'
        f"{''.join(parts)}</svg>"
    )


def _stroke(place: int, count: int) -> str:
    """The last line, of the method in use, always looks the same."""
    slot = (place - count) % len(COLOURS)
    return (
        f'fill="none" stroke="{COLOURS[slot]}" stroke-width="{3 if place == count - 1 else 2}" '
        f'stroke-dasharray="{DASHES[slot]}"'
    )


def _key(place: int, count: int) -> str:
    return (
        '<svg aria-hidden="true" viewBox="0 0 36 8" '
        'style="width:36px;height:8px;border:0;flex:none">'
        f'<path d="M0 4H36" {_stroke(place, count)}/></svg>'
    )


def _numbers(curves: Sequence[Curve]) -> str:
    """mask IoU / box IoU / CorLoc, a row a curve."""
    head = "".join(f'<th scope="col">{threshold:g}</th>' for threshold in curves[0].thresholds)
    rows = []
    for curve in curves:
        count = len(curve.thresholds)
        masks = [f"{mask:.2f} / " for mask in curve.mask_iou] if curve.mask_iou else [""] * count
        cells = "".join(
            f"<td>{mask}{box:.2f} / {found:.0f}</td>"
            for mask, box, found in zip(masks, curve.box_iou, curve.corloc, strict=True)
        )
        name = html.escape(f"{curve.method}, {curve.pieces}")
        rows.append(f'<tr><th scope="row">{name}</th>{cells}</tr>')
    kind = "mask IoU / box IoU / CorLoc" if curves[0].mask_iou else "box IoU / CorLoc"
    return (
        f'<p>{kind}</p><div class="wide"><table><tr><th scope="col">method, pieces</th>{head}</tr>'
        f"{''.join(rows)}</table></div>"
    )
