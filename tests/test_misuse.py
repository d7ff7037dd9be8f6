"Misuses of the command line: each ends in one line that helps, with exit status 2, before anything has been written."

import contextlib
import io
import os
import shlex
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from chip.running.cli import main
from chip.running.runs import PHASES

ROOT = Path(__file__).resolve().parent.parent

# command line → words that its answer must hold; commands are given in a folder that holds FILES and the folders of `here`
MISUSES = {
    # unknown
    "rnu": "did you mean 'run'",
    "''": "the commands are run",
    "--frsh": "'--frsh' is not understood",
    "runs smoke": "did you mean 'run'",
    "run dmeo": "did you mean 'demo'",
    "run whatever": "the profiles are smoke, demo, photos, paper",
    "run ''": "there is no profile ''",
    "run smoke demo": "'demo' is not understood",
    "run --imgaes x": "did you mean '--images'",
    "run -x": "'-x' is not understood",
    "run smoke --fresh=1": "--fresh",
    "run -p epoch=3": "did you mean 'epochs'",
    "run -p zzzz=1": "no setting 'zzzz'; see `chip profiles`",
    "run -p Epochs=3": "did you mean 'epochs'",
    "run -p ' epochs=3'": "did you mean 'epochs'",
    "run -p clusterer=kmean": "did you mean kmeans",
    "run -p prototype=image": "did you mean images",
    "run -p pooling=median": "expected one of mean, majority, successive",
    "run -p encoder=restnet152": "did you mean 'resnet152'",
    "run -p encoder=": "is not known",
    "run -p encoder=timm:resnet51": "did you mean 'timm:resnet5",
    "run -p weights=mine": "none of: pretrained, random",
    "run -p encoder=resnet18 -p weights=IMAGENET1K_V9": "IMAGENET1K_V1",
    "run -p device=gpu": "use auto, cpu, cuda",
    "profiles x": "'x' is not understood",
    "profiles --yaml dmeo": "did you mean 'demo'",
    "profiles --jsn": "see chip profiles --help",
    "report none": "there is no run 'none'",
    "report a b": "'b' is not understood",
    "fetch auhtors": "did you mean 'authors'",
    "bench hierachy": "did you mean 'hierarchy'",
    "sweep dmeo": "did you mean 'demo'",
    "sweep smoke -p epoch=1,2": "did you mean 'epochs'",
    "sweep smoke --job 2": "did you mean '--jobs'",
    "compare none other": "none",
    # ill-typed
    "run -p epochs=lots": "epochs=lots: expected a whole number from 1 to 10000",
    "run -p epochs=2.5": "expected a whole number",
    "run -p epochs=": "epochs=: expected a whole number",
    "run -p epochs=1e-2": "expected a whole number",
    "run -p lr=fast": "lr=fast: expected a number",
    "run -p lr=0,01": "expected a number",
    "run -p lr=nan": "lr=nan: expected a number",
    "run -p paper_classes=yes": "expected true or false",
    "run -p paper_classes=1": "expected true or false",
    "run -p seed=0x10": "seed=0x10: expected a whole number",
    "run --name a/b": "letters, digits",
    "run --name ..": "starts with a letter or digit",
    "run --name ''": "a run's name",
    "run --name 'a b'": "letters, digits",
    "report ../x": "a run's name",
    f"run --name {'x' * 101}": "at most 100",
    "run --images '~nobody-of-that-name/x'": "cannot be a path",
    "sweep smoke -p epochs=1,lots": "epochs=lots: expected a whole number",
    "sweep smoke --jobs two": "--jobs: invalid int value: 'two'",
    "sweep smoke --name a/b": "letters, digits",
    "compare a/b c": "a run's name",
    # out of range
    "run -p epochs=0": "epochs=0: expected a whole number from 1 to 10000",
    "run -p epochs=10001": "from 1 to 10000",
    "run -p lr=0": "lr=0: expected a number",
    "run -p lr=inf": "lr=inf",
    "run -p lr=-0.1": "lr=-0.1",
    "run -p temperature=0": "temperature=0: expected a number from 0.0001 to 10",
    "run -p loss_temperature=11": "loss_temperature=11: expected a number from 0.001 to 10",
    "run -p unseen_lr=0": "unseen_lr=0",
    "run -p unseen_margin=-1": "unseen_margin=-1",
    "run -p margin=3": "margin=3: expected a number from 0 to 2",
    "run -p seed=-1": "seed=-1",
    "run -p n_seeds=101": "from 1 to 100",
    "run -p n_shot=-1": "n_shot=-1",
    "run -p train_batch=1": "from 2",
    "run -p workers=-2": "workers=-2",
    "run -p k1_min=1": "k1_min=1: expected a whole number from 2 on",
    "run -p m_plans=9": "from 1 to 8",
    "run -p m_size=16": "from 32 to 1024",
    "run -p m_divergence=9": "from 0 to 5",
    "run -p size=20": "at least 32 pixels",
    "run -p device=cuda:99": "use device=auto or cpu",
    "sweep smoke --jobs 0": "at least one point",
    "sweep smoke --retries -1": "expected 0 or more",
    "sweep smoke -p epochs=0..2": "epochs=0: expected a whole number from 1",
    # missing
    "": "which command? One of run",
    "run -p": "expected one argument",
    "run -p epochs": "expected NAME=VALUE",
    "run -p =3": "expected NAME=VALUE",
    "run --images": "expected one argument",
    "run --images ''": "expected a folder",
    "run --settings": "expected one argument",
    "run --settings ''": "there is no such file",
    "run --settings none.yaml": "'none.yaml': there is no such file",
    "run --settings empty": "is a folder: name a file",
    "run --name": "expected one argument",
    "report": "NAME",
    "fetch": "NAME",
    "bench": "NAME",
    "profiles --yaml": "expected one argument",
    "bench hierarchy --json": "expected one argument",
    "bench hierarchy --json none/x.json": "there is no folder",
    "bench hierarchy --json empty": "expected a file to write",
    "run photos": "needs pictures: --images DIR",
    "run paper --why": "needs pictures: --images DIR",
    "run --images none": "there is no such folder",
    "run --images hierarchy.csv": "there is no such folder",
    "run --images empty": "is empty",
    "run --images one": "there is 1 class, 'kind00': nothing to tell apart",
    "run --images one -p hierarchy=hierarchy.csv": "nothing to tell apart",
    "run --images flat": "move them into",
    "run --images bare": "has no picture in train/",
    "run --images stray": "1 stray file",
    "run -p hierarchy=none.csv": "there is no such file",
    "run -p weights=none.pth": "does not exist",
    "sweep": "which profile? One of smoke",
    "sweep smoke -p epochs=": "epochs=",
    "sweep photos -p seed=0,1": "needs pictures",
    "compare": "RUN",
    "run smoke --images photos -p hierarchy=columns.csv": "lacks the column super_parent",
    "run smoke --images photos -p hierarchy=few.csv": "lacks 11 of the 12 classes",
    "run smoke --images photos -p hierarchy=blank.csv": "line 3: 'kind01' has no parent",
    "run smoke --images photos -p hierarchy=photos/train/kind00/0.png": "cannot be read as CSV",
    "sweep smoke -p seed=0,1 --ray ''": "--ray '': expected the address",
    "run --ray ''": "engine",
    "sweep smoke -p seed=0,1 --ray nowhere": "expected HOST:PORT",
    "sweep smoke -p device=cuda:99,cpu": "use device=auto or cpu",
    "cache --remove": "expected one argument",
    "cache --older": "expected one argument",
    "cache --older soon": "invalid float value: 'soon'",
    "cache --older -1": "expected a number of days",
    "cache --older nan": "expected a number of days",
    "cache --remove none": "holds nothing by the name 'none'",
    "bench sweep --points 6": "multiple of 4",
    "bench sweep --points many": "invalid int",
    "bench hierarchy --points 4": "says nothing to the benchmark 'hierarchy'",
    "sweep smoke -p seed=0,1 --threads 0": "at least one thread",
    "cache all": "'all' is not understood",
    "cache --purne": "did you mean '--prune'",
    "cache --older 1 --older 2": "given twice",
    "sweep smoke -p seed=0,1 --fresh=1": "--fresh",
    # contradictory
    "sweep smoke -p seed=4..0": "runs downwards",
    "sweep smoke -p seed=1 -p seed=2": "given twice",
    "sweep demo --settings good.yaml": "profile is given twice",
    "run -p epochs=1 -p epochs=2": "epochs is given twice, 1 and 2",
    "run --images a --images b": "--images is given twice, a and b",
    "run --name a --name b": "--name is given twice, a and b",
    "run --settings a --settings b": "given twice",
    "run --images a -p images=b": "pictures are given twice",
    "run -p profile=demo": "without -p: chip run demo",
    "run -p name=x": "--name x",
    "run demo --settings good.yaml": "profile is given twice, demo on the command line and smoke in good.yaml",
    "run --settings good.yaml --name x": "name is given twice, x on the command line and mine in good.yaml",
    "run -p k1_min=9 -p k1_max=8": "swap them",
    "run -p k2_min=60": "k2_max=60 super-parents need more than k1_min=50",
    "run -p k1=8 -p k2=8": "more than k1=8 parents",
    "run smoke -p k1=3": "lower k2_max",
    "run -p m_species=50": "at least as many species",
    "run -p m_families=5": "m_plans=8 body plans",
    "run -p m_species=100": "k1_max=200 parents, but there are 100 classes",
    "run smoke -p k1=16": "at most 15",
    "run -p n_shot=18": "raise m_train",
    "run -p paper_classes=true": "the menagerie has none",
    "run -p prototype=classifier": "the menagerie has none",
    "run smoke --images photos -p k1_max=12": "there are 12 classes",
    "run smoke -p k2=9": "k2=9 super-parents need more than k1_min=4 parents",
    "run smoke -p k2_max=4": "k2_max=4 super-parents need more than k1_min=4",
    "run smoke --images photos -p paper_classes=true": "keeps 0 of the 12 classes",
    "run smoke --images photos -p prototype=classifier": "prototype=classifier needs ImageNet classes",
    "run smoke --images photos -p n_shot=4": "has 3 training pictures",
    "run smoke --images photos -p prototype=others -p n_shot=3": "a class without one",
    "run smoke -p prototype=others -p n_shot=0": "a class without one",
    "run smoke --images photos -p m_size=48": "m_size would change nothing",
    "run smoke --images photos -p hierarchy=hierarchy.csv -p k1=5": "k1 would change nothing",
    "run smoke --images photos -p hierarchy=two.csv": "lies in two super-parents",
}
# a settings file's content → words that the answer to `chip run --settings FILE` must hold
FILES = {
    "": "is empty",
    "# epochs: 7": "is empty",
    "epochs": "is not a list of settings",
    "- epochs: 7": "is not a list of settings",
    "epochs: 7\n  lr: 1": "line 2: not YAML",
    "epochs: 7\n\tlr: 1": "line 2: not YAML",
    "epochs: [1": "not YAML",
    "epochs: 7\n---\nepochs: 8": "not YAML",
    "LR: 1": "did you mean 'lr'",
    "lr: 1\nepoch: 7": "line 2: there is no setting 'epoch', did you mean 'epochs'",
    "<<: {epochs: 7}": "no setting '<<'",
    "epochs: 7\nepochs: 7": "line 2: epochs was given in line 1 already",
    "epochs: [7, 8]": "epochs is a list: expected one value",
    "oneshot:\n  epochs: 7": "no setting 'oneshot'",
    "epochs: {min: 7}": "epochs is a mapping",
    "epochs:": "epochs has no value",
    "epochs: 7.5": "epochs=7.5: expected a whole number",
    "epochs: seven": "epochs=seven",
    "epochs: true": "epochs=true",
    "epochs: 0": "from 1 to 10000",
    "paper_classes: on": "expected true or false",
    "encoder: 152": "encoder '152'",
    "name: -1": "letters, digits",
    "name: 'a/b'": "letters, digits",
    "profile: dmeo": "did you mean demo",
    "profile: photos": "needs pictures",
    "epochs: !!python/object/apply:os.system ['touch made']": "epochs is a list",
    "epochs: &a 7\nlr: *b": "not YAML",
    "k1_min: 9\nk1_max: 8": "swap them",
    "images: none": "there is no such folder",
    "\ufeffepoch: 7": "did you mean 'epochs'",
    "epochs: 7 # \x07": "is not YAML",
    b"name: \xe9t\xe9": "is not UTF-8 text (byte 6): save it as UTF-8",
    b"e\0p\0o\0c\0h\0s\0": "is not YAML",
}


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    "The folder that commands are given in."
    folder = tmp_path_factory.mktemp("here")
    head = "wnid,parent,super_parent\n"
    rows = [f"kind{i:02d},{i // 2},{i // 4}\n" for i in range(12)]
    for name, text in {
        "good.yaml": "profile: smoke\nname: mine\nepochs: 1\n",
        "hierarchy.csv": head + "".join(rows),
        "columns.csv": "wnid,parent\nkind00,1\n",
        "few.csv": head + rows[0],
        "blank.csv": head + rows[0] + "kind01,,1\n",
        "two.csv": head + "".join(rows[:-1]) + "kind11,5,0\n",
    }.items():
        (folder / name).write_text(text)
    for name in ("empty", "flat/cat", "bare/train/cat", "stray/train/cat"):
        (folder / name).mkdir(parents=True)
    for name in ("flat/cat/1.png", "stray/train/1.png", "stray/train/cat/1.png"):
        (folder / name).write_bytes(b"not looked at")
    for i in range(12):
        (folder / "photos" / "train" / f"kind{i:02d}").mkdir(parents=True)
        for j in range(3):
            Image.fromarray(np.full((40, 40, 3), 20 * i + j, np.uint8)).save(
                folder / "photos" / "train" / f"kind{i:02d}" / f"{j}.png"
            )
    (folder / "one" / "train").mkdir(parents=True)
    (folder / "one" / "train" / "kind00").symlink_to(folder / "photos" / "train" / "kind00")
    return folder


