"""The page that places photos in the browser: the same answer as `chip place`, and nothing leaves it.

CHIP_TRY_PHOTOS=100 (in the environment) looks at 100 photos and 20 drawn animals instead of a few.
"""

import base64
import functools
import io
import json
import os
import random
import shutil
import subprocess
import threading
import urllib.parse
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from chip.compute.encoders import cropped, encoder_spec
from chip.data.drawing import draw_picture
from chip.data.images import open_image
from chip.data.menagerie_tree import MenagerieSettings, grow_kingdom
from chip.data.taxonomy import animals, imagenet_index
from chip.place import Placer, Question, animal_scores, branches, read_calibration
from chip.running import try_page
from chip.running.runs import Refused

ROOT = Path(__file__).resolve().parent.parent
TEMPLATES = ROOT / "nbs" / "running" / "templates"
WILD = ROOT.parent / "shared" / "data" / "wild"
MANY = int(os.environ.get("CHIP_TRY_PHOTOS", "5"))
SPEC = encoder_spec(try_page.ENCODER)
NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="no Node.js here: apt-get install nodejs")


# ---- under Node: the decision, and the pixels ----


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    "The page's modules where Node takes them as such."
    folder = tmp_path_factory.mktemp("scripts")
    (folder / "package.json").write_text('{"type": "module"}')
    for name in ("try_decide.js", "try_pixels.js"):
        shutil.copy(TEMPLATES / name, folder)
    return folder


