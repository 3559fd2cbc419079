"""Files that strangers send: each is shown as a person would see it, or refused in one sentence.

All are made here, in memory, and read one after another by one process of its own, whose memory and
seconds are watched. A file is "shown" if its four corners have the colours they should have.
"""

import io
import json
import os
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

MOST_MEMORY = 500  # MB
MOST_SECONDS = 5.0
SIDE = 96
RED, GREEN, BLUE, WHITE = (220, 30, 30), (30, 180, 60), (40, 60, 210), (255, 255, 255)
CORNERS = (RED, GREEN, BLUE, WHITE)
Corners = tuple[tuple[int, int, int], ...]

CHILD = """
import json, resource, sys, time
from pathlib import Path
from dff.images import ImageError, read_image

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

known, before = {}, peak()
for name in sorted(Path(sys.argv[1]).iterdir()):
    began = time.perf_counter()
    try:
        picture = read_image(name)
        height, width = picture.shape[:2]
        y, x = max(1, height // 8), max(1, width // 8)
        corners = [picture[r, c].tolist() for r in (y, height - y) for c in (x, width - x)]
        facts = {"shown": [width, height], "corners": corners}
    except ImageError as error:
        facts = {"refused": str(error)}
    except Exception as error:
        facts = {"failed": repr(error)}
    picture = None
    facts["seconds"] = time.perf_counter() - began
    facts["memory"] = peak() - before
    known[name.name] = facts
json.dump(known, sys.stdout)
"""


@dataclass(frozen=True)
class File:
    """A hostile file. refused: words of the sentence that refuses it; None where it is shown.
    either: shown as it was before it was damaged, or refused."""

    name: str
    data: bytes
    refused: str | None = None
    either: bool = False
    corners: Corners = CORNERS
    off: int = 24  # how far a colour may be off, of 255


