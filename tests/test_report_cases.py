"The report's folder: what it says, what it holds, and what it is built beside."

import json
import re
import shutil

import matplotlib
import nbformat
import pandas as pd
import pytest
from PIL import Image

from chip.core.settings import Run, make_settings, save_settings
from chip.data.places import home as project
from chip.data.places import stored_path
from chip.results import METHOD_LABELS
from chip.running.report import (
    EXPLAINED,
    ONE_MORE_SEED,
    Answer,
    Bar,
    Group,
    answers,
    build_report,
    chart,
    explained_methods,
    figures_of,
    fingerprint,
    key_numbers,
    mathml,
    notebook_page,
    packed,
    panels,
    run_record,
    scrub,
    seen_groups,
    settings_table,
    shown_settings,
    summary_lines,
    tables_of,
    title_of,
    told_methods,
    verdict,
    without_gap,
)
from chip.running.runs import Phase, Refused, write_marker
from chip.running.summaries import read_scatter

matplotlib.use("agg")
import matplotlib.pyplot as plt

PHASES = (Phase("10_first", "the first"),)
COST = {
    "seconds": 1.5,
    "peak_memory": 10**8,
    "fingerprint": "f",
    "outputs": {},
    "inputs": {},
    "git": {"commit": "c" * 40, "dirty": False},
    "packages": {"python": "3.11.2"},
    "hardware": {"processor": "one", "cores": 2, "memory": 2**34, "gpu": [], "system": "Linux"},
}
SEEN = pd.DataFrame(
    [
        (m, s, level, 32, 16 // 4**level, top1 / (level + 1) + s / 32, 4**level / 16)
        for m, top1 in (("frozen", 0.5), ("paper", 0.25))
        for s in (0, 1)
        for level in (0, 1, 2)
    ],
    columns=["method", "seed", "level", "n_images", "n_targets", "top1", "chance"],
)
PLACED = pd.DataFrame(
    [
        (m, 0, level, slug, 0, right, 0.25, 2 * right, 3)
        for m in ("frozen", "paper")
        for level in (1, 2)
        for slug, right in (("<b>cat</b>", 1), ("deer", int(m == "frozen")))
    ],
    columns=[
        "method",
        "seed",
        "level",
        "slug",
        "chosen",
        "right",
        "chance",
        "photos_right",
        "photos_total",
    ],
)
TREE = pd.DataFrame(
    [
        ("a", "ant", 0, "ants (1 of 1)", 0, "insects (2 of 2)"),
        ("b", "</script><b>bee", 1, "bees", 0, "insects (2 of 2)"),
    ],
    columns=["wnid", "name", "parent", "parent_name", "super_parent", "super_parent_name"],
)


def add_figures(run: Run, *names: str) -> None:
    figure, ax = plt.subplots(figsize=(2, 1))
    ax.plot([1, 2, 3])
    for name in names:
        run.save_figure(figure, name, f"What {name} shows <fast>.")
    plt.close(figure)


@pytest.fixture
def run(tmp_path, saved_run) -> Run:
    "A small finished run of made-up numbers, with a name that would break a careless page."
    captions = {"seen": "How often the nearest target is the right one."}
    run = saved_run({"seen": SEEN, "placements": PLACED, "hierarchy": TREE}, captions)
    save_settings(run, make_settings("smoke", epochs=9))
    add_figures(run, "figure10", "figure5")
    cells = [
        nbformat.v4.new_markdown_cell("# A title\n\n![a diagram](figures/figure5.svg)"),
        nbformat.v4.new_code_cell(f"print('{tmp_path}/secret')"),
    ]
    run.path("notebooks", "10_first.ipynb").write_text(
        nbformat.writes(nbformat.v4.new_notebook(cells=cells))
    )
    write_marker(run, PHASES[0], "done", COST)
    return run


# ---- the numbers that matter ----


def test_answers_in_sentences(run):
    placed, seen = answers(run)
    methods = "after training as the paper describes and {} without any training; by chance"
    assert (
        seen.answer
        == f"Recognised test pictures of known animals: 26.6 % {methods.format('51.6 %')} 6.2 %."
    )
    both = f"1 of 2 {methods.format('2 of 2')}"
    assert placed.answer == (
        f"Parent right: {both} 0.5 of 2. Super-parent right: {both} 0.5 of 2. "
        f"Parent and super-parent right: {both} 0.1 of 2; the paper reports 14 of 20."
    )


def test_answers_in_bars(run):
    placed, seen = answers(run)
    labels = [group.label for group in placed.groups]
    assert labels == ["parent", "super-parent", "parent and super-parent"]
    bars = [(b.name, b.share, b.text) for b in placed.groups[0].bars]
    assert bars == [
        ("paper", 0.5, "1 of 2"),
        ("frozen", 1.0, "2 of 2"),
        ("chance", 0.25, "0.5 of 2"),
    ]
    both = [(b.name, b.text) for b in placed.groups[2].bars]
    assert both[2:] == [("chance", "0.1 of 2"), ("paper reports", "14 of 20")]
    low, high = seen.groups[0].bars[0].span
    assert 0 <= low < 0.266 < high <= 1  # two seeds: an interval; one seed has none
    assert [b.text for b in seen.groups[1].bars] == ["14.1 %", "26.6 %", "25.0 %"]
    single = seen_groups(SEEN[SEEN["seed"] == 0], {"paper": "red", "frozen": "blue"})
    assert single[0].bars[0].span is None
    assert Bar("chance", 3.25, 20).text == "3.3 of 20" and Bar("chance", 3, 20).text == "3 of 20"


def test_runs_that_lack_pieces(run):
    assert answers(Run("nothing")) == [] == summary_lines(Run("nothing"))
    run.save_table(PLACED.assign(right=float("nan")), "placements")  # nothing can be judged
    assert [answer.question for answer in answers(run)] == ["Is a seen class recognised?"]


def test_own_versions_come_first():
    told = told_methods(["frozen_base", "paper", "rows", "frozen", "released"])
    assert list(told) == ["rows", "paper", "frozen"]
    assert told_methods(["released"]) == {"released": "with method “released”"}
    assert list(told_methods(["start", "paper", "frozen"])) == ["paper", "start"]


def test_every_method_of_the_study_is_explained(run):
    assert explained_methods(answers(run)) == {m: EXPLAINED[m] for m in ("paper", "frozen")}
    assert set(METHOD_LABELS) - {"chance"} <= set(EXPLAINED)
    names = ("frozen", "frozen_base", "mine", "mine_base", "kin")
    bars = [Bar(name, 1, 1, "red") for name in names]
    told = explained_methods([Answer("?", "", [Group("parent", bars)])])
    assert list(told) == ["frozen", "kin", "…_base"]


def test_summary_on_the_terminal(run):
    lines = summary_lines(run)
    assert lines[0].split()[-3:] == ["frozen", "paper", "chance"]
    assert lines[1].split() == ["class", "51.6", "%", "26.6", "%", "6.2", "%"]
    assert lines[-1].split() == ["super-parent", "2", "1", "0.5"]


# ---- the first screen ----


def placed_as(**right: int) -> pd.DataFrame:
    "Placements of 12 unseen classes, of which each method puts some right, at both levels."
    rows = [
        (method, 0, level, f"animal {i:02d}", 0, int(i < n), 0.25, int(i < n), 1)
        for method, n in right.items()
        for level in (1, 2)
        for i in range(12)
    ]
    return pd.DataFrame(rows, columns=PLACED.columns)


@pytest.mark.parametrize(
    ("right", "words"),
    [
        ({"paper": 1, "frozen": 10}, "makes it worse: it puts 1 of 12 unseen animals"),
        ({"paper": 10, "frozen": 1}, "helps: it puts 10 of 12 unseen animals"),
        ({"paper": 5, "frozen": 6}, "makes no difference that 12 animals could show"),
        ({"frozen": 6}, "Parent right: 6 of 12 without any training; by chance 3 of 12."),
    ],
)
def test_the_verdict_says_no_more_than_its_interval(saved_run, right, words):
    run = saved_run({"placements": placed_as(**right)})
    said = verdict(run, answers(run))
    assert words in said and said.startswith("With this run's encoder") == ("paper" in right)


def test_training_on_small_pictures_is_held_against_the_encoder_that_sees_small_ones(saved_run):
    placed = placed_as(paper=5, start=6, frozen=11)
    run = saved_run({"placements": placed, "seen": SEEN.replace({"method": {"frozen": "start"}})})
    told = answers(run)
    said = verdict(run, told)
    assert (
        "5 of 12" in said
        and "on equally small pictures without any training 6" in said
        and "11" not in said
    )
    assert "no difference that 12 animals" in said
    numbers = key_numbers(told)
    assert [n.text for n in numbers[:2]] == ["5 of 12", "6 of 12"]
    assert "on equally small pictures without any training; chance" in numbers[2].beside
    placed = placed_as(paper=3, start=9)
    even = placed["slug"].str[-2:].astype(int) % 2  # two sets of kin, both of which lose half
    run = saved_run({"placements": placed.assign(kin_set=even)})
    assert "(a difference of 6 to 6, 95" in verdict(run, answers(run))
    run = saved_run({"placements": placed.assign(kin_set=0)})  # one set of kin has no interval
    assert "too few animals to show anything: it puts 3 of 12" in verdict(run, answers(run))


def test_three_numbers_and_a_chart(run):
    told = answers(run)
    assert [(n.text, n.how) for n in key_numbers(told)] == [
        ("1 of 2", "After training as the paper describes"),
        ("2 of 2", "Without any training"),
        ("26.6 %", "After training as the paper describes"),
    ]
    first, _, third = key_numbers(told)
    assert first.interval == "95\u00a0% interval 0 to 2" and "14 of 20" in first.beside
    assert third.beside == "51.6 % without any training; chance 6.2 %"
    assert [group.label for group in chart(told)] == ["parent", "super-parent"]
    assert [bar.name for bar in chart(told)[0].bars] == ["paper", "frozen", "chance"]
    assert key_numbers([]) == chart([]) == [] and verdict(Run("nothing"), []) == ""


def test_how_wide_trained_rows_scatter(run):
    rows = [
        ("paper", 0, "seen", "top1", 0.2, 0.1, 0.3, 5),
        ("frozen", 0, "seen", "top1", *[0.5] * 3, 5),
    ]
    scatter = pd.DataFrame(rows, columns=read_scatter("none").columns)
    bars = answers(run, scatter)[1].groups[0].values()
    assert (bars["paper"].scatter, bars["frozen"].scatter) == ((0.1, 0.3), None)
    assert key_numbers(answers(run, scatter))[2].interval.endswith(
        "one further seed: 10.0 to 30.0 %"
    )
    table = next(t for t in tables_of(run.folder, 9, scatter) if t["name"] == "seen")
    assert table["columns"][-1] == (ONE_MORE_SEED, False)
    assert {(r[0], r[-1]) for r in table["rows"] if r[2] == "0"} >= {
        ("paper", "0.1 to 0.3"),
        ("frozen", ""),
    }


def test_where_animals_land(saved_run):
    tree = {"nodes": [[], [], [{"name": "mammals"}, {"name": "birds"}]], "methods": []}
    unseen = [{"name": name} for name in ("kiwi", "mouse", "yeti")]
    rows = [[[0, None, None], [0, None, None], row] for row in ([1, 1], [0, 0], [1, None])]
    left, right = panels(
        {**tree, "unseen": unseen, "placed": {"paper": {"7": rows}, "frozen": {"7": rows}}}
    )
    assert (left.title, right.title) == ("Without training", "After training, as in the paper")
    assert [name for _, name in left.animals] == ["mouse", "kiwi", "yeti"]  # by where they land
    assert [kind for *_, kind in left.lines] == ["wrong", "right", "open"]
    assert left.said.startswith("1 of 2 in a super-parent that holds their kin; 2 of 2")
    assert panels(None) == panels({**tree, "unseen": [], "placed": {}}) == []


# ---- figures and tables ----


def test_titles_captions_and_order(run):
    titles = [title_of(name) for name in ("figure5", "phase1", "paper_beside_ours")]
    assert titles == ["Figure 5", "Phase 1", "Paper beside ours"]
    for name in ("zoo", "seen"):
        add_figures(run, name)
    (run.folder / "figures" / "figure5.txt").write_text("Figure 5: up to `k` < 9.")
    figures = figures_of(run.folder)
    assert [f["name"] for f in figures] == ["seen", "figure5", "figure10", "zoo"]
    assert figures[1]["caption"] == "Up to <code>k</code> &lt; 9."
    path = run.folder / "figures" / "figure5.png"
    assert packed(path).startswith("data:image/webp;base64,") and len(packed(path)) < 4e4


def test_a_given_hierarchy_leaves_no_gap(run):
    figures = figures_of(run.folder)
    assert without_gap(figures, "") == without_gap(figures, "own.csv") == figures
    (run.folder / "figures" / "figure5.png").unlink()
    add_figures(run, "figure4", "figure7")
    told = without_gap(figures_of(run.folder), "own.csv")
    assert [f["name"] for f in told] == ["figure4", "figures5and6", "figure7", "figure10"]
    assert "The hierarchy was given (own.csv)" in told[1]["caption"]
    run.path("own.csv").write_text("")
    save_settings(run, make_settings("smoke", hierarchy=str(run.folder / "own.csv")))
    page = build_report(run, PHASES).read_text()
    assert "Figures 5 and 6" in page and page.count("<img") == 3


def test_tables(run):
    tables = tables_of(run.folder)
    assert [t["name"] for t in tables] == ["seen", "placements", "hierarchy"]
    lengths = [(t["n"], len(t["rows"])) for t in tables_of(run.folder, 3)]
    assert lengths == [(12, 3), (8, 3), (2, 2)]
    assert tables[1]["columns"][:3] == [("method", False), ("seed", True), ("level", True)]
    assert tables[0]["open"]
    assert tables[1]["rows"][0][3] == "<b>cat</b>"  # escaped when it is written, not before


# ---- no traces of the machine, and what is needed to do it again ----


def test_paths_are_shortened():
    text = scrub(f"from {project()}/data/runs and /pictures/of/cats/train", "/pictures/of/cats")
    assert text == "from ./data/runs and cats/train"
    assert scrub(f"{project()}-other") == f"{project()}-other"
    engines = ("local", "ray", "head.example:6379", "ray://10.0.0.1:10001")
    assert [shown_settings({"engine": e})["engine"] for e in engines] == ["local", *["ray"] * 3]
    shown = shown_settings({"images": "/a/b/cats", "weights": "pretrained", "epochs": 3})
    assert shown == {"images": "cats", "weights": "pretrained", "epochs": 3}


def test_run_record(run):
    files = {"hierarchy": "def", "data/taxonomy/x.csv": "ghi"}
    write_marker(run, PHASES[0], "done", {**COST, "inputs": {"pictures": "abc", "files": files}})
    assert run_record(run, PHASES)["contents"] == {"pictures": "abc", "hierarchy": "def"}
    write_marker(run, PHASES[0], "done", COST)
    record = run_record(run, PHASES)
    assert [record["seeds"], record["seconds"], record["settings"]["epochs"]] == [[0], 1.5, 9]
    settings = settings_table(record["settings"])
    assert settings.loc[settings["changed"], "name"].tolist() == ["epochs"]
    with pytest.raises(Refused, match="20_second has not been run: chip run .*-p epochs=9"):
        run_record(run, (*PHASES, Phase("20_second", "the second")))


# ---- the page ----


def test_formulas(tmp_path):
    assert "<mfrac><mn>1</mn><mn>2</mn></mfrac>" in mathml(r"\tfrac12 m")
    assert 'display="block"' in mathml("x", "block")
    assert mathml(r"<\frac{") == r"<code>&lt;\frac{</code>"  # not a formula: shown, not drawn
    prose = "The floor is $m/2$, not `$5`.\n\n$$d \\le m$$"
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(prose)])
    nbformat.write(book, tmp_path / "book.ipynb")
    html = notebook_page(tmp_path / "book.ipynb", "A book")
    assert html.count("<math") == 2 and "$m/2$" not in html and "<code>$5</code>" in html