def run_node(folder: Path, script: str, data: bytes, *arguments: object) -> bytes:
    "What a script writes that reads `data`."
    head = 'import fs from "node:fs"; const data = fs.readFileSync(0);\n'
    command = [NODE, "--input-type=module", "-e", head + script, *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, input=data, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


@pytest.fixture(scope="module")
def placer() -> Placer:
    "What places scores; its networks are not loaded."
    return Placer(read_calibration(try_page.ENCODER), branches(animals(paper_only=False)))


@pytest.fixture(scope="module")
def facts(placer: Placer) -> dict:
    return json.loads(json.dumps(try_page.page_facts(placer.tree, placer.calibration, SPEC)))


DECIDE = """
import { findWay, growTree, lookAt, stopAt, together } from "./try_decide.js";
const { facts, animals, risks } = JSON.parse(data);
const tree = growTree(facts);
console.log(JSON.stringify(animals.map((photos) => {
  const way = findWay(together(photos.map((scores) => lookAt(scores, tree))), tree, facts.calibration);
  return { ...way, stops: risks.map((risk) => stopAt(way, risk, facts.calibration)) };
})));
"""
RISKS = (0.001, 0.02, 0.1, 0.2, 0.4)


def unlike_scores(rng: np.random.Generator, n: int) -> np.ndarray:  # (n, 1000)
    "Scores of all kinds: sure of one class, torn between the classes of a group, of no animal, of nothing."
    scores = rng.normal(0, 1.5, (n, 1000))
    for i, row in enumerate(scores):
        first = rng.integers(0, 398 if i % 5 else 1000)
        row[first : first + 1 + 4 * (i % 4)] += rng.uniform(0, 12)
    return scores


def pooled_answer(placer: Placer, photos: np.ndarray, risk: float) -> dict:
    "What chip.place answers about one animal of which there are these photos' scores, (n, 1000)."
    seen = [animal_scores(scores[None, None], placer.index) for scores in photos]
    total = np.mean([np.exp(s.logits[0, 0]) / np.exp(s.logits[0, 0]).sum() for s in seen], axis=0)
    share = np.mean([s.animal for s in seen], axis=0)
    scores = type(seen[0])(np.log(total + 1e-12)[None, None], share)
    return placer.place_scores(scores, Question(risk), [len(photos)])[0]


@needs_node
def test_the_decision_is_that_of_place(scripts: Path, placer: Placer, facts: dict):
    "Scores of single photos and of several of one animal: the same way, chances, stop, kin and verdict."
    rng = np.random.default_rng(0)
    groups = [unlike_scores(rng, n) for n in [1] * 60 + [2, 3, 5, 12] * 4]
    asked = {"facts": facts, "animals": [g.tolist() for g in groups], "risks": RISKS}
    answers = json.loads(run_node(scripts, DECIDE, json.dumps(asked).encode()))
    tree, verdicts = placer.tree, set()
    for group, answer in zip(groups, answers, strict=True):
        for risk, step in zip(RISKS, answer["stops"], strict=True):
            row = pooled_answer(placer, group, risk)
            verdicts.add(row["verdict"])
            assert answer["isAnimal"] == (row["verdict"] != "no animal")
            assert answer["animal"] == pytest.approx(row["animal_probability"], rel=1e-9)
            kin = [row[f"kin_{i}"] for i in range(1, 6)]
            assert [tree.names[one["node"]] for one in answer["kin"]] == kin
            names = [tree.names[one["node"]] for one in answer["steps"][1:]]
            assert names == [n for i in range(1, tree.depth) if (n := row[f"level_{i}"])]
            chances = [row[f"level_{i}_probability"] for i in range(1, len(names) + 1)]
            assert [one["chance"] for one in answer["steps"][1:]] == pytest.approx(chances, 1e-6)
            if answer["isAnimal"]:
                assert tree.nodes[answer["steps"][step]["node"]] == row["answer"]
                assert answer["isKnown"] == (row["verdict"] == "known")
    assert verdicts == {"known", "new kind", "no animal"}


SHRINK = """
import { cropPlan, shrinkColumns, shrinkRows } from "./try_pixels.js";
const [width, height, size, resize] = process.argv.slice(1).map(Number);
const plan = cropPlan(width, height, { size, resize });
const half = new Uint8Array((plan.last - plan.first) * size * 3);
const rows = data.subarray(plan.first * width * 4, plan.last * width * 4);
shrinkRows(rows, width, 0, plan.columns, half);
fs.writeSync(1, shrinkColumns(half, size, plan.rows));
"""


@needs_node
@pytest.mark.parametrize(
    "width, height", [(301, 200), (97, 120), (256, 256), (900, 1203), (20, 150)]
)
def test_pixels_are_shrunk_as_pillow_does(scripts: Path, width: int, height: int):
    "To the last bit, larger and smaller than the crop, odd and even."
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 4), dtype=np.uint8)
    sizes = (width, height, SPEC.size, SPEC.resize)
    found = np.frombuffer(run_node(scripts, SHRINK, pixels.tobytes(), *sizes), np.uint8)
    expected = cropped(Image.fromarray(pixels[..., :3].copy()), SPEC)
    assert np.array_equal(found.reshape(expected.shape), expected)


PLAIN = """
import { kindOf, plain } from "./try_pixels.js";
const { bytes, orientation } = plain(new Uint8Array(data));
fs.writeSync(1, kindOf(data) + " " + orientation + "\\n");
fs.writeSync(1, bytes);
"""


def noted(kind: str, orientation: int, big_endian: bool = False) -> bytes:
    "A small picture with a colour profile and an orientation."
    from PIL import ImageCms

    exif = Image.Exif()
    exif.endian = ">" if big_endian else "<"
    exif[0x0112] = orientation
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    file, pixels = io.BytesIO(), np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)
    Image.fromarray(pixels).save(file, kind, exif=exif, icc_profile=profile)
    return file.getvalue()


@needs_node
@pytest.mark.parametrize("kind", ["jpeg", "png", "webp"])
@pytest.mark.parametrize("orientation, big_endian", [(1, False), (6, True), (8, False)])
def test_notes_are_read_and_taken_out(scripts: Path, kind: str, orientation: int, big_endian: bool):
    data = noted(kind, orientation, big_endian)
    head, _, rest = run_node(scripts, PLAIN, data).partition(b"\n")
    assert head.decode() == f"{kind} {orientation}"
    with Image.open(io.BytesIO(rest)) as plain, Image.open(io.BytesIO(data)) as before:
        assert "icc_profile" not in plain.info and plain.getexif().get(0x0112, 1) == 1
        assert np.array_equal(plain, before)


