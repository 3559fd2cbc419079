import io
import os
import warnings

import numpy as np
import pytest
from PIL import Image

from dff import images
from dff.images import ImageError, check_picture, crop, read_image, resize

TILE = 24  # the marker's cells are this many pixels


def marker() -> np.ndarray:
    """A picture of 2 x 3 flat cells, every cell another colour: shows any turn or flip."""
    cells = np.array(
        [[[255, 0, 0], [0, 255, 0], [0, 0, 255]], [[255, 255, 0], [0, 255, 255], [40, 40, 40]]],
        np.uint8,
    )
    return cells.repeat(TILE, axis=0).repeat(TILE, axis=1)


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def cells(picture: np.ndarray) -> np.ndarray:
    return picture[TILE // 2 :: TILE, TILE // 2 :: TILE]


@pytest.mark.parametrize("kind", images.FORMATS)
def test_every_format_reads(kind):
    options = {"quality": 95} if kind in ("JPEG", "WEBP") else {}
    picture = read_image(encoded(Image.fromarray(marker()), kind, **options))
    assert picture.shape == (48, 72, 3) and picture.dtype == np.uint8
    assert picture.flags.c_contiguous and picture.flags.writeable
    difference = np.abs(cells(picture).astype(int) - cells(marker()))
    assert difference.max() <= (8 if options else 0)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_gives_the_upright_picture(kind, orientation):
    stored = {  # how a camera stores the upright picture under each orientation
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: np.rot90(a, 1),
        7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
        8: lambda a: np.rot90(a, -1),
    }[orientation](marker())
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(np.ascontiguousarray(stored))
    picture = read_image(encoded(image, kind, exif=exif))
    assert picture.shape == (48, 72, 3)
    assert np.abs(cells(picture).astype(int) - cells(marker())).max() <= 60


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_damaged_exif_does_not_refuse_the_picture():
    data = encoded(Image.fromarray(marker()), "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    assert read_image(data).shape == (48, 72, 3)


def test_sixteen_bit_grey_is_scaled_not_clipped():
    values = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)
    for kind in ("PNG", "TIFF"):
        picture = read_image(encoded(Image.fromarray(values), kind))
        assert np.abs(picture[..., 0] - values / 257).max() <= 0.5
        assert (picture[..., 0] == picture[..., 2]).all()


def test_float_and_32_bit_grey_are_stretched_from_their_own_range():
    ramp = np.linspace(-2, 6, 64 * 64, dtype=np.float32).reshape(64, 64)
    ramp[0, 1] = np.nan
    picture = read_image(encoded(Image.fromarray(ramp), "TIFF"))[..., 0]
    assert picture[0, 0] == 0 and picture[0, 1] == 0 and picture[-1, -1] == 255
    assert abs(int(picture[32, 0]) - 128) <= 1
    whole = (np.arange(64 * 64, dtype=np.int32) * 1000).reshape(64, 64)
    picture = read_image(encoded(Image.fromarray(whole), "TIFF"))[..., 0]
    assert picture[0, 0] == 0 and picture[-1, -1] == 255
    flat = read_image(encoded(Image.fromarray(np.full((40, 40), 7.0, np.float32)), "TIFF"))
    assert (flat == 0).all()


def test_cmyk_jpeg_keeps_its_colours():
    cmyk = Image.fromarray(marker()).convert("CMYK")
    picture = read_image(encoded(cmyk, "JPEG", quality=95))
    assert np.abs(cells(picture).astype(int) - cells(marker())).max() <= 12


def test_transparency_is_composited_on_white():
    rgba = np.zeros((40, 40, 4), np.uint8)
    rgba[..., 0] = 200  # hidden under alpha 0 in the left half
    rgba[:, 20:, 3] = 255
    picture = read_image(encoded(Image.fromarray(rgba), "PNG"))
    assert picture[0, 0].tolist() == [255, 255, 255] and picture[0, 30].tolist() == [200, 0, 0]
    half = Image.fromarray(np.full((40, 40, 2), (0, 128), np.uint8), "LA")
    assert read_image(encoded(half, "PNG"))[0, 0].tolist() == [127, 127, 127]


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_palettes_and_their_transparency(kind):
    image = Image.new("P", (40, 40), 0)
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.paste(1, (20, 0, 40, 40))
    plain = read_image(encoded(image, kind))
    assert plain[0, 0].tolist() == [10, 20, 30] and plain[0, 39].tolist() == [200, 100, 50]
    clear = read_image(encoded(image, kind, transparency=0))
    assert clear[0, 0].tolist() == [255, 255, 255] and clear[0, 39].tolist() == [200, 100, 50]


def test_one_bit_and_grey():
    assert (read_image(encoded(Image.new("1", (40, 40), 1), "PNG")) == 255).all()
    assert (read_image(encoded(Image.new("L", (40, 40), 9), "PNG")) == 9).all()


@pytest.mark.parametrize("kind", ["GIF", "MPO", "TIFF"])  # phones write MPO and call it JPEG
def test_first_frame_of_several(kind):
    frames = [Image.new("RGB", (40, 40), colour) for colour in ("red", "blue")]
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
    assert np.abs(read_image(data)[0, 0].astype(int) - [255, 0, 0]).max() <= 2


def test_path_and_bytes_agree(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(encoded(Image.fromarray(marker()), "PNG"))
    for source in (path, str(path), path.read_bytes()):
        assert (read_image(source) == marker()).all()


def test_content_counts_not_the_extension(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(encoded(Image.fromarray(marker()), "PNG"))
    assert (read_image(path) == marker()).all()


@pytest.mark.parametrize("kind", images.FORMATS)
def test_truncated_files_are_refused_at_any_length(kind):
    noise = np.random.default_rng(0).integers(0, 256, (48, 72, 3), dtype=np.uint8)
    data = encoded(Image.fromarray(noise), kind)
    for share in (0.02, 0.1, 0.3, 0.5, 0.7, 0.9):
        with pytest.raises(ImageError, match="'cut.bin'"):
            read_image(data[: int(len(data) * share)], "cut.bin")


@pytest.mark.parametrize("kind", images.FORMATS)
def test_flipped_bytes_read_or_raise_image_error(kind):
    rng = np.random.default_rng(1)
    data = encoded(Image.fromarray(marker()), kind)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(60):
            broken = bytearray(data)
            for at in rng.integers(0, min(len(data), 400), 4):
                broken[at] = rng.integers(256)
            try:
                assert read_image(bytes(broken)).dtype == np.uint8
            except ImageError as error:
                assert "\n" not in str(error)


def test_foreign_formats_are_named():
    for head, kind in ((b"\0\0\0\x18ftypheic", "HEIC"), (b"%PDF-1.7 ", "PDF"), (b"<svg ", "SVG")):
        with pytest.raises(ImageError, match=f"'x' is a {kind} file, expected one of JPEG, PNG"):
            read_image(head + bytes(200), "x")
    # Pillow can open PPM and EPS: not listed, so not opened.
    with pytest.raises(ImageError, match="not a picture that can be read"):
        read_image(encoded(Image.fromarray(marker()), "PPM"))
    with pytest.raises(ImageError, match="PostScript"):
        read_image(encoded(Image.fromarray(marker()), "EPS"))


def test_sizes_are_limited():
    assert read_image(encoded(Image.new("RGB", (32, 32)), "PNG")).shape == (32, 32, 3)
    with pytest.raises(ImageError, match=r"'s.png' is too small: .* 32 pixels .* got 31 x 200"):
        read_image(encoded(Image.new("L", (31, 200)), "PNG"), "s.png")


@pytest.mark.parametrize("side", [8_001, 11_000, 20_000])  # under, over and twice Pillow's limit
def test_a_small_file_of_many_pixels_is_refused_quickly_and_silently(side, monkeypatch):
    data = encoded(Image.new("1", (side, side)), "PNG")
    assert len(data) < 200_000
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("decoded"))
    filters = list(warnings.filters)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        with pytest.raises(ImageError, match="'bomb.png' is too large: .* 64 megapixels"):
            read_image(data, "bomb.png")
    assert not seen and list(warnings.filters) == filters


def test_missing_folder_empty_and_special_files(tmp_path):
    with pytest.raises(ImageError, match=r"'no.jpg' does not exist"):
        read_image(tmp_path / "no.jpg")
    with pytest.raises(ImageError, match="is a folder"):
        read_image(tmp_path)
    (tmp_path / "empty.jpg").touch()
    with pytest.raises(ImageError, match=r"'empty.jpg' is empty"):
        read_image(tmp_path / "empty.jpg")
    with pytest.raises(ImageError, match="'picture' is empty"):
        read_image(b"")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ImageError, match="not a regular file"):
        read_image(tmp_path / "pipe")
    with pytest.raises(ImageError, match="does not exist"):
        read_image("bad\0name.jpg")


def test_a_file_without_permission_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "locked.jpg"
    path.write_bytes(b"x")

    def refuse(*_args):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(ImageError, match=r"'locked.jpg' cannot be opened \(Permission denied\)"):
        read_image(path)


def test_names_in_messages_are_safe():
    name = "a\n\x1b[31m\u202e" + "b" * 200 + "end.jpg"
    with pytest.raises(ImageError) as caught:
        read_image(b"not a picture", name)
    message = str(caught.value)
    assert message.isprintable() and "end.jpg" in message
    assert len(images.safe_name(name)) == 80 and images.safe_name("plain.jpg") == "plain.jpg"


def test_hashes():
    assert images.file_sha256(b"abc").startswith("ba7816bf")
    flat = np.zeros((32, 64, 3), np.uint8)
    assert images.pixels_sha256(flat) == images.pixels_sha256(flat.copy())
    assert images.pixels_sha256(flat) != images.pixels_sha256(flat.reshape(64, 32, 3))
    view = marker()[:, ::-1]
    assert images.pixels_sha256(view) == images.pixels_sha256(view.copy())


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ([[1]], "expected a NumPy array, got list"),
        (np.zeros((40, 40, 3)), r"expected a uint8 array .* got float64 \(40, 40, 3\)"),
        (np.zeros((40, 40), np.uint8), r"got uint8 \(40, 40\)"),
        (np.zeros((40, 40, 4), np.uint8), r"got uint8 \(40, 40, 4\)"),
        (np.zeros((40, 31, 3), np.uint8), "at least 32 pixels on each side, got 31 x 40"),
    ],
)
def test_check_picture(bad, message):
    check_picture(np.zeros((32, 32, 3), np.uint8))
    check_picture(np.zeros((1, 5, 3), np.uint8), minimum=1)
    with pytest.raises(ValueError, match=message):
        check_picture(bad)


