"""Take away, without a browser: what the dialog offers is what the page shows."""

import csv
import io
import json
from functools import partial
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from dff.app import takeaway

ROOT = Path(__file__).parents[2]
FACTORS = (
    "from dff.app.engine import engine, index_folder\n"
    "from dff.app.views import factors\n"
    "factors.page(engine(str(index_folder())))"
)
VIEW = {
    "picture": "taj_mahal_1",
    "k": "3",
    "box": "395,170,600,360",
    "weights": "1,0.5,0",
    "top": "12",
}


@pytest.fixture
def offered(monkeypatch):
    """The files that are offered, by their labels."""
    files: dict = {}
    monkeypatch.setattr(takeaway, "_download", lambda file: files.update({file.label: file}))
    return files


def take_away(dashboard):
    dashboard.at.button(key="take_away").click().run()
    assert not dashboard.at.exception and dashboard.errors == []
    return dashboard


def shown(dashboard) -> list[tuple]:
    """(id, box, contributions without weights) of the results, as the browser ranks them."""
    stage = dashboard.stage
    cards = {card["row"]: card for card in stage["cards"]}
    first = [cards[row] for row, _ in dashboard.ranking()[: stage["top"]]]
    return [(card["id"], card["box"], card["contributions"]) for card in first]


def test_all_that_is_offered_is_what_the_page_shows(visit, offered, monkeypatch):
    dashboard = take_away(visit(**VIEW))
    assert list(offered) == [
        *("PNG", "PDF", "SVG", "HTML report"),
        *("Results, CSV", "Contributions, CSV", "JSON", "Python script"),
    ]
    assert offered["PDF"].name == "taj_mahal_1-results.pdf"
    assert offered["PDF"].mime == "application/pdf"
    record = json.loads(offered["JSON"].make())
    page = shown(dashboard)
    assert [(r["id"], r["box"]) for r in record["results"]] == [(id, box) for id, box, _ in page]
    for result, (_, _, table) in zip(record["results"], page, strict=True):
        weighted = [[w * cell for cell in row] for w, row in zip((1, 0.5, 0), table, strict=True)]
        assert result["contributions"] == [pytest.approx(row, abs=2e-7) for row in weighted]
    assert record["query"]["box"] == [395, 170, 600, 360]
    assert record["query"]["weights"] == [1, 0.5, 0]

    monkeypatch.chdir(ROOT)
    space: dict = {}
    exec(compile(offered["Python script"].make(), "script", "exec"), space)
    assert [(m.id, round(m.score, 8)) for m in space["found"]] == [
        (result["id"], result["score"]) for result in record["results"]
    ]
    assert [box and list(box) for box in space["boxes"]] == [r["box"] for r in record["results"]]

    assert offered["Results, CSV"].make().decode().count("\n") == 1 + 12
    assert offered["Contributions, CSV"].make().decode().count("\n") == 1 + 12 * 3 * 4
    report = offered["HTML report"].make().decode()
    assert f"<td>{record['results'][0]['score']:.4f}</td>" in report
    address = next(code.value for code in dashboard.at.code if code.value.startswith("/"))
    assert address.replace("&", "&amp;") in report


def test_the_address_opens_the_same_view(visit):
    dashboard = take_away(visit(**VIEW, refine="true"))
    assert dashboard.stage["refined"]
    address = next(code.value for code in dashboard.at.code if code.value.startswith("/"))
    asked = dict(parse_qsl(urlsplit(address).query))
    assert asked == {**VIEW, "refine": "true"}
    assert visit(**asked).stage == dashboard.stage


def test_an_open_result_is_in_the_address(visit):
    dashboard = visit()
    first, second = (card["row"] for card in dashboard.stage["cards"][:2])
    id = dashboard.stage["cards"][1]["id"]
    assert dashboard.stage["opened"] is None
    before = dashboard.stage
    dashboard.send("open", second)
    assert dashboard.at.query_params == {"result": id}
    assert dashboard.stage == before  # the browser knows: nothing is sent again
    there = visit(result=id)
    assert there.stage["opened"] == second
    assert {**there.stage, "opened": None} == before
    there.send("open", first)
    assert there.at.query_params == {"result": dashboard.stage["cards"][0]["id"]}
    assert there.stage["opened"] is None
    there.send("open", -1)
    assert there.at.query_params == {}