@needs_node
@pytest.mark.parametrize("cut", [12, 60])
def test_a_torn_file_goes_to_the_decoder_as_it_is(scripts: Path, cut: int):
    for kind in ("jpeg", "png", "webp"):
        run_node(scripts, PLAIN, noted(kind, 6)[:cut])


# ---- the export ----


def test_without_npm_there_is_one_line_and_no_page(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("CHIP_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", "")
    try_page.export(tmp_path / "book")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 and "npm is missing" in lines[0] and not (tmp_path / "book").exists()


@pytest.mark.skipif(shutil.which("npm") is None, reason="no npm here: apt-get install npm")
def test_without_a_network_there_is_one_line_too(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("CHIP_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9")
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "cache"))
    monkeypatch.setenv("npm_config_fetch_retry_mintimeout", "1")
    try_page.export(tmp_path / "book")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 and "npm could not fetch" in lines[0] and "ECONNREFUSED" in lines[0]
    assert not (tmp_path / "book").exists()


def test_another_archive_is_refused(tmp_path, monkeypatch):
    archive = tmp_path / "data" / "npm" / "{}-{}.tgz".format(*try_page.RUNTIME)
    archive.parent.mkdir(parents=True)
    archive.write_bytes(b"something else")
    monkeypatch.setenv("CHIP_HOME", str(tmp_path))
    with pytest.raises(Refused, match="tgz is not onnxruntime-web@1.30.0"):
        try_page.runtime_archive()


def test_an_older_version_goes_and_other_files_stay(tmp_path):
    facts = {"encoder": "x", "tree": {"own": [1]}}
    (tmp_path / "try").mkdir()
    (tmp_path / "try" / "mine.txt").write_text("mine")
    for content in (b"1", b"2"):
        try_page.write_page(tmp_path, {"try.js": content}, facts)
    folders = [path for path in (tmp_path / "try").iterdir() if path.is_dir()]
    assert len(folders) == 1 and (folders[0] / "try.js").read_bytes() == b"2"
    assert (tmp_path / "try" / "mine.txt").read_text() == "mine"
    assert f"try/{folders[0].name}/try.js" in (tmp_path / "try.html").read_text()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    "The page with all its files."
    missing = [name for name in ("onnx", "onnxscript", "onnxruntime") if not find_spec(name)]
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed: pip install -e '.[book]'")
    try:
        files, facts = try_page.page_files()
    except Refused as problem:
        pytest.skip(str(problem))
    folder = tmp_path_factory.mktemp("page")
    try_page.write_page(folder, files, facts)
    return folder


# ---- in Chromium ----


class Desk(SimpleHTTPRequestHandler):
    "Serves the page, and stands between the browser and everything else: whatever is asked is noted."

    asked: list[tuple[str, str, int]] = []  # method, address, bytes sent along
    OWN = ("localhost", "museum.example")

    def log_message(self, *_):
        pass

    def note(self) -> None:
        self.asked.append((self.command, self.path, int(self.headers.get("content-length", 0))))

    def do_GET(self) -> None:
        self.note()
        address = urllib.parse.urlsplit(self.path)
        if address.hostname not in self.OWN:
            self.send_error(502)
            return
        self.path = address.path
        super().do_GET()

    def refuse(self) -> None:
        self.note()
        self.send_error(502)

    do_CONNECT = do_POST = do_PUT = do_HEAD = do_OPTIONS = refuse


