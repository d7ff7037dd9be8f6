"The report's page in a browser: a made-up run with hostile names, and the committed pages."

import json
import os
import re
import shutil
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from chip.core.settings import Run, make_settings, save_settings
from chip.data.taxonomy import animals
from chip.running.report import build_report
from chip.running.runs import Phase, write_marker
from chip.running.summaries import compare_runs
from chip.running.sweeps import build_sweep, make_sweep

matplotlib.use("agg")
import matplotlib.pyplot as plt

sync_api = pytest.importorskip(
    "playwright.sync_api", reason="the page is tested with Playwright: pip install -e '.[dev]'"
)
ROOT = Path(__file__).resolve().parent.parent
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium"),
]
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(2)</script>",
    "<b>bold</b> & \"quoted\" 'single' `back` ${alert(3)} {{ 7 * 7 }}",
)
PHASES = (Phase("10_first", "the <i>first</i>"),)
COST = {
    "seconds": 61.5,
    "peak_memory": 10**8,
    "fingerprint": "f",
    "outputs": {},
    "inputs": {},
    "git": {"commit": "c" * 40, "dirty": False},
    "packages": {"python": "3.11"},
    "hardware": {"processor": "one", "cores": 2, "memory": 2**34, "gpu": [], "system": "Linux"},
}


# ---- a run that took no computing ----


def seen_classes() -> pd.DataFrame:
    "tables/hierarchy.csv: 90 real animals and three with hostile names, in 20 parents and 5 super-parents, one of a single class."
    keys = sorted({*animals().keys[::4], "n02123045", "n02123394", "n01518878"})[:90]
    rows = [
        (
            key,
            animals().names[key],
            i // 5,
            f"group {i // 5} (4 of 5)",
            i // 25,
            f"kingdom {i // 25} (20 of 25)",
        )
        for i, key in enumerate(keys)
    ]
    rows += [
        (
            f"odd{i}",
            name,
            18,
            f"{name} & co (1 of 2)" if i == 0 else "odd",
            3,
            "kingdom 3 (20 of 25)",
        )
        for i, name in enumerate(HOSTILE[:2])
    ]
    table = pd.DataFrame(
        [*rows, ("odd2", HOSTILE[2], 19, HOSTILE[2], 4, HOSTILE[2])],
        columns=["wnid", "name", "parent", "parent_name", "super_parent", "super_parent_name"],
    )
    table.loc[table["parent"] == 13, "parent_name"] = (
        "felines: cats, … (5 of 5)"  # as Phase 1 cuts a name
    )
    table["parent_name"] = table.groupby("parent")["parent_name"].transform("first")
    return table


UNSEEN = {
    "ragdoll_cat": "n02123045",
    "kiwi_bird": "n01518878",
    "giraffe": "n02389026",
    HOSTILE[0]: "odd0",
}  # the target that frozen gives each


def placed(tree: pd.DataFrame) -> pd.DataFrame:
    "tables/placements.csv: 'mine' with two seeds, 'frozen' near the kin, 'paper' all in one place."
    by_key, rows = tree.set_index("wnid"), []
    for method, seed in (("frozen", 0), ("frozen_base", 0), ("paper", 0), ("mine", 0), ("mine", 1)):
        for slug, key in UNSEEN.items():
            target = (
                tree["wnid"][0]
                if method == "paper" or (method, seed, slug) == ("mine", 1, "kiwi_bird")
                else key
                if key in by_key.index
                else tree["wnid"][1]
            )
            for level, chosen in enumerate(
                (target, by_key.loc[target, "parent"], by_key.loc[target, "super_parent"])
            ):
                right = (
                    None
                    if slug in HOSTILE
                    else int(method != "paper" and slug != "giraffe" and target == key)
                )
                rows.append(
                    (
                        method,
                        seed,
                        level,
                        slug,
                        3,
                        chosen,
                        right,
                        0.1,
                        None if right is None else 3 * right,
                        3,
                    )
                )
    return pd.DataFrame(
        rows,
        columns=[
            "method",
            "seed",
            "level",
            "slug",
            "n_images",
            "chosen",
            "right",
            "chance",
            "photos_right",
            "photos_total",
        ],
    ).assign(lca_depth=lambda table: table["right"].map({0: 1, 1: 3}))


def alternatives(tree: pd.DataFrame, placements: pd.DataFrame) -> pd.DataFrame:
    "tables/alternatives.csv for 'mine', seed 0: the chosen target and the next three in the order of the table."
    columns, rows = ("wnid", "parent", "super_parent"), []
    for r in placements[(placements["method"] == "mine") & (placements["seed"] == 0)].itertuples():
        others = [t for t in tree[columns[r.level]].drop_duplicates() if t != r.chosen][:3]
        rows += [
            ("mine", 0, r.level, r.slug, rank, target, str(target), 0.9 - rank / 10)
            for rank, target in enumerate([r.chosen, *others], start=1)
        ]
    return pd.DataFrame(
        rows, columns=["method", "seed", "level", "slug", "rank", "target", "name", "cosine"]
    )


