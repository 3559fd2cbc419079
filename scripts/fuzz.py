"""Fuzz what reads files and texts from strangers, guided by the code that each input reaches.

    pip install -r requirements-dev.txt      # atheris is for Linux on x86, Python up to 3.13
    python scripts/fuzz.py [--seconds 120] [--only pictures boxes manifests index]
    python scripts/fuzz.py --only index --input FILE        # one finding again

Each target runs for so many seconds in a process of its own. An input is answered by a result or by
a ValueError of one line; any other exception, more than ten seconds or more than 2 GB is a finding,
which is kept under --findings and ends with status 1. What was found became tests
(docs/reliability.md).

pictures: the reader of picture files. boxes: boxes as the command line, the address and data sets
give them. manifests: index.json, pictures.jsonl, journals, photos.csv, names, data sets. index: an
index of three pictures in which one file is the input, with the manifest sealed anew, is checked,
opened and searched.
"""

import argparse
import contextlib
import hashlib
import io
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # runnable from a checkout that is not installed

MOST_SECONDS, MOST_MEMORY, LONGEST = 10, 2048, 1 << 16  # of one input: seconds, MB, bytes
Try = Callable[[bytes], None]


@contextlib.contextmanager
def answered() -> Iterator[None]:
    """Let a ValueError of one line pass: that is how the package refuses an input."""
    try:
        yield
    except ValueError as error:
        if "\n" in str(error) or not str(error):
            raise RuntimeError(f"expected one line, got {error!r}") from error


# --- targets: each gives its seeds and what is done with an input -----------------------------


def pictures(place: Path) -> tuple[list[bytes], Try]:
    """The reader of picture files."""
    from PIL import Image

    from dff.images import read_image

    seeds = []
    photo = sorted((ROOT / "assets/photos").rglob("*.jpg"))[0]
    with Image.open(photo) as image:
        small = image.convert("RGB").resize((48, 40))
    exif = Image.Exif()
    exif[0x0112] = 6
    for kind in ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF"):
        for mode in ("RGB", "L", "P", "CMYK", "RGBA", "I;16", "1"):
            out = io.BytesIO()
            with contextlib.suppress(OSError, ValueError, KeyError):
                small.convert(mode).save(out, kind, **({"exif": exif} if mode == "RGB" else {}))
                seeds.append(out.getvalue())
    for kind in ("GIF", "WEBP", "TIFF", "PNG"):  # of two frames
        out = io.BytesIO()
        small.save(out, kind, save_all=True, append_images=[small.rotate(90)])
        seeds.append(out.getvalue())
    for how in ("tiff_lzw", "jpeg", "packbits", "tiff_deflate"):
        out = io.BytesIO()
        small.save(out, "TIFF", compression=how)
        seeds.append(out.getvalue())

    def run(data: bytes) -> None:
        with answered():
            read_image(data, "picture", most_pixels=1_000_000)

    return seeds, run


def boxes(place: Path) -> tuple[list[bytes], Try]:
    """Everything that reads a box."""
    from dff.cli import common
    from dff.evaluation.datasets.base import whole_box
    from dff.geometry import check_box

    seeds = ["1,2,30,40", "0,0,64,48", "-1,0,1e9,nan", "[1, 2, 30, 40.0]", '["1", null]', "1,2,3"]

    def run(data: bytes) -> None:
        text = data.decode(errors="replace")
        values: Any = text.split(",")
        for kind in (common.box, common.weights, common.cosine, common.pixels, common.seed):
            with answered(), contextlib.suppress(argparse.ArgumentTypeError):
                kind(text)
        with answered():
            values = json.loads(text)
        whole_box(values)
        with answered():
            x0, y0, x1, y1 = check_box(values, 64, 48)
            assert 0 <= x0 < x1 <= 64 and 0 <= y0 < y1 <= 48

    return [seed.encode() for seed in seeds], run