def serve(folder: Path, port: int = 0) -> ThreadingHTTPServer:
    server = ThreadingHTTPServer(
        ("127.0.0.1", port), functools.partial(Desk, directory=str(folder))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@pytest.fixture(scope="module")
def browser(folder: Path):
    "Chromium, all of whose traffic passes through the desk."
    sync_api = pytest.importorskip("playwright.sync_api", reason="pip install -e '.[dev]'")
    from test_page import CHROMIUM, FLAGS

    if CHROMIUM is None:
        pytest.skip("no Chromium here: apt-get install chromium")
    desk = serve(folder)
    flags = [
        *FLAGS,
        f"--proxy-server=http://127.0.0.1:{desk.server_port}",
        "--proxy-bypass-list=<-loopback>",
    ]
    with sync_api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        found.desk = desk
        yield found
        found.close()
    desk.shutdown()
    desk.server_close()


class Visit:
    "The page, opened and ready, and what went wrong in it."

    def __init__(self, browser, host: str = "localhost", **context):
        self.context = browser.new_context(
            **{"viewport": {"width": 1280, "height": 900}, "reduced_motion": "reduce", **context}
        )
        self.page, self.faults = self.context.new_page(), []
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on(
            "console",
            lambda said: self.faults.append(said.text) if said.type in ("error", "warning") else 0,
        )
        self.page.goto(f"http://{host}/try.html")
        self.wait()

    def wait(self) -> None:
        "Until the first example has an answer."
        self.page.locator("#offline:not(:empty), #trouble:not([hidden])").first.wait_for(
            timeout=120_000
        )
        self.page.locator("#status:not(:empty)").wait_for(state="attached", timeout=60_000)

    def give(self, *files: object) -> None:
        "Photos (paths, or (name, content)), until each has an answer."
        self.page.locator("#files").set_input_files(
            [
                {"name": f[0], "mimeType": "", "buffer": f[1]} if isinstance(f, tuple) else str(f)
                for f in files
            ]
        )
        busy = self.page.locator("#photos b", has_text="…")
        self.page.locator("#photos b").first.wait_for()
        while busy.count():
            busy.first.wait_for(state="detached", timeout=60_000)

    def scores(self) -> np.ndarray:  # (n, 1000)
        "The scores of the photos that are there."
        return np.array(
            self.page.evaluate("chipTry.photos.map((photo) => Array.from(photo.scores))")
        )

    def clear(self) -> None:
        self.page.locator("#clear").click()

    def text(self, name: str) -> str:
        return self.page.locator(f"#{name}").inner_text()


@pytest.fixture(scope="module")
def visit(browser):
    found = Visit(browser)
    yield found
    found.context.close()


@pytest.fixture(autouse=True)
def tidy(request):
    "Each test begins without photos."
    if "visit" in request.fixturenames:
        visit = request.getfixturevalue("visit")
        visit.faults.clear()
        if visit.page.locator("#clear").is_visible():
            visit.clear()


def some_photos(folder: Path) -> list[Path]:
    "Photos of many species, where they are at hand, and drawn animals."
    settings = MenagerieSettings(size=256)
    kingdom = grow_kingdom(settings)
    drawn = []
    for i in range(0, len(kingdom), len(kingdom) // max(MANY // 5, 3)):
        drawn.append(folder / f"{kingdom[i].key}.png")
        draw_picture(settings, kingdom[i], 1).save(drawn[-1])
    species = sorted(path for path in WILD.glob("*") if path.is_dir())
    random.Random(0).shuffle(species)
    return drawn[: max(MANY // 5, 3)] + [min(path.glob("*.jpg")) for path in species[:MANY]]


@pytest.mark.browser
def test_the_page_answers_as_place_does(visit: Visit, tmp_path: Path):
    "The same node for 98 % of pictures at three risks, the same best class for 99 %; the others are listed."
    photos, tree = some_photos(tmp_path), branches(animals(paper_only=False))
    placer = Placer.load(try_page.ENCODER, len(photos))
    outputs = np.stack(list(placer.classifiers.stream(photos)), axis=1)
    scores = []
    for start in range(0, len(photos), 10):
        visit.give(*photos[start : start + 10])
        scores.append(visit.scores())
        if start == 0:
            shown = visit.page.locator("#photos b").all_inner_texts()
        visit.clear()
    found = np.concatenate(scores)[None]
    off, moved = np.abs(found - outputs).max(axis=(0, 2)), []
    for risk in (0.05, 0.1, 0.2):
        rows = [
            placer.place_scores(animal_scores(some, placer.index), Question(risk))
            for some in (outputs, found)
        ]
        if risk == 0.1:
            expected = [row["answer_name"] or "no animal" for row in rows[1][:10]]
            assert shown == expected
        for photo, ours, theirs, difference in zip(photos, *rows, off, strict=True):
            if (ours["answer"], ours["verdict"]) != (theirs["answer"], theirs["verdict"]):
                names = [f"{row['answer_name']} ({row['verdict']})" for row in (ours, theirs)]
                moved.append(
                    (risk, f"{photo.parent.name}/{photo.name}", *names, round(float(difference), 3))
                )
    index = [imagenet_index()[key] for key in tree.keys]
    best = (outputs[0][:, index].argmax(1) == found[0][:, index].argmax(1)).mean()
    print(f"{len(photos)} pictures; scores differ by {off.max():.3f}, mean {off.mean():.3f}")
    print(f"best class the same: {best:.3f}; another node: {moved}")
    for risk in (0.05, 0.1, 0.2):
        assert sum(row[0] == risk for row in moved) <= 0.02 * len(photos), moved
    assert best >= 0.99
    assert visit.faults == []


def prepared(kind: str) -> tuple[str, bytes]:
    "A picture with a trap: its name and its content."
    rng = np.random.default_rng(1)
    small = Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8))
    picture = small.resize((400, 300), Image.Resampling.BICUBIC)
    options, name = {}, "JPEG"
    if kind.startswith("turned"):
        options["exif"] = Image.Exif()
        options["exif"][0x0112] = int(kind[-1])
    elif kind == "grey":
        picture = picture.convert("L")
    elif kind == "cmyk":
        picture = picture.convert("CMYK")
    elif kind == "profile":
        from PIL import ImageCms

        options["icc_profile"] = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    elif kind in ("alpha", "palette", "webp"):
        name = {"alpha": "PNG", "palette": "GIF", "webp": "WEBP"}[kind]
        if kind == "alpha":
            picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    file = io.BytesIO()
    picture.save(file, name, **options)
    return f"{kind}.{name.lower()}", file.getvalue()


CROP = """async ([data, folder, shape]) => {
  const { readCrop } = await import(folder + "try_pixels.js");
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  const { crop } = await readCrop(new Blob([bytes]), shape);
  return btoa(Array.from(crop, (byte) => String.fromCharCode(byte)).join(""));
}"""


def crop_in(visit: Visit, data: bytes) -> np.ndarray:  # (size, size, 3)
    "What the page makes of a file's bytes."
    folder = visit.page.locator("script").get_attribute("src").removesuffix("try.js")
    shape = {"size": SPEC.size, "resize": SPEC.resize}
    address = f"http://localhost/{folder}"
    pixels = visit.page.evaluate(CROP, [base64.b64encode(data).decode(), address, shape])
    return np.frombuffer(base64.b64decode(pixels), np.uint8).reshape(SPEC.size, SPEC.size, 3)


@pytest.mark.browser
@pytest.mark.parametrize(
    "kind",
    [*(f"turned{i}" for i in range(1, 9)), "grey", "cmyk", "profile", "alpha", "palette", "webp"],
)
def test_a_crop_is_that_of_place(visit: Visit, tmp_path: Path, kind: str):
    "Orientation, grey, CMYK, profiles, transparency: decoders may differ by a step or two, no more."
    name, data = prepared(kind)
    path = tmp_path / name
    path.write_bytes(data)
    difference = np.abs(crop_in(visit, data).astype(int) - cropped(open_image(path), SPEC))
    print(f"{kind}: largest difference {difference.max()}, mean {difference.mean():.3f}")
    assert difference.max() <= 4 and difference.mean() < 0.5


HOSTILE = "<img src=x onerror=alert(1)>.jpg"
UNREADABLE = {
    "holiday.heic": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64), "HEIC"),
    "scan.tif": (b"II*\0" + bytes(64), "TIFF"),
    "empty.jpg": (b"", "empty"),
    "notes.jpg": (b"these are no pixels", "no picture"),
    "vast.png": (
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\xff\xff\0\0\xff\xff\x08\2" + bytes(40),
        "too large",
    ),
    "torn.png": (b"\x89PNG\r\n\x1a\n" + bytes(40), "damaged"),
}


