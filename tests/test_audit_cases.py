"The audit's smaller parts in cases that no chapter shows: limits of the measure, checklists, costs, pages."

import configparser
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from chip.audit.checklists import ML_CHECKLIST, REFORMS, Item, answered, energy_wh, read_cost
from chip.audit.limits import (
    Agreement,
    agreement_of_measures,
    best_constant,
    elementwise_accuracy,
    made_model,
    point_of,
    spectrum,
)
from chip.audit.summary import Section, to_html, to_markdown
from chip.core.settings import Run
from chip.measures import accuracy_ceiling, contrastive_accuracy, cosine_distance

# ---- limits


@pytest.fixture(scope="module")
def made():
    "Targets that share a direction, pictures scattered about them, and their spectrum."
    rng = np.random.default_rng(1)
    targets = np.abs(rng.normal(size=(40, 64))) + 1.0
    target = np.repeat(np.arange(40), 5)
    frozen = targets[target] + rng.normal(scale=0.8, size=(200, 64))
    return frozen, targets[target], target, spectrum(frozen, targets, target, 0.1)


def test_number_by_number_random_vectors_score_nearly_all():
    pair = np.random.default_rng(0).normal(size=(2, 50, 2048))
    pair /= np.linalg.norm(pair, axis=-1, keepdims=True)
    assert 0.949 < elementwise_accuracy(*pair, 0.1) <= accuracy_ceiling(0.1)
    assert contrastive_accuracy(cosine_distance(*pair), 0.1) < 0.52
    with pytest.raises(ValueError, match="must agree"):
        elementwise_accuracy(np.zeros((2, 3)), np.zeros((1, 3)), 0.1)


def test_the_best_constant_is_the_best_of_all_directions():
    own = np.array([[1.0, 0], [0, 1], [0, 5]])
    angles = np.linspace(0, 2 * np.pi, 3601)
    every = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    best = every[(every @ (own / np.linalg.norm(own, axis=1)[:, None]).T).mean(axis=1).argmax()]
    assert np.allclose(best_constant(own), best, atol=2e-3)


def test_made_models_are_what_they_were_made_to_be(made):
    frozen, own, target, table = made
    assert len(table) == 55
    assert table["contrastive_accuracy"].max() <= accuracy_ceiling(0.1) + 1e-12
    constant = point_of(table, "constant to frozen", 0)
    assert np.isclose(constant["top1"], 1 / 40)  # the commonest answer is right for one class of 40
    assert np.isclose(constant["mean_pairwise_cosine"], 1)
    exact, turned = (point_of(table, f, 1) for f in ("frozen to exact", "exact, turned away"))
    assert exact["top1"] == turned["top1"] == 1 and turned["contrastive_accuracy"] < 0.6
    assert np.isclose(exact["contrastive_accuracy"], accuracy_ceiling(0.1))
    ours = point_of(table, "constant to frozen", 1)["contrastive_accuracy"]
    assert np.isclose(ours, contrastive_accuracy(cosine_distance(frozen, own), 0.1))
    for family, share in (("nobody", 0.5), ("frozen", 0.5), ("frozen to exact", 1.5)):
        with pytest.raises(ValueError, match="expected"):
            made_model(family, share, frozen, own, frozen)
    with pytest.raises(KeyError, match="no model"):
        point_of(table, "frozen to exact", 0.123)


def test_agreement_of_measures_as_a_naive_loop_has_it(made):
    table = made[-1]
    assert agreement_of_measures(np.array([0, 0.5, 1]), np.array([0.1, 0.2, 0.3])).share == 1
    backwards = agreement_of_measures(np.array([0, 0.5, 1]), np.array([0.3, 0.2, 0.1]))
    assert backwards == Agreement(0.0, 3)
    assert agreement_of_measures(np.array([0, 1.0]), np.array([0.5, 0.5])).share == 0.5
    top1, accuracy = table["top1"].to_numpy(), table["contrastive_accuracy"].to_numpy()
    agree = []
    for i in range(len(top1)):
        for j in range(i):
            if abs(top1[i] - top1[j]) >= 0.05:
                same = np.sign(top1[i] - top1[j]) == np.sign(accuracy[i] - accuracy[j])
                agree.append(same + 0.5 * (accuracy[i] == accuracy[j]))
    assert np.isclose(agreement_of_measures(top1, accuracy).share, np.mean(agree))
    with pytest.raises(ValueError, match="nothing to agree on"):
        agreement_of_measures(np.array([0.5, 0.51]), np.array([1, 2]))


# ---- checklists

