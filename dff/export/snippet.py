"""The same computation as a Python script that runs.

What it names comes from strangers (ids, file names, titles): it stands in the script as a literal,
or on one line of a comment.
"""

from dff.export.view import PartsView, SearchView, listed


def search_script(view: SearchView) -> str:
    """A script that searches as the page did, and prints rank, id, score and box of each result.

    It leaves `found` and `boxes` behind. The index is opened by the name of its folder, never by
    a path of the machine that wrote the script.
    """
    query, index = view.query, view.index
    stored = not view.uploaded and query.box is None and query.parts.k == index.settings.k
    joint = "exact_joint_parts" if view.refined else "joint_parts"
    picture = "dff.read_image(PICTURE)" if view.uploaded else "index.picture(index.row(PICTURE))"
    source = "PICTURE" if view.uploaded else "index.photo_path(index.row(PICTURE))"
    box = "" if query.box is None else "box=BOX, "
    ask = (
        ["query = index.indexed_query(PICTURE, DESCRIPTOR, MATCHING)"]
        if stored
        else [
            "query = index.query(",
            f"    {source},",
            f"    {box}k=K, descriptor=DESCRIPTOR, matching=MATCHING,",
            ")",
        ]
    )
    shared = f"{joint}(index, query, {f'{picture}, ' if view.refined else ''}first)"
    lines = [
        f"# The {view.top} pictures most like {_comment(view.title)}, as the dashboard found them.",
        "import dff",
        f"from dff.shared_parts import JOINT, {joint}",
        "",
        *_sources(view),
        *([] if stored else [f"K = {query.parts.k}  # parts of the query"]),
        *([] if query.box is None else [f"BOX = {query.box}  # x0, y0, x1, y1 in pixels"]),
        f"DESCRIPTOR, MATCHING = {query.descriptor!r}, {query.matching!r}",
        f"WEIGHTS = [{listed(view.weights)}]  # of the query's parts, 0 to 2",
        f"TOP = {view.top}",
        "",
        "index = dff.Index.open(INDEX)",
        *ask,
        "found = index.search(query, top=TOP, weights=WEIGHTS)",
        "",
        "# Where they are, in the parts that the query and its first results have in common.",
        "first = [match.row for match in index.search(query, top=JOINT)]",
        f"shared = {shared}",
        "boxes = [shared.box(index, match.row, WEIGHTS) for match in found]",
        "",
        "for match, box in zip(found, boxes, strict=True):",
        '    print(match.rank, match.id, f"{match.score:.4f}", box)',
        "    # match.contributions: (parts of the query, parts of the match), summing to the score",
    ]
    return "\n".join(lines) + "\n"


def parts_script(view: PartsView) -> str:
    """A script that factorizes as the page did, and prints each part's energy and peak.

    It leaves `parts`, a `Factorization`, behind.
    """
    made, backbone = view.factorization, view.backbone
    uploaded = view.uploaded
    lines = [
        f"# {_comment(view.title)} in {made.k} parts, as the dashboard found them.",
        "import dff",
        "",
        *_sources(view),
        "",
        *(
            ["picture = dff.read_image(PICTURE)"]
            if uploaded
            else ["index = dff.Index.open(INDEX)", "picture = index.picture(index.row(PICTURE))"]
        ),
        f"backbone = dff.load_backbone({backbone.name!r}, {backbone.layer!r})",
        "parts = dff.factorize(",
        f"    picture, {made.k}, backbone=backbone, size={max(view.input_size)},",
        f"    solver={made.solver!r}, init={made.init!r}, seed={made.seed},",
        ")",
        "",
        'print(f"explained {parts.explained:.4f}, error {parts.error:.4f}")',
        "for part in range(parts.k):",
        "    peak = parts.heatmaps[part].max()",
        '    print(part + 1, f"energy {parts.energy[part]:.4f}, peak {peak:.4f}")',
        "# parts.heatmaps: (k, rows, columns), where; parts.basis: (k, channels), what",
    ]
    return "\n".join(lines) + "\n"


def _sources(view: SearchView | PartsView) -> list[str]:
    """Which index and which picture."""
    folder = f"INDEX = {view.index.folder.name!r}  # the index's folder"
    if not view.uploaded:
        return [folder, f"PICTURE = {view.source!r}  # its id in the index"]
    file = f"PICTURE = {view.source!r}  # put the picture you uploaded beside this script"
    return [file] if isinstance(view, PartsView) else [folder, file]


def _comment(text: str) -> str:
    """A stranger's text on one line of a comment."""
    return "".join(c if c.isprintable() else " " for c in text)[:120]