def picture(mode: str = "RGB", size: tuple[int, int] = (SIDE, SIDE)) -> Image.Image:
    """Red, green, blue and white quarters."""
    image = Image.new("RGB", size, WHITE)
    width, height = size
    for number, colour in enumerate(CORNERS):
        row, column = divmod(number, 2)
        image.paste(colour, (column * width // 2, row * height // 2, width, height))
    return image.convert(mode)


def file(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def grey(level: int) -> tuple[int, int, int]:
    return level, level, level


GREYS = tuple(grey(round(0.299 * r + 0.587 * g + 0.114 * b)) for r, g, b in CORNERS)


def chunk(kind: bytes, data: bytes) -> bytes:
    check = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)


def png(width: int, height: int, depth: int, colour: int, pixels: bytes, *more: bytes) -> bytes:
    """A PNG by hand: what its header claims need not be true."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    parts = [chunk(b"IHDR", header), *more, chunk(b"IDAT", pixels), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def black(width: int, height: int, depth: int, channels: int) -> bytes:
    """The compressed rows of an all-zero PNG, never held in memory at once."""
    row = bytes(1 + (width * depth * channels + 7) // 8)
    packer = zlib.compressobj(9)
    return b"".join([packer.compress(row) for _ in range(height)] + [packer.flush()])


def damaged() -> Iterator[File]:
    """Every format cut off at many points."""
    kinds = {
        "jpeg": file(picture(), "JPEG", quality=95),
        "progressive": file(picture(), "JPEG", quality=95, progressive=True),
        "png": file(picture(), "PNG"),
        "webp": file(picture(), "WEBP", lossless=True),
        "gif": file(picture(), "GIF"),
        "bmp": file(picture(), "BMP"),
        "tiff": file(picture(), "TIFF"),
        "lzw": file(picture(), "TIFF", compression="tiff_lzw"),
    }
    for kind, data in kinds.items():
        for share in (0.02, 0.25, 0.5, 0.9):
            end = max(1, int(len(data) * share))
            # Some have all they need in front: the rest is thumbnails, palettes or nothing.
            yield File(f"{kind} cut at {share}", data[:end], either=True)
        yield File(f"{kind} less its last byte", data[:-1], either=True)
        yield File(f"{kind} with rubbish behind it", data + b"\0PK\3\4<script>" * 50, either=True)


def disguised() -> Iterator[File]:
    """What is not what its name says."""
    yield File("a png.jpg", file(picture(), "PNG"))
    yield File("a jpeg.tiff", file(picture(), "JPEG", quality=95))
    yield File("a page.jpg", b"<!doctype html><script>alert(1)</script>" * 20, "not a picture")
    yield File("a drawing.png", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "PostScript")
    svg = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
    yield File("a drawing.svg", svg, "SVG")
    yield File("a phone's.heic", b"\0\0\0\x18ftypheic" + bytes(400), "HEIC")
    yield File("a phone's.avif", b"\0\0\0\x18ftypavif" + bytes(400), "AVIF")
    yield File("a book.jpg", b"%PDF-1.7\n" + bytes(100), "PDF")
    yield File("a layered.png", b"8BPS" + bytes(100), "Photoshop")
    yield File("nothing.jpg", b"", "is empty")
    yield File("one byte.png", b"\x89", "not a picture")
    yield File("noise.webp", bytes(range(256)) * 40, "not a picture")
    box = io.BytesIO()
    with zipfile.ZipFile(box, "w") as archive:
        archive.writestr("a.jpg", file(picture(), "JPEG"))
    yield File("an archive.jpg", box.getvalue(), "not a picture")
    yield File("a program.bmp", b"\x7fELF" + bytes(500), "not a picture")


def bombs() -> Iterator[File]:
    """Few bytes that claim, or unpack to, very many."""
    yield File(
        "100 megapixels.png", png(10_000, 10_000, 1, 0, black(10_000, 10_000, 1, 1)), "large"
    )
    for name, (depth, colour, channels) in {
        "one bit": (1, 0, 1),
        "colour": (8, 2, 3),
        "with alpha": (8, 6, 4),
        "16 bit": (16, 0, 1),
        "16 bit colour": (16, 2, 3),
    }.items():
        data = png(8000, 7900, depth, colour, black(8000, 7900, depth, channels))
        shown = WHITE if channels == 4 else (0, 0, 0)  # all of it is transparent
        yield File(f"63 megapixels, {name}.png", data, corners=(shown,) * 4)
    turned = Image.Exif()
    turned[0x0112] = 6
    data = png(8000, 7900, 8, 2, black(8000, 7900, 8, 3), chunk(b"eXIf", turned.tobytes()[6:]))
    yield File("63 megapixels, turned.png", data, corners=((0, 0, 0),) * 4)
    yield File("a header alone.png", png(2**31 - 1, 2**31 - 1, 8, 6, zlib.compress(b"")), "")
    bomb = zlib.compress(bytes(40 << 20), 9)
    small = file(picture(), "PNG")
    text = chunk(b"zTXt", b"Comment\0\0" + bomb)
    yield File("40 MB of text.png", small[:33] + text + small[33:], either=True)
    profile = chunk(b"iCCP", b"profile\0\0" + bomb)
    yield File("40 MB of profile.png", small[:33] + profile + small[33:], either=True)
    yield File(
        "rows without end.png", png(96, 96, 8, 2, bomb), either=True, corners=((0,) * 3,) * 4
    )
    gif = file(picture(), "GIF")
    yield File("65535 x 65535.gif", gif[:6] + b"\xff\xff\xff\xff" + gif[10:], "large")
    bmp = file(picture(), "BMP")
    yield File("huge.bmp", bmp[:18] + struct.pack("<ii", 60_000, 60_000) + bmp[26:], "large")
    jpeg = file(picture(), "JPEG")
    at = jpeg.index(b"\xff\xc0") + 5
    yield File("65000 x 65000.jpg", jpeg[:at] + b"\xfd\xe8\xfd\xe8" + jpeg[at + 4 :], "large")


def odd() -> Iterator[File]:
    """Sound pictures of uncommon kinds."""
    for orientation, order in {  # which corner of the stored picture is seen where
        1: (0, 1, 2, 3),
        2: (1, 0, 3, 2),
        3: (3, 2, 1, 0),
        4: (2, 3, 0, 1),
        5: (0, 2, 1, 3),
        6: (2, 0, 3, 1),
        7: (3, 1, 2, 0),
        8: (1, 3, 0, 2),
        0: (0, 1, 2, 3),
        9: (0, 1, 2, 3),
        65535: (0, 1, 2, 3),
    }.items():
        exif = Image.Exif()
        exif[0x0112] = orientation
        data = file(picture(), "JPEG", quality=95, exif=exif)
        yield File(f"turned {orientation}.jpg", data, corners=tuple(CORNERS[i] for i in order))
    broken = b"Exif\0\0MM\0*\xff\xff\xff\xff" + bytes(range(256))
    yield File("broken exif.jpg", file(picture(), "JPEG", quality=95, exif=broken))
    yield File("broken profile.jpg", file(picture(), "JPEG", quality=95, icc_profile=b"\xff" * 400))
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    yield File("cut profile.png", file(picture(), "PNG", icc_profile=profile[:200]))
    for kind in ("JPEG", "TIFF"):
        yield File(f"for print, {kind}", file(picture("CMYK"), kind, quality=95))
    cmyk = file(picture("CMYK"), "JPEG", quality=95)
    at = cmyk.index(b"Adobe") - 4
    length = struct.unpack(">H", cmyk[at + 2 : at + 4])[0]
    plain = cmyk[:at] + cmyk[at + 2 + length :]
    # Pillow, like browsers, takes all such files for Adobe's.
    yield File("for print without Adobe's mark.jpg", plain)
    yield File("luminance.jpg", file(picture("L"), "JPEG", quality=95), corners=GREYS)
    levels = np.asarray(picture("L")).astype(np.uint16) * 257
    yield File("16 bit.png", file(Image.fromarray(levels), "PNG"), corners=GREYS)
    yield File("16 bit.tiff", file(Image.fromarray(levels), "TIFF"), corners=GREYS)
    floats = np.asarray(picture("L")).astype(np.float32)
    lowest, highest = floats.min(), floats.max()
    stretched = tuple(grey(round((g[0] - lowest) / (highest - lowest) * 255)) for g in GREYS)
    yield File("float.tiff", file(Image.fromarray(floats / 3 - 7), "TIFF"), corners=stretched)
    holes = floats.copy()
    holes[40:44, 40:44] = np.nan
    holes[50, 50] = np.inf
    yield File("float with holes.tiff", file(Image.fromarray(holes), "TIFF"), corners=stretched)
    nothing = np.full((SIDE, SIDE), np.nan, np.float32)
    yield File(
        "float of nothing.tiff", file(Image.fromarray(nothing), "TIFF"), corners=((0,) * 3,) * 4
    )
    whole = np.asarray(picture("L")).astype(np.int32) * 70_000
    yield File("32 bit.tiff", file(Image.fromarray(whole), "TIFF"), corners=stretched)
    bits = picture("L").point(lambda v: 255 if v > 128 else 0).convert("1")
    two = tuple(grey(255 if g[0] > 128 else 0) for g in GREYS)
    yield File("one bit.png", file(bits, "PNG"), corners=two)
    yield File("fax.tiff", file(bits, "TIFF", compression="group4"), corners=two)
    indexed = picture().quantize(8)
    yield File("palette.png", file(indexed, "PNG"))
    hidden = picture("RGBA")
    hidden.putalpha(Image.fromarray(np.repeat([[255] * 48 + [0] * 48], SIDE, 0).astype(np.uint8)))
    half = (RED, WHITE, BLUE, WHITE)
    yield File("half transparent.png", file(hidden, "PNG"), corners=half)
    yield File("half transparent.webp", file(hidden, "WEBP", lossless=True), corners=half)
    holed = Image.fromarray(np.asarray(indexed))
    holed.putpalette(indexed.getpalette())
    spot = holed.getpixel((80, 10))
    seen = (RED, WHITE, BLUE, WHITE)
    yield File("palette with a hole.png", file(holed, "PNG", transparency=spot), corners=seen)
    yield File("grey and alpha.png", file(picture("LA"), "PNG"), corners=GREYS)
    frames = [Image.new("RGB", (SIDE, SIDE), colour) for colour in (BLUE, GREEN)]
    for kind in ("GIF", "WEBP", "PNG", "TIFF"):
        data = file(picture(), kind, save_all=True, append_images=frames)
        yield File(f"moving.{kind}", data, off=40)
    for size in ((40, 5000), (5000, 40), (32, 32), (33, 20_000)):
        yield File(f"{size[0]} x {size[1]}.png", file(picture(size=size), "PNG"))
    for size in ((1, 5000), (31, 31), (5000, 31), (1, 1)):
        yield File(f"{size[0]} x {size[1]}.png", file(picture(size=size), "PNG"), "too small")
    ycbcr = file(picture("YCbCr"), "TIFF")
    yield File("luminance and colour.tiff", ycbcr)
    yield File("lab.tiff", file(_lab(), "TIFF"), either=True)


def _lab() -> Image.Image:
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    return ImageCms.applyTransform(picture(), ImageCms.buildTransform(srgb, lab, "RGB", "LAB"))


def named() -> Iterator[File]:
    """Names that are an attack or an accident; a sound and a broken file for each."""
    jpeg = file(picture(), "JPEG", quality=95)
    for name in (
        "new\nline",
        "carriage\rreturn\ttab",
        "\N{CAMERA}\N{SNOWMAN}\N{VARIATION SELECTOR-16}",
        "<img src=x onerror=alert(1)>",
        "\u202egpj.exe",
        "%s%n{0}$(id)`id`",
        "'; drop table pictures; --",
        "n" * 247,
        "-rf",
    ):
        yield File(f"{name}.jpg", jpeg)
        yield File(f"{name}.bad", b"rubbish", "not a picture")


FILES = [*damaged(), *disguised(), *bombs(), *odd(), *named()]


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, object]]:
    """What one process made of each file, by its number."""
    folder = tmp_path_factory.mktemp("hostile")
    for number, one in enumerate(FILES):
        (folder / f"{number:03} {one.name}").write_bytes(one.data)
    command = [sys.executable, "-c", CHILD, os.fspath(folder)]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    return {name[:3]: facts for name, facts in json.loads(done.stdout).items()}


def test_there_are_many():
    assert len(FILES) >= 60
    assert len({one.name for one in FILES}) == len(FILES)


@pytest.mark.parametrize("number", range(len(FILES)), ids=[ascii(one.name) for one in FILES])
def test_hostile_file_is_shown_or_refused(number, answers):
    one, facts = FILES[number], answers[f"{number:03}"]
    assert "failed" not in facts, facts
    assert facts["seconds"] < MOST_SECONDS
    if "refused" in facts:
        assert one.refused is not None or one.either, facts["refused"]
        _is_a_sentence(facts["refused"], one)
        return
    assert one.refused is None, facts
    for got, expected in zip(facts["corners"], one.corners, strict=True):
        assert np.abs(np.subtract(got, expected)).max() <= one.off, (facts["corners"], one.corners)


def test_no_file_takes_much_memory(answers):
    # Of a process's peak only the rise is known: it is the most that any of them took.
    assert max(facts["memory"] for facts in answers.values()) < MOST_MEMORY


def _is_a_sentence(text: str, one: File) -> None:
    """One line that names the file, says why, and cannot be taken for anything else."""
    assert text.endswith(".") and text.isprintable() and len(text) < 260, text
    assert "Traceback" not in text and "Error" not in text
    assert one.refused is None or one.refused in text, text