@pytest.mark.parametrize("result", ["nope", "bison", "x" * 20_000])
def test_a_result_that_is_not_shown_is_not_opened(visit, result):
    dashboard = visit(result=result)
    assert dashboard.errors == [] and dashboard.stage["opened"] is None
    assert dashboard.at.query_params == {}


@pytest.mark.parametrize("value", ["3", 10**6, True])
def test_nonsense_opens_nothing(visit, value):
    dashboard = visit().send("open", value)
    assert dashboard.errors == [] and dashboard.at.query_params == {}


def test_an_upload_has_no_address_and_its_name_is_a_strangers(visit, offered):
    photo = (ROOT / "assets/photos/landmarks/eiffel_tower_2.jpg").read_bytes()
    dashboard = take_away(visit().upload('a/b\\"; import os #.jpg', photo))
    assert any("no address" in caption.value for caption in dashboard.at.caption)
    assert not any(code.value.startswith("/") for code in dashboard.at.code)
    script = offered["Python script"].make().decode()
    assert "PICTURE = '\"; import os #.jpg'" in script
    assert offered["PNG"].name == "import-os-results.png"


def test_one_result_is_chosen_in_the_dialog(visit, offered):
    dashboard = take_away(visit())
    # Without a browser every run is of the whole page, which opens the dialog for the button only.
    dashboard.at.segmented_control(key="take_away_figure").set_value("One result")
    take_away(dashboard)
    options = dashboard.at.selectbox(key="take_away_result").options
    ranked = [name.partition(". ")[2] for name in options]
    titles = {card["row"]: card["title"] for card in dashboard.stage["cards"]}
    assert ranked == [titles[row] for row, _ in dashboard.ranking()[:6]]
    assert dashboard.at.code[0].value == "/?picture=windmill_01"  # the default one, too
    assert offered["SVG"].name == "windmill_01-result-1.svg"
    assert b"Why " in offered["SVG"].make()


def test_factors_can_be_taken_away(open_script, offered):
    open_page = partial(open_script, FACTORS)
    at = open_page(ROOT / "sample_index", picture="eiffel_tower_1", k="2")
    at.button(key="take_away").click().run()
    assert not at.exception and not at.error
    record = json.loads(offered["JSON"].make())
    explained = {metric.label: metric.value for metric in at.metric}["Explained"]
    assert explained == f"{100 * record['explained']:.1f} %" and record["k"] == 2
    assert offered["Parts, CSV"].make().decode().count("\n") == 3
    assert offered["SVG"].name == "eiffel_tower_1-parts.svg"
    assert b"Eiffel" in offered["SVG"].make()
    assert explained in offered["HTML report"].make().decode()
    assert "picture=eiffel_tower_1&k=2" in at.code[0].value


def test_a_set_is_taken_away_with_the_names_that_are_on_its_cards(visit, offered):
    dashboard = visit(view="concepts", set="dam_1,dam_2,dam_3", k="3")
    cards, pictures = dashboard.stage["parts"], dashboard.stage["pictures"]
    take_away(dashboard)
    assert list(offered) == ["PNG", "PDF", "SVG", "Parts by picture, CSV"]
    assert offered["PDF"].make().startswith(b"%PDF-")
    (where,) = [code.value for code in dashboard.at.code]
    assert "set=dam_1,dam_2,dam_3" in where and "view=concepts" in where and "k=3" in where
    rows = list(csv.DictReader(io.StringIO(offered["Parts by picture, CSV"].make().decode())))
    assert [row["picture"] for row in rows] == [one["id"] for one in pictures for _ in cards]
    assert [row["name"] for row in rows] == [card["name"] for card in cards] * 3
    assert [float(row["energy"]) for row in rows[:3]] == pytest.approx(
        [card["energy"] for card in cards], abs=1e-4
    )
    for n in range(3):
        assert sum(float(row["share"]) for row in rows[3 * n : 3 * n + 3]) == pytest.approx(
            1, abs=1e-5
        )