def test_the_page_of_odd_names(run):
    folder = build_report(run, PHASES).parent
    page = (folder / "index.html").read_text()
    for text in (
        "&lt;b&gt;cat&lt;/b&gt;",
        "What figure5 shows &lt;fast&gt;.",
        "notebooks/10_first.html",
        "tables/seen.csv",
        "figures/figure5.svg",
        "All rights reserved",
        "// https://d3js.org",
    ):
        assert text in page, text
    assert "<b>cat" not in page and "<b>bee" not in page and page.count("data:image/webp") == 2
    assert page.count("</script>") == 3  # data, D3, ours: no name has ended one early
    for path in folder.rglob("*"):
        assert path.suffix in (".png", "") or str(project()) not in path.read_text(), path
    assert [p.name for p in folder.parent.iterdir()] == ["example"]


def test_pictures_in_the_prose_of_notebooks(run):
    folder = build_report(run, PHASES).parent / "notebooks"
    assert 'src="../figures/figure5.svg"' in (folder / "10_first.html").read_text()
    assert "](../figures/figure5.svg)" in (folder / "10_first.ipynb").read_text()
    assert (folder / "../figures/figure5.svg").is_file()


def test_every_script_is_named_by_the_policy(run):
    page = build_report(run, PHASES).read_text()
    scripts = re.findall(r"<script>(.*?)</script>", page, flags=re.DOTALL)
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)[1]
    assert len(scripts) == 2 and "default-src 'none'" in policy
    for script in scripts:
        assert f"'{fingerprint(script)}'" in policy.replace("&#39;", "'")