@pytest.mark.browser
def test_what_cannot_be_opened_is_said_and_names_are_text(visit: Visit):
    files = [(name, data) for name, (data, _) in UNREADABLE.items()]
    visit.give(*files, (HOSTILE, prepared("grey")[1]))
    buttons = visit.page.locator("#photos button")
    for i, (name, (_, word)) in enumerate(UNREADABLE.items()):
        buttons.nth(i).click()
        assert (
            name in buttons.nth(i).inner_text()
            and "cannot be opened" in buttons.nth(i).inner_text()
        )
        assert word in visit.text("why") and name in visit.text("status")
    buttons.last.click()
    assert HOSTILE in buttons.last.inner_text() and visit.page.locator("img[src=x]").count() == 0
    assert "open" not in visit.text("verdict") and visit.faults == []


WATCH = """() => {
  const native = Worker.prototype.postMessage;
  let times = 0;
  Worker.prototype.postMessage = () => { times += 1; };
  window.unwatch = () => { Worker.prototype.postMessage = native; return times; };
}"""


@pytest.mark.browser
def test_the_dial_moves_the_stop_without_the_network(visit: Visit, placer: Placer, folder: Path):
    "Bolder is never less deep, each stop is that of chip.place, and the network is asked nothing."
    visit.give(*(next(folder.rglob(f"drawn-{i}.jpg")) for i in (1, 4)))
    visit.page.evaluate(WATCH)
    scores = visit.scores()
    for together in (False, True):
        visit.page.locator("#together").set_checked(together)
        looked, depths = scores if together else scores[:1], []
        risks = placer.calibration.prices[2 if together else 1]
        risks = [risk for risk, price in risks if np.isfinite(price)]
        for i, risk in enumerate(risks):
            visit.page.locator("#dial").fill(str(i))
            row = pooled_answer(placer, looked, risk)
            if row["verdict"] == "no animal":
                assert "no animal" in visit.text("verdict")
                continue
            assert f"{100 * risk:g} of 100" in visit.text("promise")
            name = visit.page.locator("#way [aria-current] .name").inner_text()
            assert name == row["answer_name"]
            depths.append(row["depth"])
        assert depths == sorted(depths) and len(set(depths)) > 1
    assert visit.page.evaluate("window.unwatch()") == 0


