"""Bytes or a path in, an upright RGB picture out, safely.

A picture is a uint8 array (height, width, 3) in the orientation its viewer sees. Files come from
strangers: the size is checked in the header before a pixel is decoded, only listed formats are
tried, and whatever Pillow raises comes out as one `ImageError` with the file's name in it.
"""

import hashlib
import io
import os
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Any

import numpy as np
from PIL import Image

from dff.geometry import check_box

MIN_SIDE = 32
MAX_PIXELS = 64_000_000
# Listed, because Pillow would otherwise also hand files to interpreters such as Ghostscript.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
EXTENSIONS = (".jpg", ".jpeg", ".jfif", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")


# What people try most often, recognised only to say so. (offset, magic bytes, name)
_FOREIGN = (
    (4, b"ftyphei", "HEIC"),
    (4, b"ftyphev", "HEIC"),
    (4, b"ftypmif1", "HEIC"),
    (4, b"ftypavi", "AVIF"),
    (4, b"jP  ", "JPEG 2000"),
    (4, b"JXL ", "JPEG XL"),
    (0, b"\xff\x0a", "JPEG XL"),
    (0, b"8BPS", "Photoshop"),
    (0, b"%PDF", "PDF"),
    (0, b"%!PS", "PostScript"),
    (0, b"<svg", "SVG"),
)

_TURNS: dict[int, Callable[[np.ndarray], np.ndarray]] = {  # EXIF orientation -> upright view
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a, 1),
}
_TAG = 0x0112  # of the orientation

BAND = 1 << 20  # pixels that are converted at a time

# `warnings.catch_warnings` swaps a global list, so two threads inside it can restore each other's.
_warnings_lock = threading.Lock()


class ImageError(ValueError):
    """A file that cannot be used as a picture. The message names the file, what was expected,
    what was found, and fits one line."""


def safe_name(name: str) -> str:
    """A file name fit for a message: unprintable characters replaced, at most 80 characters."""
    shown = "".join(c if c.isprintable() else "\ufffd" for c in name)
    return shown if len(shown) <= 80 else f"{shown[:48]}…{shown[-31:]}"


def read_image(
    source: str | os.PathLike[str] | bytes,
    name: str | None = None,
    *,
    most_pixels: int = MAX_PIXELS,
) -> np.ndarray:
    """Read a picture: (height, width, 3) uint8, contiguous, EXIF-upright.

    Transparency is composited on white, 16-bit grey is divided by 257, 32-bit and float grey is
    stretched from its own range to 0..255, of several frames or pages the first is read.

    Args:
        source: a path, or the bytes of a file.
        name: the name used in messages; the path's own by default.
        most_pixels: at most `MAX_PIXELS`, which holds whatever is given.

    Raises:
        ImageError: not one of `FORMATS`, damaged, truncated, empty, missing, not readable, a side
            under `MIN_SIDE` pixels, or more than `most_pixels` pixels.
    """
    if isinstance(source, bytes):
        return _decode(io.BytesIO(source), safe_name(name or "picture"), most_pixels)
    path = os.fsdecode(source)
    label = safe_name(name or os.path.basename(path) or path)
    if os.path.isdir(path):
        raise ImageError(f"'{label}' is a folder, expected a picture file.")
    if not os.path.exists(path):
        raise ImageError(f"'{label}' does not exist, expected a picture file: check the path.")
    if not os.path.isfile(path):  # a pipe would block for ever
        raise ImageError(f"'{label}' is not a regular file, expected a picture file.")
    try:
        file = open(path, "rb")  # noqa: SIM115 (errors of decoding are not errors of opening)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ImageError(f"'{label}' cannot be opened ({reason}): check permissions.") from error
    with file:
        return _decode(file, label, most_pixels)


def file_sha256(data: bytes) -> str:
    """The hexadecimal SHA-256 of a file's bytes: the identity of a picture file."""
    return hashlib.sha256(data).hexdigest()


def pixels_sha256(picture: np.ndarray) -> str:
    """The hexadecimal SHA-256 of a picture's pixels and shape: the identity of an array."""
    check_picture(picture, minimum=1)
    digest = hashlib.sha256(f"{picture.shape}".encode())
    digest.update(np.ascontiguousarray(picture).data)
    return digest.hexdigest()


def check_picture(picture: Any, minimum: int = MIN_SIDE) -> None:
    """Raise ValueError unless `picture` is uint8 (height, width, 3), each side >= `minimum`.

    Crops may be smaller than files: pass minimum=1 for them.
    """
    if not isinstance(picture, np.ndarray):
        raise ValueError(
            f"picture: expected a NumPy array, got {type(picture).__name__}; "
            "read files with read_image"
        )
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
        raise ValueError(
            "picture: expected a uint8 array (height, width, 3), "
            f"got {picture.dtype} {picture.shape}"
        )
    if min(picture.shape[:2]) < minimum:
        height, width = picture.shape[:2]
        raise ValueError(
            f"picture: expected at least {minimum} pixels on each side, got {width} x {height}"
        )


def resize(picture: np.ndarray, width: int, height: int) -> np.ndarray:
    """Resize to (height, width, 3) uint8: area averaging down, bilinear up, each side for itself.

    A picture that already has the size is returned as it is.
    """
    import cv2

    check_picture(picture, minimum=1)
    if width < 1 or height < 1:
        raise ValueError(f"expected a size of at least 1 x 1, got {width} x {height}")
    target = (int(width), int(height))
    now = (picture.shape[1], picture.shape[0])
    smaller = (min(target[0], now[0]), min(target[1], now[1]))
    if smaller != now:
        picture = cv2.resize(np.ascontiguousarray(picture), smaller, interpolation=cv2.INTER_AREA)
    if smaller != target:
        picture = cv2.resize(np.ascontiguousarray(picture), target, interpolation=cv2.INTER_LINEAR)
    return picture