def test_resize_averages_down_and_keeps_flat_colours():
    checks = np.indices((64, 64)).sum(0) % 2 * 255
    picture = np.stack([checks] * 3, axis=-1).astype(np.uint8)
    before = picture.copy()
    small = resize(picture, 32, 16)
    assert small.shape == (16, 32, 3) and np.abs(small.astype(int) - 128).max() <= 1
    # One side shrinks while the other grows: still averaged.
    mixed = resize(picture, 16, 128)
    assert mixed.shape == (128, 16, 3) and np.abs(mixed.astype(int) - 128).max() <= 1
    assert (resize(marker(), 720, 480)[5, 5] == marker()[0, 0]).all()
    assert (picture == before).all()
    assert resize(picture[:, ::-1], 100, 100).shape == (100, 100, 3)
    with pytest.raises(ValueError, match="at least 1 x 1, got 0 x 5"):
        resize(picture, 0, 5)


def test_thumbnail_shrinks_only():
    big = Image.open(io.BytesIO(images.thumbnail(np.zeros((400, 1000, 3), np.uint8), 250)))
    assert big.format == "JPEG" and big.size == (250, 100)
    small = Image.open(io.BytesIO(images.thumbnail(marker(), 256)))
    assert small.size == (72, 48)
    thin = Image.open(io.BytesIO(images.thumbnail(np.zeros((1, 1000, 3), np.uint8), 64)))
    assert thin.size == (64, 1)


def test_crops_are_copies_of_what_the_box_holds():
    assert (crop(marker(), (24, 0, 48, 24)) == [0, 255, 0]).all()
    part = crop(marker(), (0, 0, 10, 5))
    assert part.shape == (5, 10, 3) and part.flags.c_contiguous and part.base is None
    with pytest.raises(ValueError, match="x1 <= 72"):
        crop(marker(), (0, 0, 73, 48))