@pytest.mark.browser
def test_it_works_offline_and_asks_for_nothing_else(browser, folder: Path):
    "Loads its own files only, sends nothing along, and answers the same after the server is gone."
    Desk.asked.clear()
    visit = Visit(browser)
    assert "without a network" in visit.text("offline")
    visit.give(prepared("webp"))
    before, port = visit.scores(), browser.desk.server_port
    browser.desk.shutdown()
    browser.desk.server_close()
    try:
        visit.page.reload()
        visit.wait()
        visit.give(prepared("webp"))
        assert np.array_equal(visit.scores(), before) and visit.faults == []
        assert "without a network" in visit.text("offline")
    finally:
        browser.desk = serve(folder, port)
    visit.context.close()
    there = {f"/{path.relative_to(folder).as_posix()}" for path in folder.rglob("*")}
    for method, address, sent in Desk.asked:
        host = urllib.parse.urlsplit(address if "//" in address else f"//{address}")
        if host.hostname.endswith((".google.com", ".googleapis.com")):
            continue  # Chromium's own, before any page is open
        assert (method, host.hostname, sent) == ("GET", "localhost", 0)
        assert host.path in there and len(host.query) <= 12


@pytest.mark.browser
def test_where_it_cannot_be_kept_it_says_so(browser):
    visit = Visit(browser, "museum.example")
    assert "cannot keep" in visit.text("offline") and visit.page.locator("#way li").count() > 1
    visit.context.close()