def thumbnail(picture: np.ndarray, side: int = 256) -> bytes:
    """A JPEG whose longest side is `side` pixels, or the picture's own where that is smaller."""
    check_picture(picture, minimum=1)
    if side < 1:
        raise ValueError(f"side: expected at least 1 pixel, got {side}")
    height, width = picture.shape[:2]
    scale = min(1.0, side / max(width, height))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    image = Image.fromarray(picture)
    if size != image.size:
        image = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=82, optimize=True)
    return out.getvalue()


def crop(picture: np.ndarray, box: Sequence[float]) -> np.ndarray:
    """The part of the picture inside the box, as its own contiguous array."""
    check_picture(picture, minimum=1)
    x0, y0, x1, y1 = check_box(box, picture.shape[1], picture.shape[0])
    return picture[y0:y1, x0:x1].copy()


def _decode(file: IO[bytes], name: str, most_pixels: int) -> np.ndarray:
    head = file.read(16)
    file.seek(0)
    if not head:
        raise ImageError(f"'{name}' is empty, expected a picture file.")
    try:
        with _warnings_lock, warnings.catch_warnings():
            # The size is checked just below, by our own cap.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(file, formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise ImageError(
            f"'{name}' is too large: expected at most {MAX_PIXELS // 10**6} megapixels, "
            "make it smaller first."
        ) from error
    except Exception as error:
        raise ImageError(_refusal(name, head)) from error
    with image:
        _check_size(name, *image.size, min(most_pixels, MAX_PIXELS))
        try:
            image.load()
            orientation = _orientation(image)
            picture = _pixels(image)
        except Exception as error:  # decoders of damaged files raise nearly every type there is
            raise ImageError(
                f"'{name}' is damaged or truncated ({image.format}): expected a complete picture, "
                "get the file again."
            ) from error
        image.close()  # its own pixels go before a turned copy of ours is made
    return _upright(picture, orientation)


def _refusal(name: str, head: bytes) -> str:
    expected = f"expected one of {', '.join(FORMATS)}"
    for offset, magic, kind in _FOREIGN:
        if head[offset:].startswith(magic):
            return f"'{name}' is a {kind} file, {expected}: convert it first."
    return f"'{name}' is not a picture that can be read, or its beginning is damaged: {expected}."


def _check_size(name: str, width: int, height: int, most_pixels: int) -> None:
    if width * height > most_pixels:
        raise ImageError(
            f"'{name}' is too large: expected at most {most_pixels // 10**6} megapixels, "
            f"got {width} x {height}; make it smaller first."
        )
    if min(width, height) < MIN_SIDE:
        raise ImageError(
            f"'{name}' is too small: expected at least {MIN_SIDE} pixels on each side, "
            f"got {width} x {height}."
        )


def _pixels(image: Image.Image) -> np.ndarray:
    """(height, width, 3) uint8 of a loaded picture, as it is stored."""
    low, high = _range(image) if image.mode in ("I", "F") else (0.0, 0.0)
    picture = np.empty((image.height, image.width, 3), np.uint8)
    for rows, band in _bands(image):
        picture[rows] = _to_rgb(band, low, high)
    return picture


def _bands(image: Image.Image) -> Iterator[tuple[slice, Image.Image]]:
    """A picture strip by strip: whatever is made of a strip stays small, however large it is."""
    height = max(1, BAND // image.width)
    for top in range(0, image.height, height):
        bottom = min(top + height, image.height)
        yield slice(top, bottom), image.crop((0, top, image.width, bottom))


def _to_rgb(image: Image.Image, low: float, high: float) -> np.ndarray:
    """uint8 that has, or broadcasts to, (height, width, 3). low, high: what becomes 0 and 255 in
    32-bit and float grey."""
    if image.mode.startswith("I;16"):
        # Pillow's own conversion clips at 255 and turns nearly every pixel white.
        return _grey((np.asarray(image).astype(np.uint32) + 128) // 257)
    if image.mode in ("I", "F"):
        return _grey(_stretched(np.asarray(image, dtype=np.float64), low, high))
    if image.has_transparency_data:
        white = Image.new("RGB", image.size, "white")
        rgba = image.convert("RGBA")
        white.paste(rgba, mask=rgba)
        return np.asarray(white)
    return np.asarray(image.convert("RGB"))


def _grey(values: np.ndarray) -> np.ndarray:
    return values.astype(np.uint8)[..., None]


def _range(image: Image.Image) -> tuple[float, float]:
    """The lowest and highest finite value; (0, 0) without one."""
    bands = (np.asarray(band, dtype=np.float64) for _, band in _bands(image))
    finite = [band[np.isfinite(band)] for band in bands]
    found = [(float(one.min()), float(one.max())) for one in finite if one.size]
    return min((a for a, _ in found), default=0.0), max((b for _, b in found), default=0.0)


def _stretched(values: np.ndarray, low: float, high: float) -> np.ndarray:
    scaled = (np.nan_to_num(values, nan=low, posinf=high, neginf=low) - low) * (
        255 / (high - low) if high > low else 0.0
    )
    return np.asarray(np.rint(scaled))


def _orientation(image: Image.Image) -> int:
    # After load(): a PNG may carry its EXIF behind the pixels, and Pillow turns a TIFF itself
    # there. Damaged EXIF is no reason to refuse a sound picture.
    try:
        return int(image.getexif().get(_TAG, 1))
    except Exception:
        return 1


def _upright(picture: np.ndarray, orientation: int) -> np.ndarray:
    turn = _TURNS.get(orientation)
    return picture if turn is None else np.ascontiguousarray(turn(picture))