FACTS = (
    "pictures",
    "rejected",
    "command",
    "n_seeds",
    "seeds",
    "spread",
    "intervals",
    "cost",
    "device",
    "code",
    "encoder",
)


def test_answers_are_filled_from_the_run():
    items = (Item("1", "Seeds?", "{n} of them", "{many}"), Item("2", "Data?", "none", "no"))
    assert answered(items, {"many": "yes", "n": "5"}).to_dict("list") == {
        "item": ["1", "2"],
        "asks": ["Seeds?", "Data?"],
        "answer": ["yes", "no"],
        "how": ["5 of them", "none"],
    }
    with pytest.raises(ValueError, match="item 1: answer 'maybe'"):
        answered(items, {"many": "maybe", "n": ""})
    with pytest.raises(KeyError, match="many"):
        answered(items, {"n": ""})


def test_every_item_is_answered_and_every_fact_is_used():
    assert [item.number for item in ML_CHECKLIST] == [str(i) for i in range(1, 22)]
    groups = {"1": "abc", "2": "abcde", "3": "abcdefg", "4": "abc"}
    groups |= {"5": "abcdef", "6": "abc", "7": "abc", "8": "ab"}
    numbers = [f"{number}{letter}" for number, letters in groups.items() for letter in letters]
    assert [item.number for item in REFORMS] == numbers
    facts = dict.fromkeys(FACTS, "yes")
    assert len(answered(ML_CHECKLIST, facts)) == 21 and len(answered(REFORMS, facts)) == 32
    for fact in FACTS:
        with pytest.raises(KeyError):
            answered((*ML_CHECKLIST, *REFORMS), {k: v for k, v in facts.items() if k != fact})


def test_energy_by_hand():
    assert energy_wh(3600, 2) == 26.0 and energy_wh(3600, 0, 1) == 910.0
    assert energy_wh(0, 8, 8) == 0
    with pytest.raises(ValueError, match="none can be negative"):
        energy_wh(-1, 2)


def test_costs_are_read_from_what_the_runner_keeps(tmp_path, monkeypatch):
    monkeypatch.setenv("CHIP_HOME", str(tmp_path))
    run = Run("try")
    assert read_cost(run).phases.empty and "Not recorded" in read_cost(run).sentence()
    record = {
        "seconds": 1800,
        "peak_memory": 1 << 30,
        "hardware": {"cores": 2, "gpu": [], "cpu": "some"},
        "git": {"commit": "abc"},
    }
    for phase in ("10_a", "20_b"):
        run.path(f"{phase}.done.json").write_text(json.dumps(record))
    cost = read_cost(run)
    assert list(cost.phases["phase"]) == ["10_a", "20_b"]
    assert cost.phases["energy_wh"].sum() == 26.0 and cost.phases["peak_memory_mb"][0] == 1024
    assert cost.device == "some, 2 cores" and cost.commit == "abc"
    assert cost.sentence().startswith("1.000 hours")


# ---- pages


def test_pages_escape_what_they_show():
    table = pd.DataFrame({"n_seeds": [1.0, float("nan")], "text": ["<script>", None]})
    sections = [Section("A <b> & c", ["First."], ["one", "two | three"], table), Section("Empty")]
    page, text = to_html(sections), to_markdown(sections)
    assert "<script>" not in page and "&lt;script&gt;" in page and "n seeds" in page
    assert "A &lt;b&gt; &amp; c" in page and '<td class="number">1</td>' in page
    verdict = Section("V", table=pd.DataFrame({"verdict": ["Not <x>"]}))
    assert '<td class="verdict not-x-">Not &lt;x&gt;</td>' in to_html([verdict])
    folded = to_html([Section("T", table=table, folded=True)])
    assert folded.count("<details>") == 1 and page.count("<table>") == 1
    start = "## A <b> & c\n\nFirst.\n\n- one\n- two | three\n\n| n_seeds | text |"
    assert text.startswith(start) and text.endswith("## Empty\n")


# ---- citation


def test_the_citation_is_that_of_the_package():
    root = Path(__file__).resolve().parent.parent
    cited = yaml.safe_load((root / "CITATION.cff").read_text(encoding="utf-8"))
    settings = configparser.ConfigParser()
    settings.read(root / "settings.ini", encoding="utf-8")
    ours = settings["DEFAULT"]
    assert {"cff-version", "message", "title", "authors", "license"} <= set(cited)
    assert str(cited["version"]) == ours["version"]
    assert [author["name"] for author in cited["authors"]] == [ours["author"]]
    assert len(cited["references"][0]["authors"]) == 4
    assert "2310.08304" in cited["references"][0]["url"]
