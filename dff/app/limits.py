"""What a visitor may do: everything on their own machine, less where strangers come (DFF_PUBLIC).

On a public server nobody may see or name its folders, or change a collection, and one visitor
must not keep it from the others.
"""

import os
from dataclasses import dataclass

from streamlit import config


@dataclass(frozen=True)
class Limits:
    """changes: whether collections may be made and changed, and so whether folders of the machine
    may be seen and typed. networks: whether any network may be typed on Factors, whose weights
    would be fetched. parts, results: the most that can be asked for. megabytes, megapixels: of an
    uploaded picture.
    """

    changes: bool
    networks: bool
    parts: int
    results: int
    megabytes: int
    megapixels: int


OWN_MACHINE = Limits(True, True, parts=10, results=48, megabytes=20, megapixels=64)
PUBLIC = Limits(False, False, parts=8, results=24, megabytes=8, megapixels=16)


def limits() -> Limits:
    """The limits of this server: those for strangers if DFF_PUBLIC is set, and not to 0."""
    return OWN_MACHINE if os.environ.get("DFF_PUBLIC", "0") in ("", "0") else PUBLIC


def cap_uploads() -> None:
    """Have Streamlit refuse what is too large for strangers when it comes in, whoever sends it.

    Its widgets only ask the browser to; the server's own limit, of a ZIP of photos, is far higher.
    """
    most = limits().megabytes
    if not limits().changes and config.get_option("server.maxUploadSize") > most:
        config.set_option("server.maxUploadSize", most)
