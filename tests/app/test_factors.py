"""Lab, Factors as a user meets it, without a browser."""

from functools import partial

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from dff.app import microscope
from dff.app.engine import Source, engine
from dff.app.microscope import Recipe
from dff.backbones import WeightsUnavailable, load_backbone
from dff.index import Index

SCRIPT = (
    "from dff.app.engine import engine, index_folder\n"
    "from dff.app.views import factors\n"
    "factors.page(engine(str(index_folder())))"
)


@pytest.fixture
def open_page(open_script):
    """This page for an address."""
    return partial(open_script, SCRIPT)


def checked(at: AppTest) -> AppTest:
    assert not at.exception, at.exception
    return at


def texts(at: AppTest) -> str:
    return " ".join(h.value for h in at.html)


def explained(at: AppTest) -> str:
    return {m.label: m.value for m in at.metric}["Explained"]


def test_the_page_shows_one_picture_in_its_parts(open_page):
    at = open_page()
    assert not at.error
    assert at.slider(key="k").value == 4
    assert texts(at).count("<tr><td>") == 4
    assert "looks like:" in texts(at)
    assert any(mark in texts(at) for mark in ("steady", "varies", "changes"))
    assert any("is not correctness" in caption.value for caption in at.caption)
    assert len(at.get("vega_lite_chart")) == 3


def test_k_changes_what_is_shown(open_page):
    at = open_page()
    before = explained(at)
    checked(at.slider(key="k").set_value(6).run())
    assert texts(at).count("<tr><td>") == 6
    assert float(explained(at).split()[0]) > float(before.split()[0])


def test_the_layer_changes_what_is_shown(open_page):
    at = open_page()
    assert at.selectbox(key="layer").value == "block6+last"
    before = texts(at)
    checked(at.selectbox(key="layer").set_value("block6").run())
    assert "1152 channels" in texts(at) and "2432 channels" in before
    assert "looks like:" not in texts(at)  # the classifier does not read this layer
    assert at.query_params["layer"] == "block6"


def test_the_address_is_read(open_page):
    at = open_page(k="2", layer="block6", scale="Own scale", init="random", seed="7")
    assert texts(at).count("<tr><td>") == 2
    assert at.selectbox(key="layer").value == "block6"
    assert at.number_input(key="seed").value == 7
    assert any("its own scale" in caption.value for caption in at.caption)


@pytest.mark.parametrize("view", ["One at a time", "Side by side"])
def test_hostile_addresses_fall_back(open_page, view):
    at = open_page(
        k="999", layer="../../etc", solver="rm -rf", init="<b>", seed="-1", scale="x", grid="y",
        picture="<script>", view=view,
    )  # fmt: skip
    assert not at.error
    assert (at.slider(key="k").value, at.selectbox(key="layer").value) == (4, "block6+last")
    assert (at.selectbox(key="solver").value, at.selectbox(key="init").value) == ("hals", "nndsvda")


@pytest.mark.parametrize(
    "name", ["![x](http://a)", "no_such_network", "efficientnet_lite0:block6", "a" * 500]
)
def test_a_network_that_does_not_exist_is_one_sentence(open_page, name):
    at = open_page(network=name)
    assert len(at.error) == 1
    assert "![x](" not in at.error[0].value


def test_side_by_side_shows_all_k(open_page):
    at = open_page(view="Side by side")
    for k in range(1, 11):
        assert f">{k} {'part' if k == 1 else 'parts'}<" in texts(at)


def test_missing_weights_are_told_with_a_way_out(open_page, monkeypatch):
    def missing(name, layer=None):
        raise WeightsUnavailable(f"the weights of {name} could not be loaded: no network")

    monkeypatch.setattr(microscope, "load_backbone", missing)
    at = open_page(network="vgg16")
    assert any("weights of vgg16 are not here" in m.value.replace("\\", "") for m in at.markdown)
    use = next(b for b in at.button if b.label == "Use efficientnet_lite0")
    checked(use.click().run())
    assert at.selectbox(key="network").value == "efficientnet_lite0"
    assert texts(at).count("<tr><td>") == 4


