"""What is in a collection: counts, settings, what could not be read, who made the photos."""

from collections import Counter
from collections.abc import Sequence
from html import escape

import streamlit as st

from dff.app import markup
from dff.app.collections import Collection
from dff.app.engine import Engine
from dff.app.errors import say
from dff.app.factors_data import plain
from dff.app.limits import limits
from dff.app.photos_words import counted, megabytes
from dff.descriptors import about as about_descriptor
from dff.images import safe_name
from dff.index import Index
from dff.index.check import verify
from dff.index.format import MANIFEST, file_record

ATTRIBUTION = "ATTRIBUTION.md"
_STYLE = """<style>
.dff-about { border-collapse: collapse; max-width: 900px; font-size: 14px; }
.dff-about th, .dff-about td { padding: 8px 16px 8px 0; border: 0; text-align: left;
  vertical-align: top; border-top: 1px solid color-mix(in srgb, currentColor 14%, transparent); }
.dff-about th { font-weight: 400; white-space: nowrap;
  color: color-mix(in srgb, currentColor 66%, transparent); }
.dff-about td { overflow-wrap: anywhere; }
@media (max-width: 640px) { .dff-about th { white-space: normal; min-width: 7em; } }
</style>"""
MOST_TEXT = 2_000_000  # bytes of an ATTRIBUTION.md that is offered


def about(collection: Collection, engine: Engine) -> None:
    """Counts, settings, files, and the check of every byte."""
    index = engine.index
    _counts(index)
    st.markdown("#### How it was made")
    st.html(_table(_settings(index)))
    st.markdown("#### Its files")
    st.html(_table(_files(collection, index)))
    if st.button("Check every file", icon=":material/verified:", key="verify"):
        with st.spinner("Reading all of it: a second for each 500 MB or so."):
            _verified(verify(collection.folder))
    _unreadable(index)


def _counts(index: Index) -> None:
    missing = sum(index.photo_path(row) is None for row in range(len(index)))
    categories = Counter(picture.category for picture in index.pictures if picture.category)
    facts = [counted(len(index), "picture")]
    if categories:
        facts.append(counted(len(categories), "category", "categories"))
    facts.append(f"{counted(len(index.manifest['unreadable']), 'file')} left out")
    facts.append(f"{counted(missing, 'photo')} missing")
    st.html(markup.facts_line(facts))
    if missing:
        st.info(
            f"{missing} of {len(index)} photos are not where the collection expects them. Small "
            "pictures are shown instead. What needs the photos themselves, such as a region or "
            "another number of parts, has to wait until they are back.",
            icon=":material/info:",
        )
    if len(categories) > 1:
        common = categories.most_common(12)
        names = [f"{name.replace('_', ' ')} {count}" for name, count in common]
        more = f", and {len(categories) - len(common)} more" if len(categories) > 12 else ""
        st.caption(plain(f"Categories: {', '.join(names)}{more}.", 800))


def _settings(index: Index) -> list[tuple[str, str]]:
    own = index.settings
    whitening = index.whitening()
    fitted = whitening.provenance.get("pictures")
    found_by = ", ".join(about_descriptor(name).title for name in own.descriptors)
    return [
        ("Parts of each picture", f"{own.k}, and {own.detail_k} finer ones to find others' parts"),
        ("Network", f"{own.backbone}, {own.layer}"),
        ("Its weights", own.weights),
        ("Longest side it saw", f"{own.size} pixels"),
        ("Descriptors", found_by),
        (
            "Whitening",
            "none: too few pictures to learn one from"
            if whitening.projection is None
            else f"{whitening.dimensions} dimensions, learnt from {fitted} pictures",
        ),
    ]


def _files(collection: Collection, index: Index) -> list[tuple[str, str]]:
    files = index.manifest.get("files", {})
    size = sum(int(record["bytes"]) for record in files.values())
    rows = [
        ("Size on disk", f"{megabytes(size)} in {len(files)} files"),
        ("SHA-256 of index.json", file_record(collection.folder / MANIFEST)["sha256"]),
    ]
    if limits().changes:
        rows.append(("Index", str(collection.folder.resolve())))
        for begin, place in index.places.items():
            url = None if begin else index.photos_url
            rows.append(("Photos", url or str(place.resolve())))
    return rows


def _table(rows: Sequence[tuple[str, str]]) -> str:
    """Facts, one a line. Streamlit's own table would first load pandas."""
    lines = "".join(
        f"<tr><th scope='row'>{escape(name)}</th><td>{escape(text)}</td></tr>"
        for name, text in rows
    )
    return f"{_STYLE}<table class='dff-about'>{lines}</table>"


def _verified(problems: list[str]) -> None:
    if not problems:
        st.success("Every file is as it was written.", icon=":material/verified:")
        return
    for problem in problems[:10]:
        say(problem)
    if len(problems) > 10:
        st.error(f"And {len(problems) - 10} more.", icon=":material/error:")


def _unreadable(index: Index) -> None:
    found = index.manifest["unreadable"]
    if not found:
        return
    st.markdown("#### Files that were left out")
    st.dataframe(
        {
            "File": [safe_name(str(path)) for path, _ in found],
            "Why": [str(reason) for _, reason in found],
        },
        hide_index=True,
        key="unreadable",
    )


def credits_list(collection: Collection, engine: Engine) -> None:
    """Who made each photo, and its licence."""
    index = engine.index
    pictures = index.pictures
    known = [picture for picture in pictures if picture.credit]
    if not known:
        st.info(
            "Nothing is known about who made these photos. A file photos.csv beside them, with "
            "the columns file, author and licence, is read when the collection is made.",
            icon=":material/info:",
        )
    else:
        licences = Counter(picture.credit.rpartition(", ")[2] for picture in known)
        said = ", ".join(f"{name} {count}" for name, count in licences.most_common(12))
        rest = len(pictures) - len(known)
        unknown = f" Of {rest} nothing is known." if rest else ""
        st.write(f"Licences: {plain(said, 800)}.{unknown}")
        st.dataframe(
            {
                "Picture": [picture.title for picture in pictures],
                "Author, licence": [picture.credit for picture in pictures],
                "File": [safe_name(picture.path) for picture in pictures],
            },
            hide_index=True,
            key="credits",
            alt=f"Author and licence of {len(known)} of {len(pictures)} photos.",
        )
    _attribution(index)


def _attribution(index: Index) -> None:
    """The photos' own list of authors and sources, if it lies beside them."""
    path = index.photos_root / ATTRIBUTION
    try:
        if not path.is_file() or path.stat().st_size > MOST_TEXT:
            return
        text = path.read_bytes()
    except OSError:
        return
    st.download_button(
        "Download ATTRIBUTION.md",
        text,
        ATTRIBUTION,
        "text/markdown",
        icon=":material/download:",
        help="Author, licence, source and changes of each photo.",
    )
