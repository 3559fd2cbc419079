"""The bundled network prepared for the engine, in the user's cache: loaded without PyTorch.

A folder a state of weights, libraries and presets:

    facts.json    what a Backbone tells of its network, and the SHA-256 of every other file
    model.xml, model.bin                the engine's model, one output a layer
    class_weights.npy, class_bias.npy   of the classifier

It is made once, in a few seconds, beside its place and then moved there; who comes meanwhile waits.
A file that is damaged or missing means that the folder is made again. Only the bundled network is
prepared: its weights are found without PyTorch and its pass is what every collection runs; others
run in PyTorch, which must be imported anyway to know their names.
"""

import hashlib
import io
import json
import logging
import shutil
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dff.backbones.engine import PACKAGE, openvino
from dff.backbones.networks import (
    LITE0_DEFAULT,
    LITE0_LAYERS,
    LITE0_MEAN,
    LITE0_SCALES,
    LITE0_STD,
    Network,
    build_network,
    module_of,
)
from dff.backbones.taps import Probe, Tap, probe
from dff.backbones.weights import DEFAULT_NAME, lite0_file
from dff.cache import cache_folder

if TYPE_CHECKING:
    import openvino as ov

log = logging.getLogger(__name__)

FORMAT = 1  # counted up when what is written here changes
FACTS = "facts.json"
FILES = ("model.xml", "model.bin", "class_weights.npy", "class_bias.npy")
# Whose version may change the numbers or the layers.
LIBRARIES = (PACKAGE, "torch", "timm")


@dataclass(frozen=True, eq=False)
class Prepared:
    """A network without its PyTorch module: what is known of it, and the engine's model.

    model: output i is the layer `found.taps[i]`. labels: of ImageNet, where it has its classes.
    """

    network: Network
    found: Probe
    fingerprint: str
    labels: tuple[str, ...] | None
    model: "ov.Model"


def is_prepared(folder: Path | None = None) -> bool:
    """Whether the bundled network, as it is installed now, lies whole in the cache.

    folder: as in `prepared_network`. Raises WeightsUnavailable where its weights are missing.
    """
    place = (folder or cache_folder() / "networks") / _key(lite0_file())
    return all((place / name).is_file() for name in (FACTS, *FILES))


def prepared_network(folder: Path | None = None) -> Prepared | None:
    """The bundled network from the cache, made now where it is not there yet.

    folder: of all prepared networks; by default in the user's cache.
    None, with the reason in the log, where the engine cannot serve it here: then PyTorch does.
    Raises WeightsUnavailable where its weights are missing.
    """
    weights = lite0_file()
    try:
        place = (folder or cache_folder() / "networks") / _key(weights)
        return _read(place) or _made(place)
    except Exception as error:  # no engine, no room, a processor it does not know: all the same
        log.warning("%s runs in PyTorch: %s: %s", DEFAULT_NAME, type(error).__name__, error)
        return None


def prepare(network: Network) -> Prepared:
    """Convert a network (in eval mode, on the CPU) and compare it with PyTorch.

    Raises ValueError where the engine cannot convert it or gives other values.
    """
    from dff.backbones.convert import convert
    from dff.backbones.torch_pass import fingerprint_of

    module = module_of(network)
    found = probe(module)
    model = convert(module, [tap.name for tap in found.taps])
    classes = 0 if found.head is None else len(found.head[0])
    labels = imagenet_labels() if classes == 1000 else None
    return Prepared(replace(network, module=None), found, fingerprint_of(module), labels, model)


def imagenet_labels() -> tuple[str, ...]:
    """The English names of ImageNet's 1000 classes, the first of each. Imports torch."""
    from timm.data import ImageNetInfo

    return tuple(text.split(",")[0] for text in ImageNetInfo().label_descriptions())


def write(made: Prepared, place: Path) -> None:
    """Write a prepared network so that `place` holds all of it or what it held before."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=".making-") as folder:
        new = Path(folder) / "new"
        new.mkdir()
        ov = openvino()
        ov.save_model(made.model, new / "model.xml", compress_to_fp16=False)
        if made.found.head is not None:
            for name, array in zip(FILES[2:], made.found.head, strict=True):
                np.save(new / name, array, allow_pickle=False)
        digests = {file.name: _sha256(file.read_bytes()) for file in sorted(new.iterdir())}
        facts = {
            "format": FORMAT,
            "network": {k: v for k, v in vars(made.network).items() if k != "module"},
            "taps": [asdict(tap) for tap in made.found.taps],
            "modules": made.found.modules,
            "refused": made.found.refused,
            "head_tap": made.found.head_tap,
            "fingerprint": made.fingerprint,
            "labels": made.labels,
            "sha256": digests,
        }
        (new / FACTS).write_text(json.dumps(facts, ensure_ascii=False), encoding="utf-8")
        if place.exists():  # damaged
            place.rename(Path(folder) / "old")
        new.rename(place)


def _read(place: Path) -> Prepared | None:
    """A prepared network, or None where it is not there, not whole or not as it was written."""
    try:
        facts: dict[str, Any] = json.loads((place / FACTS).read_text(encoding="utf-8"))
        # What is checked is what is used: the files may be replaced meanwhile.
        files = {name: (place / name).read_bytes() for name in facts["sha256"]}
        if any(_sha256(files[name]) != digest for name, digest in facts["sha256"].items()):
            raise ValueError("a file is not as it was written")
        model = openvino().Core().read_model(files["model.xml"], files["model.bin"])
        about = facts["network"]
        network = Network(
            None, **{**about, "mean": tuple(about["mean"]), "std": tuple(about["std"])}
        )
        head = None
        if facts["head_tap"] is not None:
            weights, bias = (np.load(io.BytesIO(files[n]), allow_pickle=False) for n in FILES[2:])
            weights.setflags(write=False)
            bias.setflags(write=False)
            head = (weights, bias)
        taps = tuple(Tap(**tap) for tap in facts["taps"])
        found = Probe(taps, facts["modules"], facts["refused"], facts["head_tap"], head)
        labels = None if facts["labels"] is None else tuple(facts["labels"])
        return Prepared(network, found, facts["fingerprint"], labels, model)
    except FileNotFoundError:
        return None
    except Exception as error:  # whatever a damaged file leads to
        log.warning("%s is made again: %s: %s", place, type(error).__name__, error)
        return None


def _made(place: Path) -> Prepared:
    """Make it, unless another process has done so meanwhile."""
    from filelock import FileLock

    place.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(place.parent / f"{place.name}.lock"):
        there = _read(place)
        if there is not None:
            return there
        log.info("preparing %s for OpenVINO, once", DEFAULT_NAME)
        made = prepare(build_network(DEFAULT_NAME))
        try:
            write(made, place)
        except OSError as error:  # a full disk: it serves this process all the same
            log.warning("%s could not be kept: %s", place, error)
            shutil.rmtree(place, ignore_errors=True)
        return made


def _key(weights: Path) -> str:
    """What the prepared network depends on, as 16 hexadecimal digits."""
    from importlib import metadata

    parts = {
        "format": FORMAT,
        "name": DEFAULT_NAME,
        "weights": _sha256(weights.read_bytes()),
        "libraries": {name: metadata.version(name) for name in LIBRARIES},
        "preset": [LITE0_MEAN, LITE0_STD, LITE0_LAYERS, LITE0_SCALES, LITE0_DEFAULT],
    }
    return _sha256(json.dumps(parts, sort_keys=True).encode())[:16]


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