def test_a_light_report(run):
    add_figures(run, "figure9", "figure9_kin", "seen")
    near = pd.DataFrame({"method": "frozen", "seed": [0, 1], "level": 1, "slug": "deer"})
    near = near.assign(rank=1, target=0, name="ants", cosine=0.5)
    run.save_table(near, "alternatives")
    page = build_report(run, PHASES, light=True)
    rows = (page.parent / "tables" / "alternatives.csv").read_text().splitlines()[1:]
    assert rows == ["frozen,0,1,deer,1,0,ants,0.5"]
    assert sorted(p.name for p in page.parent.glob("figures/*")) == ["seen.png", "seen.txt"]
    text, names = page.read_text(), r'<figure id="([^"]*)"'
    shown = ["seen", "figure5", "figure9", "figure9_kin", "figure10"]
    assert re.findall(names, text) == shown
    assert not (page.parent / "notebooks").exists() and "notebooks/" not in text
    assert "image/png" not in text and text.count("data:image/webp") == 5
    assert re.findall(names, build_report(run, PHASES).read_text()) == shown


def test_killed_between_two_renamings(run):
    target = build_report(run, PHASES).parent
    page = (target / "index.html").read_text()
    target.rename(target.with_name(".example.old"))
    build_report(run, PHASES)
    assert [p.name for p in target.parent.iterdir()] == ["example"]
    assert (target / "index.html").read_text() == page  # the same run gives the same page