BREAK_OUT = """async (door) => {
  const refused = [];
  document.addEventListener("securitypolicyviolation", (event) => refused.push(event.effectiveDirective));
  const tried = [];
  const attempt = (what) => what.then(() => tried.push("came through"), () => tried.push("refused"));
  await attempt(fetch("http://museum.example/try.html"));
  await attempt(new Promise((resolve, reject) => setTimeout(() => {
    try { resolve((0, eval)("1")); } catch (error) { reject(error); }
  })));
  const inside = document.createElement("script");
  inside.textContent = "window.harmed = 1";
  document.body.append(inside);
  const code = `fetch("http://museum.example/try.html").then(() => postMessage("came through"), () => postMessage("refused"))`;
  const worker = new Worker(URL.createObjectURL(new Blob([code], { type: "text/javascript" })), { type: "module" });
  tried.push(await new Promise((resolve) => { worker.onmessage = (event) => resolve(event.data); }));
  return [tried, window.harmed ?? null, refused];
}"""


@pytest.mark.browser
def test_the_policy_holds_in_the_page_and_in_its_workers(visit: Visit):
    "Neither fetches from elsewhere; no script inside the page runs, and no eval."
    tried, harmed, refused = visit.page.evaluate(BREAK_OUT)
    assert tried == ["refused"] * 3 and harmed is None
    assert {"connect-src", "script-src-elem"} <= set(refused)


@pytest.mark.browser
def test_for_everyone(visit: Visit, folder: Path):
    "Contrast by day and in the dark, names and roles, and no scrolling sideways on a phone."
    from test_page import BASICS, CONTRAST

    page = visit.page
    drawn = next(folder.rglob("drawn-1.jpg")).read_bytes()
    visit.give(("snake.jpg", drawn), ("notes.jpg", b"none"))
    for i in (0, 1):
        page.locator("#photos button").nth(i).click()
        assert page.evaluate(BASICS) == []
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            assert page.evaluate(CONTRAST) == []
    page.set_viewport_size({"width": 390, "height": 844})
    for i in (0, 1):
        page.locator("#photos button").nth(i).click()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.set_viewport_size({"width": 1280, "height": 900})


@pytest.mark.browser
def test_by_keyboard_and_by_paste(visit: Visit, folder: Path):
    "Photos are chosen, the dial is moved and a photo is pasted without a mouse."
    page = visit.page
    data = next(folder.rglob("drawn-1.jpg")).read_bytes()
    page.evaluate(
        """() => document.getElementById("files").addEventListener("click", (event) => {
          window.isOpened = true;
          event.preventDefault();
        }, { once: true })"""
    )
    page.locator("#choose").focus()
    page.keyboard.press("Enter")
    assert page.evaluate("window.isOpened")
    visit.give(("snake.jpg", data))
    page.locator("#dial").fill("5")
    page.locator("#dial").focus()
    before = page.locator("#dial").input_value()
    page.keyboard.press("ArrowLeft")
    assert int(page.locator("#dial").input_value()) == int(before) - 1
    page.evaluate(
        """(data) => {
          const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
          const transfer = new DataTransfer();
          transfer.items.add(new File([bytes], "pasted.jpg"));
          document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true }));
        }""",
        base64.b64encode(data).decode(),
    )
    page.locator("#photos button", has_text="pasted.jpg").wait_for()
    assert page.locator("#photos button").count() == 2