@pytest.fixture
def home(tmp_path: Path, here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    "A project's folder that holds nothing, to stay so."
    monkeypatch.setenv("CHIP_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(here)
    return tmp_path / "home"


def contents(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


def answer(*words: str) -> str:
    "What a refused command says, without the beginning that all have."
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main(words)
    assert status == 2, (status, err.getvalue())
    assert (
        out.getvalue() == ""
        and err.getvalue().count("\n") == 1
        and err.getvalue().startswith("chip: error: ")
    ), (out.getvalue(), err.getvalue())
    return err.getvalue().removeprefix("chip: error: ")


NEEDS_RAY = "sweep smoke -p seed=0,1 --ray nowhere"


@pytest.mark.parametrize(
    "words",
    [w if w != NEEDS_RAY else pytest.param(w, marks=pytest.mark.ray) for w in MISUSES],
)
def test_misuse(home: Path, here: Path, words: str):
    if words == NEEDS_RAY and find_spec("ray") is None:
        pytest.skip('needs Ray: pip install -e ".[ray]"')
    before = contents(here)
    assert MISUSES[words] in answer(*shlex.split(words))
    assert not home.exists() and contents(here) == before


@pytest.mark.parametrize("content", FILES)
def test_settings_file(home: Path, here: Path, tmp_path: Path, content: str | bytes):
    file = tmp_path / "s.yaml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    before = contents(here)
    said = answer("run", "--settings", str(file))
    assert FILES[content] in said and len(said) < 500
    assert not home.exists() and contents(here) == before


@pytest.mark.parametrize(
    "n, profile, says",
    [
        (2, "photos", "2 classes: parents 2, super-parents 2, a group for each"),
        (3, "demo", "3 classes: parents 2, super-parents 2, one for each parent"),
        (5, "photos", "5 classes: parents 3 to 4, super-parents 2"),
        (10, "photos", "10 classes: parents 3 to 5, super-parents 2"),
        (3, "photos -p k1_max=2", "3 classes: parents 2, super-parents 2"),
        (5, "photos -p k1=3 -p k2=2", "5 classes: parents 3, super-parents 2"),
        (10, "demo -p k1_max=8", "10 classes: parents 8, super-parents 2"),
    ],
)
def test_small_folders_need_no_setting(
    home: Path, here: Path, tmp_path: Path, n: int, profile: str, says: str
):
    for i in range(n):
        few = tmp_path / "few" / "train" / f"my kind {i}"
        few.mkdir(parents=True)
        (few / "1.png").symlink_to(here / "photos" / "train" / f"kind{i:02d}" / "0.png")
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        words = ["run", *profile.split(), "--images", str(tmp_path / "few"), "--why"]
        assert main(words) == 0
    told = out.getvalue()
    assert says in told and f"{len(PHASES)} phases would be run" in told
    assert ("prototype images: 'my kind 0'" in told) == ("photos" in profile)
    assert "accuracy is left out" in told and "nothing is placed" in told


def test_the_command_line_goes_before_the_file_and_the_file_before_the_profile(
    home: Path, here: Path
):
    (home / "data").mkdir(parents=True)
    (home / "data" / "taxonomy").symlink_to(ROOT / "data" / "taxonomy")
    before = contents(home)
    for words, says in {
        "run --settings good.yaml --why": f"run 'mine': {len(PHASES)} of {len(PHASES)} phases would be run; --why has done nothing",
        "run smoke --name mine --settings good.yaml --why": "run 'mine'",
    }.items():
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            assert main(shlex.split(words)) == 0
        assert (
            says in out.getvalue()
            and f"[1/{len(PHASES)}] 10_hierarchy: target embeddings and hierarchy: would be run (not run yet)"
            in out.getvalue()
        )
    assert contents(home) == before
    assert "epochs=0" in answer(*shlex.split("run --settings good.yaml -p epochs=0"))


@pytest.mark.parametrize("words", ["run smoke -p epoch=3", "run --settings none.yaml"])
def test_as_a_process(home: Path, words: str):
    done = subprocess.run(
        [sys.executable, "-m", "chip", *shlex.split(words)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert (
        done.returncode == 2
        and done.stdout == ""
        and done.stderr == "chip: error: " + answer(*shlex.split(words))
    )
    assert not home.exists()