PHOTO = '"pictures":{"'


def with_pictures(run: Run) -> None:
    "The run's two classes have a picture each, in a folder of the project."
    photos = project() / "photos"
    paths = [f"train/{key}/1.png" for key in "ab"]
    for path in paths:
        (photos / path).parent.mkdir(parents=True)
        Image.new("RGB", (60, 50), (90, 120, 40)).save(photos / path)
    table = pd.DataFrame({"path": paths, "label": list("ab"), "split": "train"})
    table.to_parquet(run.path("pictures.parquet"))
    about = {"root": stored_path(str(photos)), "summary": "2 images"}
    run.path("study.json").write_text(json.dumps(about))
    save_settings(run, make_settings("smoke", images=str(photos)))


@pytest.mark.parametrize("settings", [True, False])
def test_a_moved_project_keeps_its_photographs(run, tmp_path, monkeypatch, settings):
    with_pictures(run)
    if not settings:  # drawn animals: study.json alone knows where
        save_settings(run, make_settings("smoke"))
    assert PHOTO in build_report(run, PHASES).read_text()
    moved = tmp_path.with_name(f"{tmp_path.name} moved")
    tmp_path.rename(moved)
    monkeypatch.setenv("CHIP_HOME", str(moved))
    page = build_report(run, PHASES)
    assert page.is_relative_to(moved) and PHOTO in page.read_text()
    moved.rename(tmp_path)


def test_a_page_with_photographs_stays(run):
    with_pictures(run)
    page = build_report(run, PHASES)
    before = page.read_text()
    shutil.rmtree(project() / "photos")
    why = (
        "index.html stays, as a new page would lack its photographs: the pictures of run 'example'"
    )
    with pytest.raises(Refused, match=why):
        build_report(run, PHASES)
    assert page.read_text() == before
    assert not [path for path in page.parent.parent.iterdir() if path.name[0] == "."]
    assert PHOTO not in build_report(run, PHASES, light=True).read_text()  # as asked for
    assert PHOTO not in build_report(run, PHASES).read_text()