def test_another_network_brings_its_own_layers(open_page, monkeypatch):
    def untrained(name, layer=None):
        return load_backbone(name, layer, pretrained=False)

    monkeypatch.setattr(microscope, "load_backbone", untrained)
    at = open_page(network="squeezenet1_1", layer="block6", k="2")
    layer = at.selectbox(key="layer")
    assert not at.error
    assert layer.value != "block6" and "stride" in layer.options[0]
    assert "weights: random" in texts(at)


def test_an_uploaded_picture_is_taken_apart(open_page, photos):
    at = open_page()
    data = (photos / "round" / "shape_03.png").read_bytes()
    checked(at.file_uploader[0].upload("mine.png", data).run())
    assert any("mine" in m.value for m in at.markdown)
    checked(at.button(key="drop_upload").click().run())
    assert not any("mine" in m.value for m in at.markdown)


def test_what_is_not_a_picture_is_refused(open_page):
    at = open_page()
    checked(at.file_uploader[0].upload("note.jpg", b"hello").run())
    assert len(at.error) == 1 and "note" in at.error[0].value
    assert texts(at).count("<tr><td>") == 4


def test_nothing_is_computed_again_when_only_the_view_changes(open_page, monkeypatch):
    at = open_page(k="3")
    calls = []
    for name in ("factorize_activations", "stability"):
        real = getattr(microscope, name)
        monkeypatch.setattr(
            microscope, name, lambda *a, real=real, **b: (calls.append(1), real(*a, **b))[1]
        )
    for key, value in (("grid", "Grid"), ("scale", "Own scale"), ("view", "Side by side")):
        at.segmented_control(key=key).set_value(value)
        checked(at.run())
    assert calls == []
    checked(at.selectbox(key="init").set_value("random").run())
    assert calls  # the counter does count


def test_caches_do_not_mix_pictures(open_page, index_folder):
    one, other = (picture.id for picture in Index.open(index_folder).pictures[1:3])
    first, second = open_page(picture=one), open_page(picture=other)
    assert explained(first) != explained(second)
    assert explained(checked(first.run())) == explained(open_page(picture=one))


@pytest.mark.parametrize("k", [3, 4])
def test_it_opens_on_the_parts_of_explore(open_page, index_folder, k):
    index = Index.open(index_folder)
    row = 4
    at = open_page(picture=index.pictures[row].id, k=str(k))
    label = at.selectbox(key="layer").options[0]
    assert label == "block6+last, as in Explore"
    assert "layer" not in at.query_params
    shared = engine(str(index_folder))
    source = Source.of_row(index, row)
    lab = microscope.microscope(shared)
    slide = lab.slide(source, "efficientnet_lite0", "block6+last")
    parts = shared.query(source, k, None).parts
    own = lab.factors(slide, k, Recipe())
    np.testing.assert_allclose(own.basis, parts.basis, atol=2e-3)  # stored at half precision
    np.testing.assert_allclose(own.energy, parts.energy, atol=2e-3)
    assert slide.activations.shape[1:] == parts.heatmaps.shape[1:]  # at the index's size
    assert lab.colours(slide, k, Recipe()) == shared.colours(source, k, None)
    if k == index.settings.k:
        stored = [name[0][0] for name in index.pictures[row].names]
        assert [name[0][0] for name in lab.names(slide, k, Recipe())] == stored


def test_other_layers_are_seen_at_the_size_of_the_index(open_page):
    at = open_page(layer="block6")
    assert "seen at 128 × 96" in texts(at)
    assert "as in Explore" not in at.selectbox(key="layer").options[1]


def test_the_divergence_is_a_solver_too(open_page):
    at = open_page(solver="kl", k="2")
    assert not at.error
    assert at.selectbox(key="solver").value == "kl"
    assert any(c.value == "Divergence per unit of activation by iteration (kl)" for c in at.caption)
    assert explained(at) != explained(open_page(k="2"))