def manifests(place: Path) -> tuple[list[bytes], Try]:
    """The tables of an index, of a data set and of the user. The first byte says which."""
    from dff.evaluation.datasets.manifest import read_manifest as read_data_set
    from dff.index.collection import parse_facts
    from dff.index.format import Settings, read_places
    from dff.index.journal import read_journal
    from dff.index.manifest import read_damaged, read_manifest
    from dff.index.state import read_change
    from dff.index.store import read_pictures
    from dff.named import read_document

    folder = tiny_index(place / "index")
    shard = place / "index/shards/0123456789ab"
    shard.mkdir()

    def written(path: Path, data: bytes) -> Path:
        path.write_bytes(data)
        return path

    def index(data: bytes) -> None:
        written(folder / "index.json", data)
        for read in (read_manifest, read_damaged):
            with answered():
                table = read(folder)
                Settings.of(table)
                read_places(folder, table)

    def named(data: bytes) -> None:
        with answered():
            document = json.loads(data)
            read_document(document)

    ways: list[Callable[[bytes], Any]] = [
        index,
        lambda data: read_pictures(written(shard / "pictures.jsonl", data)),
        lambda data: read_change(written(place / "000001.json", data)),
        lambda data: read_journal(written(place / "x.jsonl", data)),
        lambda data: read_data_set(written(place / "data.jsonl", data)),
        lambda data: parse_facts(data, "photos.csv"),
        named,
    ]
    (lines,) = (p for p in folder.glob("shards/*/pictures.jsonl") if p.parent != shard)
    manifest = (folder / "index.json").read_bytes()
    change = {"kind": "remove", "count": 1, "title": "x", "when": "2026-01-01T00:00:00+00:00"}
    journal = {"chunk": 0, "stamps": [["a.png", 1, 2, "a", {}]], "shard": None, "unreadable": []}
    sample = {"image": "000001.json", "label": "x", "bbox": [0, 0, 9, 9], "mask": "x.jsonl"}
    concept = {"id": "1", "name": "x", "space": "a:b:c", "direction": "ADw=", "picture": ""}
    seeds = [
        manifest,
        lines.read_bytes(),
        json.dumps({**change, "index": json.loads(manifest)}).encode(),
        json.dumps(journal).encode() + b"\n",
        json.dumps(sample).encode() + b"\n",
        b"file,title,category\na.png,A,b\n",
        json.dumps({"version": 1, "concepts": [concept]}).encode(),
    ]
    # The checksum stops whatever is changed; without it the tables themselves are reached.
    bare = json.loads(manifest)
    del bare["sha256"]
    seeds[0] = json.dumps(bare, indent=1).encode()

    def run(data: bytes) -> None:
        if data:
            with answered():
                ways[data[0] % len(ways)](data[1:])

    return [bytes([number]) + seed for number, seed in enumerate(seeds)], run


def index(place: Path) -> tuple[list[bytes], Try]:
    """An index in which one file, said by the first byte, is the input."""
    from dff.index import Index, store
    from dff.index.check import info, verify
    from dff.index.format import MANIFEST
    from dff.index.manifest import read_manifest, write_manifest

    folder = tiny_index(place / "index")
    sound = read_manifest(folder)
    names = sorted(sound["files"])
    contents = {name: (folder / name).read_bytes() for name in names}

    def use() -> None:
        found = Index.open(folder)
        for descriptor in found.settings.descriptors:
            query = found.indexed_query(found.pictures[0].id, descriptor)
            found.row_scores(query)
        found.search(query, top=1)  # only the best one is located: that takes longest
        for row in range(len(found)):
            found.detail(row)
            found.thumbnail(row)
            found.photo_path(row)

    def run(data: bytes) -> None:
        if not data:
            return
        number = data[0] % (len(names) + 1)
        store._mapped.cache_clear()  # a shard never changes, but here it does
        if number == len(names):
            (folder / MANIFEST).write_bytes(data[1:])
        else:
            name, own = names[number], data[1:]
            (folder / name).write_bytes(own)
            digest = hashlib.sha256(own).hexdigest()
            files = {**sound["files"], name: {"bytes": len(own), "sha256": digest}}
            write_manifest(folder, {**sound, "files": files})
        problems: list[str] = []
        with answered():
            problems = verify(folder)
        if any("\n" in problem for problem in problems):
            raise RuntimeError(f"expected sentences, got {problems}")
        for look in (use, lambda: info(folder)):
            with answered():
                look()
        if number < len(names):
            (folder / names[number]).write_bytes(contents[names[number]])

    seeds = [bytes([number]) + contents[name] for number, name in enumerate(names)]
    bare = json.dumps(sound, indent=1).encode()
    return [*seeds, bytes([len(names)]) + bare], run