def pictures(root: Path, tree: pd.DataFrame) -> pd.DataFrame:
    "An image folder with a picture a class, and the table of it."
    rows = [
        (f"{split}/{label}/0 <i>.jpg", label, split)
        for split, labels in (("train", tree["wnid"]), ("unseen", UNSEEN))
        for label in labels
    ]
    for i, (path, _, _) in enumerate(rows):
        (root / path).parent.mkdir(parents=True)
        Image.new("RGB", (60, 50), (40 + i % 200, 120, 90)).save(root / path)
    return pd.DataFrame(rows, columns=["path", "label", "split"]).assign(bytes=1, sha256="")


def figures(run: Run) -> None:
    "Three small figures with captions."
    figure, ax = plt.subplots(figsize=(4, 2.5))
    ax.plot(np.arange(4))
    for name in ("figure5", "placements", "mine"):
        run.save_figure(figure, name, f"What {name} shows, <u>escaped</u>.")
    plt.close(figure)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory):
    "The pages of the made-up run: with pictures, and light."
    home, before = tmp_path_factory.mktemp("home"), os.environ.get("CHIP_HOME")
    os.environ["CHIP_HOME"] = str(home)
    run, tree = Run("made-up"), seen_classes()
    (home / "pictures").mkdir()
    save_settings(run, make_settings("smoke", images=str(home / "pictures"), epochs=9))
    pictures(home / "pictures", tree).to_parquet(run.path("pictures.parquet"))
    run.path("study.json").write_text(
        json.dumps({"root": str(home / "pictures"), "summary": "97 images", "n_rejected": 0})
    )
    where = placed(tree)
    run.save_table(tree, "hierarchy", "Who lies where.")
    run.save_table(where, "placements", "Where each unseen class was put.")
    run.save_table(alternatives(tree, where), "alternatives", "What came next.")
    seen = [
        (m, s, level, 30, 93 // 5**level, 93 // 5**level, top1 / (level + 1), 5**level / 93)
        for m, s, top1 in (
            ("frozen", 0, 0.8),
            ("paper", 0, 0.1),
            ("mine", 0, 0.9),
            ("mine", 1, 0.88),
        )
        for level in range(3)
    ]
    run.save_table(
        pd.DataFrame(
            seen,
            columns=["method", "seed", "level", "n_images", "n_targets", "n", "top1", "chance"],
        ),
        "seen",
        "How often the nearest target is right.",
    )
    figures(run)
    run.save_table(
        pd.DataFrame({"claim": ["one", "two"], "verdict": ["reproduced", "not reproduced"]}),
        "claims",
        "The ledger.",
    )
    run.path("audit", "summary.md").write_text("Verdicts on 2 claims: reproduced 1, not 1.")
    run.path("audit", "summary.html").write_text(
        "<h3>Scope</h3><p>Verdicts on 2 claims: reproduced 1, not 1.</p>"
    )
    write_marker(run, PHASES[0], "done", COST)
    light = shutil.copy(build_report(run, PHASES, light=True), home / "light.html")
    yield {"full": build_report(run, PHASES), "light": Path(light)}
    os.environ.pop("CHIP_HOME")
    if before:
        os.environ["CHIP_HOME"] = before


def finished(run: Run, settings, tree: pd.DataFrame) -> None:
    "What a point of a sweep leaves, with the unseen classes of hostile names among the rest."
    save_settings(run, settings)
    where = placed(tree).query("seed == 0").assign(seed=settings.seed)
    run.save_table(tree, "hierarchy")
    run.save_table(where, "placements")
    seen = [
        (
            m,
            settings.seed,
            level,
            30,
            93 // 5**level,
            min(top1 + settings.margin / (level + 2), 1),
            5**level / 93,
        )
        for m, top1 in (("frozen", 0.8), ("paper", 0.1))
        for level in range(3)
    ]
    run.save_table(
        pd.DataFrame(
            seen, columns=["method", "seed", "level", "n_images", "n_targets", "top1", "chance"]
        ),
        "seen",
    )
    write_marker(run, PHASES[0], "done", COST)


@pytest.fixture(scope="module")
def grids(tmp_path_factory: pytest.TempPathFactory):
    "The pages of a sweep, one point of which has failed with hostile words, and of a comparison of two of its runs."
    home, before = tmp_path_factory.mktemp("grids"), os.environ.get("CHIP_HOME")
    os.environ["CHIP_HOME"] = str(home)
    sweep = make_sweep("smoke", {"margin": (0.1, 0.5), "seed": (0, 1, 2)}, "swept")
    for point in sweep.points:
        finished(
            point.run,
            point.settings,
            seen_classes()
            if point.settings.margin < 0.5
            else seen_classes().assign(parent_name=HOSTILE[1]),
        )
    yield {
        "sweep": build_sweep(
            sweep, PHASES, {sweep.points[-1].name: f"{HOSTILE[0]} {HOSTILE[1]}"}, "stamp"
        ),
        "comparison": compare_runs([sweep.points[0].name, sweep.points[3].name], "both", PHASES),
    }
    os.environ.pop("CHIP_HOME")
    if before:
        os.environ["CHIP_HOME"] = before


# ---- a browser that notes whatever should not happen ----


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield found
        found.close()


class Visit:
    "A page in the browser, and what it did that a page should not."

    def __init__(self, browser, path: Path, **context):
        self.context = browser.new_context(
            **{"viewport": {"width": 1280, "height": 900}, "reduced_motion": "reduce", **context}
        )
        self.page, self.faults, self.refused, url = (
            self.context.new_page(),
            [],
            [],
            path.resolve().as_uri(),
        )
        self.page.on(
            "console",
            lambda m: (
                self.faults.append(f"console {m.type}: {m.text}")
                if m.type in ("error", "warning")
                else None
            ),
        )
        self.page.on("pageerror", lambda e: self.faults.append(f"error: {e}"))
        self.page.on("dialog", lambda d: (self.faults.append(f"dialog: {d.message}"), d.dismiss()))
        self.page.on(
            "request",
            lambda r: (
                self.faults.append(f"request: {r.url[:300]}")
                if r.url.partition("#")[0] != url and not r.url.startswith("data:")
                else None
            ),
        )
        self.page.on("requestfailed", lambda r: self.refused.append((r.url, r.failure)))
        self.page.goto(url)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.context.close()
        if kind is None:
            assert not self.faults, self.faults

    def cells(self) -> list[str]:
        return self.page.locator(".cell").evaluate_all("all => all.map(c => c.dataset.label)")

    def cell(self, name: str):
        return self.page.locator(f'.cell[data-label^="{name}"]').first

    def focused(self) -> str:
        return self.page.evaluate(
            "(e => e.dataset.label || e.getAttribute('aria-label') || e.id)(document.activeElement)"
        )

    def about(self) -> str:
        return self.page.locator("#explorer-about").inner_text()

    def title(self) -> str:
        return self.page.locator("#explorer-about h3").inner_text()

    def path(self) -> list[str]:
        return self.page.locator("#explorer-path button:not(.out)").all_inner_texts()

    def chip(self, name: str):
        return self.page.locator("#explorer-unseen button", has_text=name)

    def marks(self, name: str) -> str:
        return self.chip(name).locator(".marks").text_content()

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def find(self, text: str) -> list[str]:
        self.page.locator("#explorer-find").fill(text)
        return self.page.locator("#explorer-found li span").all_inner_texts()


@pytest.fixture
def visit(browser, report):
    with Visit(browser, report["full"]) as found:
        yield found


# ---- the page ----


def check_figures(page) -> int:
    "Every picture on the page is loaded, has a text, and every figure has its sentence. How many figures there are."
    pictures = page.locator("figure img").evaluate_all(
        "all => all.map(i => [i.naturalWidth, i.getBoundingClientRect().width, i.alt, i.closest('figure').querySelector('figcaption p')?.innerText || ''])"
    )
    for natural, shown, alt, said in pictures:
        assert natural > 0 and shown > 0 and len(alt) > 10 and len(said) > 10, (
            natural,
            shown,
            alt,
            said,
        )
    assert page.evaluate("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
    return len(pictures)


def test_figures_and_tables(visit):
    assert check_figures(visit.page) == 3
    tables = visit.page.locator(".table")
    assert tables.count() == 5
    for i in range(5):
        assert len(tables.nth(i).locator("p").first.inner_text()) > 5
    assert visit.page.locator("#audit").count() == 1


def test_summary_comes_first(visit):
    assert visit.page.locator("main h2").first.inner_text() == "What came out"
    cards = visit.page.locator(".answers .card").all_inner_texts()
    untrained = "without any training; by chance"
    assert (
        "Parent right: 1.5 of 3 with method “mine”, 0 of 3 after training as the paper describes "
        f"and 2 of 3 {untrained} 0.3 of 3."
    ) in cards[0]
    assert "the paper reports 14 of 20" in cards[0]
    assert (
        "Recognised test pictures of known animals: 89.0 % with method “mine”, 10.0 % after "
        f"training as the paper describes and 80.0 % {untrained}"
    ) in cards[1]
    colours = visit.page.locator(".track i.method").evaluate_all(
        "all => new Set(all.map(i => getComputedStyle(i).backgroundColor)).size"
    )
    assert colours >= 3
    for words in ("frozen", "paper", "mine", "chance", "paper reports"):
        assert re.search(rf"\b{words}\b", cards[0])


def test_the_first_screen(visit):
    "A verdict, three numbers, a picture and a chart, without scrolling."
    visit.page.set_viewport_size({"width": 1440, "height": 900})
    boxes = {
        what: visit.page.locator(what).first.bounding_box()
        for what in ("h1", ".verdict-line", ".numbers", ".landed svg", ".shown .bars")
    }
    assert all(box["y"] + min(box["height"], 300) <= 900 for box in boxes.values()), boxes
    numbers = visit.page.locator(".numbers li").all_inner_texts()
    assert len(numbers) == 3 and all("interval" in text for text in numbers)
    assert "the paper reports 14 of 20" in numbers[0] and "10.0 %" in numbers[2]
    said = visit.page.locator(".landed figcaption").all_inner_texts()
    assert "Without training" in said[0] and "2 of 3 in a super-parent" in said[0]
    assert visit.page.locator(".landed svg path").count() == 2 * len(UNSEEN)


def test_on_paper_tables_stand_open(visit):
    "Every table can be read, and what is to be clicked is gone."
    visit.page.emulate_media(media="print")
    hidden = "all => all.filter(t => t.getBoundingClientRect().height < 10).length"
    assert visit.page.locator(".table table").evaluate_all(hidden) == 0
    assert visit.page.locator("nav.sections, #explorer-stage, summary").evaluate_all(
        "all => all.every(e => !e.getClientRects().length)"
    )


def test_fingers_can_hit_what_can_be_chosen(browser, report):
    "What the explorer offers is 24 pixels high; where a block is lower, the one around it opens."
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True}
    with Visit(browser, report["full"], **phone) as visit:
        visit.chip("Kiwi").tap()
        small = """all => all.map(e => [e.innerText, e.getBoundingClientRect()])
            .filter(([_, b]) => b.height && (b.height < 24 || b.width < 24))"""
        chosen = ".explorer button, .explorer input, .explorer select, .explorer a"
        assert visit.page.locator(chosen).evaluate_all(small) == []
        low = visit.cell("group 7")
        assert low.bounding_box()["height"] < 24
        low.tap()
        assert visit.path()[-1] == "kingdom 1"
        low.tap()
        assert visit.path()[-1] == "group 7"


def test_how_near_a_wrong_answer_is(visit):
    "The deepest common ancestor, by its name and depth, beside right and wrong."
    visit.chip("Giraffe").click()
    assert "are animals" not in visit.about() and ": depth 1 of" in visit.about()
    cells = visit.page.locator("#explorer-about .methods tbody td").all_inner_texts()
    assert cells and all(cell.split()[-1] in ("1", "3") for cell in cells)


def test_every_method_is_explained(visit):
    "Each name beside the bars, in a sentence of its own."
    beside = set(visit.page.locator(".answers .bars dt").all_inner_texts()) - {"", "paper reports"}
    told = dict(
        zip(
            visit.page.locator("dl.what dt").all_inner_texts(),
            visit.page.locator("dl.what dd").all_inner_texts(),
            strict=True,
        )
    )
    assert beside - set(told) == {"mine"}  # a method that someone has added
    assert (
        all(text.endswith(".") and len(text) > 20 for text in told.values())
        and "no" in told["frozen"]
    )


def test_a_cut_name_is_whole_beside(visit):
    "Short on its block, with all that it holds in the panel."
    visit.cell("felines: cats, …").click()
    assert visit.path()[-1] == "felines: cats, …" and visit.title() == "felines: cats, tiger"


def test_zooming(visit):
    all_cells = visit.cells()
    assert len(all_cells) == 93 + 20 + 5 and visit.path() == ["All 93 classes"]
    visit.cell("kingdom 1").click()
    inside = visit.cells()
    assert (
        len(inside) == 5 + 25
        and visit.path() == ["All 93 classes", "kingdom 1"]
        and visit.title() == "kingdom 1"
    )
    visit.cell("group 7").click()
    assert len(visit.cells()) == 5 and visit.path()[-1] == "group 7"
    boxes = visit.page.locator(".cell").evaluate_all(
        "all => all.map(c => [c.clientHeight, c.querySelector('.text').innerText])"
    )
    assert all(height > 40 and text for height, text in boxes)  # a class can be read
    first = visit.cells()[0].split(",")[0]
    visit.cell(first).click()
    assert visit.title() == first and visit.path()[-1] == "group 7"
    visit.page.get_by_role("button", name="Zoom out").click()
    assert visit.path()[-1] == "kingdom 1"
    visit.page.locator("#explorer-path button", has_text="All 93 classes").click()
    assert visit.cells() == all_cells
    assert visit.page.get_by_role("button", name="Zoom out").is_disabled()


def test_blocks_fill_their_column(visit):
    "Siblings lie one under the other without gaps, and each inside its parent's rows."

    def boxes():
        return visit.page.locator(".cell").evaluate_all(
            "all => all.map(c => [c.className.match(/level(\\d)/)[1], c.offsetLeft, parseFloat(c.style.top), parseFloat(c.style.height)])"
        )

    for open_first in (False, True):
        if open_first:
            visit.cell("kingdom 0").click()
        found, tall = boxes(), visit.page.locator("#explorer-tree").evaluate("t => t.clientHeight")
        for level in {b[0] for b in found}:
            column = sorted(b[2:] for b in found if b[0] == level)
            assert column[0][0] == 0 and abs(sum(column[-1]) - tall) < 1
            assert all(abs(a[0] + a[1] - b[0]) < 0.1 for a, b in zip(column, column[1:]))


def test_searching(visit):
    assert visit.find("tabby")[0] == "tabby"
    visit.press("Enter")
    assert (
        visit.focused().startswith("tabby, class")
        and visit.title() == "tabby"
        and len(visit.path()) == 3
    )
    for typed, meant in (
        ("tabyb", "tabby"),
        ("Persain ca", "Persian cat"),
        ("OSTRCH", "ostrich"),
        ("girafe", "giraffe"),
        ("ragdol", "Ragdoll cat"),
    ):
        assert visit.find(typed)[0].lower() == meant.lower(), typed
    assert (
        visit.find("qqqqqqqq") == []
        and "no animal" in visit.page.locator("#explorer-found").inner_text()
    )
    assert visit.find("") == [] and visit.page.locator("#explorer-found").is_hidden()
    found = visit.find("group 1")
    visit.page.locator("#explorer-find").press("ArrowDown")
    active = visit.page.locator("#explorer-find").get_attribute("aria-activedescendant")
    assert visit.page.locator(f"#{active} span").inner_text() == found[1]
    visit.press("Escape")
    assert visit.page.locator("#explorer-find").input_value() == ""
    visit.find("kiwi")
    visit.press("Enter")
    assert visit.title().lower() == "kiwi" and visit.focused() == "What is selected"
    visit.page.locator("#explorer-about").press("/")
    assert visit.focused() == "explorer-find"


def test_keyboard(visit):
    tree = visit.page.locator("#explorer-tree")
    assert tree.locator("[tabindex='0']").count() == 1
    tree.locator("[tabindex='0']").focus()
    visit.press("Home")
    first = visit.focused()
    visit.press("ArrowDown")
    second = visit.focused()
    assert first != second and visit.title() == second.split(",")[0]
    ring = visit.page.evaluate(
        "(s => [s.outlineStyle, parseFloat(s.outlineWidth)])(getComputedStyle(document.activeElement))"
    )
    assert ring[0] not in ("none", "") and ring[1] >= 2
    visit.press("ArrowUp")
    assert visit.focused() == first
    visit.press("Enter")
    assert visit.path()[1:] == [first.split(",")[0]] and ", parent, " in visit.focused()
    visit.press("ArrowRight")
    assert ", class" in visit.focused()
    visit.press("ArrowLeft")
    assert ", parent, " in visit.focused()
    visit.press("Enter", "End")
    assert len(visit.path()) == 3 and tree.locator("[tabindex='0']").count() == 1
    visit.press("Escape", "Escape")
    assert visit.path() == ["All 93 classes"] and visit.focused() == first
    visit.press("Escape")  # already outside
    assert visit.path() == ["All 93 classes"]


def test_walking_down_stays_readable(visit):
    "Stepping to a block too thin for its name opens its surroundings."
    visit.page.locator("#explorer-tree [tabindex='0']").focus()
    visit.press("ArrowRight", "ArrowRight")
    assert ", class" in visit.focused()
    assert visit.page.evaluate(
        "(e => e.clientHeight >= 14 && e.querySelector('.text').innerText)(document.activeElement)"
    )


def test_methods_and_seeds(visit):
    chosen = visit.page.locator("#explorer-method")
    assert (
        chosen.locator("option").all_inner_texts()[0].startswith("mine")
        and chosen.input_value() == "mine"
    )
    assert (
        visit.marks("Kiwi") == "✓✓✓"
        and visit.marks("Giraffe") == "✗✗✗"
        and visit.marks(HOSTILE[0]) == "???"
    )
    visit.page.locator("#explorer-seed").select_option("1")
    assert visit.marks("Kiwi") == "✗✗✗"
    chosen.select_option("paper")
    assert (
        visit.marks("Ragdoll") == "✗✗✗" and visit.page.locator("#explorer-choose-seed").is_hidden()
    )
    assert chosen.locator("optgroup option").evaluate_all("all => all.map(o => o.value)") == [
        "frozen_base"
    ]
    chosen.select_option("frozen")
    assert (
        visit.chip("Ragdoll")
        .get_attribute("aria-label")
        .endswith(": super-parent right, parent right, class right")
    )


def test_unseen_class(visit):
    visit.chip("Ragdoll").click()
    assert (
        visit.title() == "Ragdoll cat"
        and visit.chip("Ragdoll").get_attribute("aria-pressed") == "true"
    )
    text = visit.about()
    assert (
        "Super-parent: right (3 of 3 single photos right; a blind choice: 10 %)" in text
        and "tabby" in text
        and "Persian cat" in text
    )
    tables = visit.page.locator("#explorer-about table:not(.methods)")
    assert [tables.nth(i).locator("tbody tr").count() for i in range(3)] == [4, 4, 4]
    assert tables.nth(2).locator("tr.chosen").inner_text().split() == [
        "✓",
        "right,",
        "chosen",
        "tabby",
        "0.800",
    ]
    assert [c.split()[0] for c in tables.nth(2).locator("tbody tr").all_inner_texts()][1:] == [
        "✗"
    ] * 3
    assert (
        visit.page.locator(".cell.pin.right").count() == 3
        and visit.page.locator(".cell.kin").count() >= 4
    )
    assert (
        visit.page.locator(".cell.pin .mark").all_inner_texts() == ["✓"] * 3
    )  # a sign, not a colour alone
    by_method = visit.page.locator("#explorer-about .methods tbody tr").all_inner_texts()
    assert (
        len(by_method) == 3
        and by_method[0].startswith("mine")
        and next(m for m in by_method if m.startswith("paper")).count("✗") == 3
    )
    visit.page.locator("#explorer-about .methods button", has_text="paper").click()
    assert (
        visit.page.locator("#explorer-method").input_value() == "paper"
        and visit.page.locator(".cell.pin.wrong").count() == 3
    )
    assert "No alternatives" in visit.about()
    visit.page.locator("#explorer-about .go", has_text="tabby").first.click()
    assert (
        visit.title() == "tabby"
        and "placed elsewhere" in visit.about()
        and "Ragdoll cat" in visit.about()
    )
    visit.chip("Ragdoll").click()
    visit.chip("Ragdoll").click()
    assert visit.page.locator(".cell.pin").count() == 0


def test_photos_are_inside_the_page_and_light_has_none(browser, report):
    with Visit(browser, report["full"]) as full:
        full.chip("Kiwi").click()
        assert full.page.locator("#explorer-about img").evaluate_all(
            "all => all.map(i => [i.src.slice(0, 16), i.naturalWidth, i.alt])"
        ) == [["data:image/webp;", 88, "Kiwi, photo 1"]]
    with Visit(browser, report["light"]) as light:
        assert check_figures(light.page) == 3
        light.chip("Kiwi").click()
        assert light.page.locator("#explorer-about img, .cell img").count() == 0
        assert json.loads(light.page.locator("#explorer-data").text_content())["pictures"] == {}
        light.cell("kingdom 1").click()
        assert light.page.locator(".cell img").count() == 0 and all(
            light.page.locator(".cell .text").all_inner_texts()
        )


# ---- hostile names ----


def test_hostile_names_are_harmless(visit):
    "They are shown as they are, wherever names are shown, and nothing of them runs."
    assert visit.page.evaluate("document.querySelectorAll('script').length") == 3
    for name in HOSTILE:
        assert name in visit.find(name)
        visit.press("Enter")
        assert visit.title() == name
        assert any(name in text for text in visit.page.locator(".cell").all_inner_texts())
    visit.chip(HOSTILE[0]).click()
    assert (
        visit.title() == HOSTILE[0]
        and "cannot be judged" not in visit.about()
        and "no landing can be judged" in visit.about()
    )
    assert (
        visit.page.locator("img[src='x']").count() == 0
        and visit.page.locator("b", has_text="bold").count() == 0
    )
    assert (
        "{{ 7 * 7 }}" in visit.page.locator("#table-hierarchy").inner_html()
        and "<u>escaped</u>" in visit.page.locator(".gallery figcaption").first.inner_text()
    )


def test_the_policy_refuses_what_was_not_built_in(browser, report, tmp_path):
    "Even a page that someone tampered with runs no other script and fetches nothing."
    text = report["full"].read_text(encoding="utf-8")
    changed = tmp_path / "changed.html"
    changed.write_text(
        text.replace(
            "</main>",
            "<script>window.harmed = 1</script><img src=x onerror='window.harmed = 2'><img src='https://example.org/a.png'></main>",
        ),
        encoding="utf-8",
    )
    found = Visit(browser, changed)
    found.page.wait_for_timeout(100)
    assert found.page.evaluate("window.harmed") is None and len(found.cells()) == 118
    asked = sorted(f.removeprefix("request: ") for f in found.faults if f.startswith("request: "))
    assert asked == sorted(url for url, why in found.refused if why == "csp") and any(
        "Content Security Policy" in f for f in found.faults
    )
    found.context.close()


# ---- for everyone ----

CONTRAST = """() => {
  const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const rgba = colour => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); const d = canvas.getImageData(0, 0, 1, 1).data; return [d[0], d[1], d[2], d[3] / 255]; };
  const over = (top, below) => [0, 1, 2].map(i => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
  const light = c => { const [r, g, b] = c.slice(0, 3).map(v => v / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b; };
  const behind = e => { const all = []; for (let p = e; p; p = p.parentElement) { const c = rgba(getComputedStyle(p).backgroundColor); if (c[3]) all.push(c); if (c[3] === 1) break; }
    return all.reverse().reduce((below, c) => over(c, below), rgba(getComputedStyle(document.body).backgroundColor)); };
  const bad = [];
  for (const e of document.querySelectorAll("body *")) {
    if (![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()) || !e.getClientRects().length || e.closest("script, noscript, :disabled, .hidden, .skip")) continue;
    const style = getComputedStyle(e), size = parseFloat(style.fontSize), ground = behind(e), ink = over(rgba(style.color), ground);
    const [a, b] = [light(ink), light(ground)].sort((x, y) => y - x), ratio = (a + .05) / (b + .05);
    if (ratio < (size >= 24 || (size >= 18.66 && style.fontWeight >= 700) ? 3 : 4.5)) bad.push([ratio.toFixed(2), e.tagName, e.className, e.textContent.trim().slice(0, 40), style.color]);
  }
  return bad;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast(browser, report, scheme):
    "WCAG AA for all text, in each state of the explorer, by day and in the dark."
    with Visit(browser, report["full"], color_scheme=scheme) as visit:
        dark = visit.page.evaluate(
            "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3).every(v => v < 60)"
        )
        assert dark == (scheme == "dark")
        visit.page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        assert visit.page.evaluate(CONTRAST) == []
        visit.chip("Ragdoll").click()
        assert visit.page.evaluate(CONTRAST) == []
        for name in ("kingdom 0", "group 1"):
            visit.cell(name).click()
            assert visit.page.evaluate(CONTRAST) == []


@pytest.mark.parametrize("width", [360, 768])
def test_small_screens_scroll_one_way_only(browser, report, width):
    with Visit(
        browser, report["full"], viewport={"width": width, "height": 740}, has_touch=True
    ) as visit:

        def wide() -> int:
            return visit.page.evaluate("document.documentElement.scrollWidth")

        visit.page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        assert wide() <= width
        visit.chip(HOSTILE[0]).tap()
        assert wide() <= width
        for name in ("kingdom 3", HOSTILE[0][:4]):
            visit.cell(name).tap()
            assert wide() <= width and all(visit.page.locator(".cell").all_inner_texts())
        visit.find("cat")
        assert wide() <= width


BASICS = """() => {
  const named = e => (e.getAttribute("aria-label") || e.innerText || e.getAttribute("title") || (e.labels && e.labels.length && e.labels[0].innerText) || (e.getAttribute("aria-labelledby") && document.getElementById(e.getAttribute("aria-labelledby")).innerText) || "").trim();
  const bad = [], ids = [...document.querySelectorAll("[id]")].map(e => e.id);
  if (!document.documentElement.lang || !document.title || document.querySelectorAll("main").length !== 1 || document.querySelectorAll("h1").length !== 1) bad.push("frame");
  ids.forEach((id, i) => { if (ids.indexOf(id) !== i) bad.push(`id ${id} twice`); });
  for (const e of document.querySelectorAll("a[href], button, input, select, nav, [role=region], [role=tree], [role=treeitem], [role=listbox], [role=group]")) if (!e.closest("[hidden]") && !named(e)) bad.push(`no name: ${e.outerHTML.slice(0, 80)}`);
  for (const e of document.images) if (!e.hasAttribute("alt")) bad.push("no alt");
  for (const e of document.querySelectorAll("[aria-labelledby], [aria-describedby], [aria-controls]")) for (const a of ["aria-labelledby", "aria-describedby", "aria-controls"]) for (const id of (e.getAttribute(a) || "").split(" ").filter(Boolean)) if (!document.getElementById(id)) bad.push(`${a} to ${id}`);
  let last = 1;
  for (const h of document.querySelectorAll("h1, h2, h3, h4")) { const n = +h.tagName[1]; if (n > last + 1) bad.push(`${h.tagName} after H${last}: ${h.innerText}`); last = n; }
  for (const e of document.querySelectorAll("[role=treeitem]")) if (!e.closest("[role=tree]") || !e.getAttribute("aria-level") || !e.getAttribute("aria-posinset")) bad.push("treeitem");
  for (const e of document.querySelectorAll("thead th")) if (e.scope !== "col") bad.push("th without scope");
  for (const e of document.querySelectorAll("a[href^='#']")) if (!document.getElementById(e.getAttribute("href").slice(1))) bad.push(`nothing at ${e.getAttribute("href")}`);
  return bad;
}"""


def test_names_roles_and_order(visit):
    assert visit.page.evaluate(BASICS) == []
    visit.chip("Kiwi").click()
    assert visit.page.evaluate(BASICS) == []
    visit.cell("kingdom 2").click()
    visit.find("cat")
    assert visit.page.evaluate(BASICS) == [] and visit.page.locator("[role=option]").count() > 0
    assert visit.page.locator("#explorer-status").inner_text().startswith("kingdom 2: 5 parents")


def test_without_scripts(browser, report):
    with Visit(browser, report["full"], java_script_enabled=False) as visit:
        assert (
            visit.page.locator("noscript").count() == 1
            and visit.page.locator("#explorer-stage").is_hidden()
        )
        assert visit.page.locator("figure img").count() == 3


def test_links_lead_somewhere(report):
    "Every file that the page names lies beside it."
    text = report["full"].read_text(encoding="utf-8")
    links = [
        link
        for link in re.findall(r'<a [^>]*href="([^"#]+)"', text)
        if not link.startswith("https://d3js.org")
    ]
    assert len(links) > 8 and all((report["full"].parent / link).is_file() for link in links), links


# ---- sweeps and comparisons ----


def open_all(page) -> None:
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")


@pytest.mark.parametrize("kind", ["sweep", "comparison"])
def test_grid_page(browser, grids, kind):
    "Figures, names and order, hostile names, links; the visit itself fails for a message on the console or a request to elsewhere."
    with Visit(browser, grids[kind]) as visit:
        open_all(visit.page)
        assert check_figures(visit.page) >= 3
        assert visit.page.evaluate(BASICS) == []
        assert (
            visit.page.evaluate(
                "document.querySelectorAll('script, iframe, object, img[src=x]').length"
            )
            == 0
        )
        if kind == "sweep":
            assert (
                HOSTILE[0] in visit.page.locator("#table-placements").inner_text()
                and f"{HOSTILE[0]} {HOSTILE[1]}" in visit.page.locator(".card").first.inner_text()
            )
            assert visit.page.locator("b", has_text="bold").count() == 0
        else:
            assert "0.1" in visit.page.locator("#table-settings").inner_text()
        links = visit.page.locator("a:not([href^='#'])").evaluate_all(
            "all => all.map(a => a.getAttribute('href'))"
        )
    assert links and all((grids[kind].parent / link).is_file() for link in links)
    assert (kind == "sweep") == ("results.parquet" in links)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("kind", ["sweep", "comparison"])
def test_grid_contrast_and_width(browser, grids, kind, scheme):
    with Visit(
        browser, grids[kind], color_scheme=scheme, viewport={"width": 360, "height": 740}
    ) as visit:
        open_all(visit.page)
        assert visit.page.evaluate(CONTRAST) == []
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= 360


@pytest.mark.parametrize("kind", ["sweep", "comparison"])
def test_the_policy_of_grid_pages(browser, grids, kind, tmp_path):
    "Neither runs a script, nor fetches anything."
    changed = tmp_path / "changed.html"
    text = grids[kind].read_text(encoding="utf-8")
    changed.write_text(
        text.replace(
            "</main>",
            "<script>window.harmed = 1</script><img src=x onerror='window.harmed = 2'><img src='https://example.org/a.png'></main>",
        ),
        encoding="utf-8",
    )
    found = Visit(browser, changed)
    found.page.wait_for_timeout(100)
    assert found.page.evaluate("window.harmed") is None
    asked = sorted(f.removeprefix("request: ") for f in found.faults if f.startswith("request: "))
    assert asked == sorted(url for url, why in found.refused if why == "csp") and any(
        "Content Security Policy" in f for f in found.faults
    )
    found.context.close()


# ---- the committed pages ----


def is_kept(page: Path) -> bool:
    "Whether a page is of a reference run; others are whatever was run here."
    record = page.parent / "run.json"
    return record.is_file() and bool(
        json.loads(record.read_text(encoding="utf-8")).get("reference")
    )


@pytest.mark.parametrize(
    "path",
    sorted(filter(is_kept, (ROOT / "reports").glob("*/index.html"))),
    ids=lambda path: path.parent.name,
)
def test_committed_page(browser, path):
    with Visit(browser, path) as visit:
        assert check_figures(visit.page) >= 8
        assert visit.page.evaluate(BASICS) == [] and len(visit.cells()) > 366
        assert json.loads(visit.page.locator("#explorer-data").text_content())["pictures"] == {}
        visit.page.locator("#explorer-unseen button").first.click()
        assert visit.page.locator(".cell.pin .mark").count() == 3
        visit.page.set_viewport_size({"width": 360, "height": 740})
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= 360
    links = re.findall(r'<a [^>]*href="([^"#:]+)"', path.read_text(encoding="utf-8"))
    assert links and all((path.parent / link).is_file() for link in links)


def test_committed_reports_are_small():
    "Both together below 5 MB."
    files = [
        p
        for name in ("demo", "photos")
        for p in (ROOT / "reports" / name).rglob("*")
        if p.is_file()
    ]
    if not files:
        pytest.skip("no reports here")
    assert sum(p.stat().st_size for p in files) < 5e6