def tiny_index(folder: Path) -> Path:
    """Three pictures of a network with eight channels, made without one."""
    import numpy as np
    from PIL import Image

    from dff.descriptors.base import Regions
    from dff.index.format import Settings
    from dff.index.state import manifest_of, replace
    from dff.index.store import Record, Shard, write_generation, write_shard
    from dff.whitening import Whitening

    k, detail_k, channels, grid = 2, 3, 8, (2, 2)
    settings = Settings(
        *("tiny", "last", "0" * 16, channels, 32, 64, k, detail_k, 0, (channels,), ("dff", "gem"))
    )
    rng = np.random.default_rng(0)

    def unit(*shape: int) -> Any:
        values = rng.random(shape, np.float32)
        return values / np.linalg.norm(values, axis=-1, keepdims=True)

    records = []
    for number in range(3):
        out = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), np.uint8)).save(out, "JPEG")
        facts = {
            **{"id": f"p{number}", "path": f"p{number}.png", "width": 32, "height": 32},
            **{"sha256": f"{number}" * 64, "pixels_sha256": f"{number + 3}" * 64},
            **{"title": "A", "category": "", "credit": "", "grid": grid, "explained": 0.5},
            **{"energy": (0.5, 0.5), "detail_energy": (0.5, 0.25, 0.25)},
            "names": ((("a", 0.5),),) * k,
        }
        records.append(
            Record(
                facts,
                unit(k, channels).astype(np.float16),
                unit(detail_k, channels).astype(np.float16),
                rng.random((k + detail_k) * 4, np.float32).astype(np.float16),
                {"gem": Regions(unit(1, channels), np.ones(1, np.float32))},
                out.getvalue(),
                (32, 32),
            )
        )
    shard = write_shard(records, settings, folder / "shards")
    whitenings = {name: Whitening.identity(channels) for name in settings.descriptors}
    opened = [Shard(shard, settings)]
    generation = write_generation(opened, whitenings, folder / "generations")
    places = {"photos_root": "../photos"}
    made = manifest_of(folder, settings, [shard], generation, whitenings, 3, [], places, {})
    replace(folder, made)
    return folder


TARGETS = {one.__name__: one for one in (pictures, boxes, manifests, index)}


# --- running ----------------------------------------------------------------------------------


def fuzz(name: str, place: Path, options: list[str]) -> None:
    """In a process of its own: atheris ends it."""
    import atheris

    with atheris.instrument_imports(
        include=["dff", "PIL", "numpy.lib"], enable_loader_override=False
    ):
        seeds, run = TARGETS[name](place)
    corpus = place / "corpus"
    corpus.mkdir()
    for number, seed in enumerate(seeds):
        (corpus / f"seed-{number:03}").write_bytes(seed)
    limits = [
        f"-timeout={MOST_SECONDS}",
        f"-rss_limit_mb={MOST_MEMORY}",
        f"-max_len={LONGEST}",
        f"-dict={write_words(place / 'words')}",
        "-print_final_stats=1",
    ]
    atheris.Setup([sys.argv[0], *limits, *options, str(corpus)], run)
    atheris.Fuzz()


def write_words(path: Path) -> Path:
    """What the formats are made of, for the fuzzer to put together."""
    words = [
        "null",
        "true",
        "-1",
        "1e999",
        "NaN",
        "[]",
        "{}",
        "[[",
        '\\"\\"',
        "..",
        "/",
        "\\\\ud800",
    ]
    words += [
        "9" * 25,
        "'descr'",
        "'shape'",
        "'fortran_order'",
        "<f2",
        "<f4",
        "|O",
        "(0,)",
        "\\x00",
    ]
    path.write_text("".join(f'"{word}"\n' for word in words))
    return path


def main() -> int:
    """Run the targets one after another; 1 where something was found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seconds", type=int, default=120, help="a target (120)")
    parser.add_argument("--only", nargs="+", choices=TARGETS, default=list(TARGETS))
    parser.add_argument("--findings", type=Path, default=Path("fuzz findings"), metavar="FOLDER")
    parser.add_argument("--input", type=Path, metavar="FILE", help="run this one input alone")
    parser.add_argument("--target", choices=TARGETS, help=argparse.SUPPRESS)
    args, options = parser.parse_known_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # nothing here is large
    shared = "/dev/shm"  # noqa: S108 (memory: what is written is synced)
    memory = shared if os.path.isdir(shared) else None
    with tempfile.TemporaryDirectory(dir=memory) as scratch:
        if args.input:
            for name in args.only:
                TARGETS[name](Path(scratch, name))[1](args.input.read_bytes())
            return 0
        if args.target:
            fuzz(args.target, Path(scratch), options)
    status = 0
    args.findings.mkdir(parents=True, exist_ok=True)
    for name in args.only:
        command = [sys.executable, __file__, "--target", name, f"-max_total_time={args.seconds}"]
        command.append(f"-artifact_prefix={args.findings.resolve()}/{name}-")
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        lines = done.stdout.splitlines()
        stats = [line for line in lines if line.startswith(("stat::number", "stat::peak"))]
        print(f"{name}: {'nothing found' if done.returncode == 0 else 'FOUND'}", *stats, sep="\n  ")
        if done.returncode:
            print("\n".join(lines[-40:]))
            status = 1
    with contextlib.suppress(OSError):  # there is something in it
        args.findings.rmdir()
    return status


if __name__ == "__main__":
    sys.exit(main())
