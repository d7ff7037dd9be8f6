"Trainings that are killed, break down or meet another's checkpoints, and settings that are refused."

import copy
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import safetensors.torch
import torch
from torch import nn

from chip.compute.checkpoints import load_weights, save_weights
from chip.compute.encoders import Encoder, load_encoder
from chip.core.settings import make_settings
from chip.hierarchy import Hierarchy
from chip.losses import LOSSES
from chip.oneshot import (
    PROBE,
    Lesson,
    SeenPictures,
    TrainSettings,
    batches,
    constant_embeddings,
    probe,
    set_training,
    start_embeddings,
    starting_encoder,
    train_level,
    tree_tables,
    with_direction,
)
from chip.unseen import seen_under_rules

TRAINING = TrainSettings(epochs=3, lr=1e-3, margin=0.1, batch_size=4)


@pytest.fixture(scope="module")
def tiny() -> Encoder:
    "An encoder that trains in a moment."
    return load_encoder("timm:test_resnet", weights="random", size=32)


@pytest.fixture(scope="module")
def lesson(tiny: Encoder) -> Lesson:
    "Ten pictures of noise, each with a target of its own."
    generator = torch.Generator().manual_seed(0)
    pictures = torch.randint(0, 256, (10, 3, 32, 32), dtype=torch.uint8, generator=generator)
    targets = torch.randn(10, tiny.spec.width, generator=generator).abs()
    return Lesson(pictures, targets, torch.arange(10))


@pytest.fixture(scope="module")
def held_out(lesson: Lesson) -> Lesson:
    return Lesson(lesson.pictures[:3], lesson.targets, torch.arange(3))


@pytest.fixture(scope="module")
def whole(tiny, lesson, held_out, tmp_path_factory) -> tuple[Path, Encoder, pd.DataFrame]:
    "A training that ran through: its folder, the encoder and the history."
    folder = tmp_path_factory.mktemp("whole")
    return folder, *train_level(tiny, lesson, held_out, TRAINING, folder, "cpu")


def equal(a: Encoder, b: Encoder) -> bool:
    pairs = zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    return all(torch.equal(x, y) for x, y in pairs)


def breaking_loss(monkeypatch: pytest.MonkeyPatch, change) -> None:
    "Replaces the paper's loss by what `change` makes of its arguments and its value."
    good = LOSSES["paper"].compute
    broken = replace(
        LOSSES["paper"], compute=lambda *arguments: change(arguments, good(*arguments))
    )
    monkeypatch.setitem(LOSSES, "paper", broken)


def test_training_lowers_the_loss_and_leaves_two_files(whole):
    folder, _, history = whole
    losses = history[history["split"] == "train"]["loss"].tolist()
    assert len(losses) == 4 and losses[-1] < losses[0]
    assert {path.name for path in folder.iterdir()} == {"best.safetensors", "history.json"}


class Killed(Exception):
    pass


def test_a_killed_training_ends_as_one_that_ran_through(tiny, lesson, held_out, whole, tmp_path):
    folder, encoder, history = whole
    steps = []

    def dies(arguments, loss):
        steps.append(1)
        if len(steps) in (8, 14):  # inside epoch 2, and inside epoch 3 after going on
            raise Killed
        return loss

    with pytest.MonkeyPatch.context() as monkeypatch:
        breaking_loss(monkeypatch, dies)
        for last in (1, 2):
            with pytest.raises(Killed):
                train_level(tiny, lesson, held_out, TRAINING, tmp_path, "cpu")
            state = torch.load(tmp_path / "state.pt", weights_only=True)
            assert state["history"][-1]["epoch"] == last
    for _ in range(2):  # the second time there is nothing left to do
        resumed, again = train_level(tiny, lesson, held_out, TRAINING, tmp_path, "cpu")
        assert equal(encoder, resumed) and again.equals(history)
    best = "best.safetensors"
    assert (tmp_path / best).read_bytes() == (folder / best).read_bytes()


def test_other_settings_start_over(tiny, lesson, tmp_path):
    short, _ = train_level(tiny, lesson, None, replace(TRAINING, epochs=1), tmp_path, "cpu")
    longer, history = train_level(tiny, lesson, None, TRAINING, tmp_path, "cpu")
    assert not equal(short, longer)
    assert history["split"].eq("train").all() and history["effective_rank"].between(1, 10).all()


def test_weights_of_something_else_are_refused(tiny, tmp_path):
    path = tmp_path / "best.safetensors"
    with pytest.raises(FileNotFoundError, match="there is no checkpoint .*: run Phase 2 first"):
        load_weights(tiny, path)
    save_weights(tiny, path, "level 1")
    load_weights(tiny, path, "level 1")
    with pytest.raises(ValueError, match="was trained for level 1, not for level 2"):
        load_weights(tiny, path, "level 2")
    with pytest.raises(ValueError, match="is not of resnet18"):
        load_weights(load_encoder("resnet18", "random"), path)
    torn = tmp_path / "torn.safetensors"
    torn.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match="cannot be read"):
        load_weights(tiny, torn)


def test_torn_epochs_are_named(tiny, lesson, tmp_path, monkeypatch):
    calls = []

    def dies(arguments, loss):
        calls.append(1)
        if len(calls) > 6:  # in the second epoch
            raise Killed
        return loss

    breaking_loss(monkeypatch, dies)
    with pytest.raises(Killed):
        train_level(tiny, lesson, None, TRAINING, tmp_path, "cpu")
    epoch = tmp_path / "epoch1.safetensors"
    epoch.write_bytes(epoch.read_bytes()[:1000])
    with pytest.raises(ValueError, match="to train this level from the beginning, delete"):
        train_level(tiny, lesson, None, TRAINING, tmp_path, "cpu")


def test_a_loss_that_is_not_finite_leaves_the_last_weights(tiny, lesson, held_out, tmp_path):
    calls = []

    def breaks(arguments, loss):
        calls.append(1)  # measured twice, then three batches an epoch
        return loss * (float("nan") if len(calls) > 6 else 1)

    says = "cut here: the loss 'paper' became nan in batch 1 of epoch 2; the weights of epoch 1 are kept in .*epoch1.safetensors"
    folder = tmp_path / "nan"
    with pytest.MonkeyPatch.context() as monkeypatch:
        breaking_loss(monkeypatch, breaks)
        with pytest.raises(FloatingPointError, match=says):
            train_level(tiny, lesson, held_out, TRAINING, folder, "cpu", "cut here")
    assert not (folder / "epoch2.safetensors").exists()
    one, _ = train_level(
        tiny, lesson, held_out, replace(TRAINING, epochs=1), tmp_path / "one", "cpu"
    )
    assert equal(one, load_weights(copy.deepcopy(tiny), folder / "epoch1.safetensors"))


def test_a_first_loss_that_is_not_finite(tiny, lesson, tmp_path, monkeypatch):
    nan = float("nan")
    breaking_loss(monkeypatch, lambda given, loss: loss + (nan if given[0].requires_grad else 0))
    with pytest.raises(FloatingPointError, match="batch 1 of epoch 1; nothing was trained yet"):
        train_level(tiny, lesson, None, TRAINING, tmp_path, "cpu")


def test_embeddings_that_are_not_finite(tiny, lesson, tmp_path):
    broken = copy.deepcopy(tiny)
    next(broken.parameters()).data[0] = float("nan")
    with pytest.raises(FloatingPointError, match="no longer finite"):
        train_level(broken, lesson, None, TRAINING, tmp_path, "cpu")


def test_a_probe_sees_no_collapse_where_nothing_was_learned(tiny, lesson, tmp_path):
    many = Lesson(torch.cat([lesson.pictures] * 20), lesson.targets, torch.arange(10).repeat(20))
    some = probe(many)
    assert len(some) == PROBE and len(set(some.labels.tolist())) == 10  # a few of every class
    assert len(probe(lesson)) == 10
    nothing = TrainSettings(1, 1e-8, 0.1, 100, batch_norm="frozen")
    _, history = train_level(tiny, many, None, nothing, tmp_path, "cpu")
    for column in ("effective_rank", "mean_pairwise_cosine"):
        assert np.allclose(*history[column], rtol=1e-3), column


@pytest.mark.parametrize("loss", LOSSES)
def test_each_loss_is_lowered(tiny, lesson, tmp_path, loss):
    margin = 0.0 if LOSSES[loss].uses_others else 0.1
    training = TrainSettings(6, 1e-4, margin, 5, loss=loss, batch_norm="frozen")
    _, history = train_level(tiny, lesson, None, training, tmp_path, "cpu")
    assert history["loss"].iloc[-1] < history["loss"].iloc[0]


def test_half_precision_lowers_it_too(tiny, lesson, tmp_path):
    "Half the bits of each product; what is kept has all of them."
    for precision in ("float32", "bf16"):
        training = replace(TRAINING, lr=1e-4, precision=precision, batch_norm="frozen")
        _, history = train_level(tiny, lesson, None, training, tmp_path / precision, "cpu")
        assert history["loss"].iloc[-1] < history["loss"].iloc[0]
        assert np.isfinite(history["loss"]).all()
    kept = safetensors.torch.load_file(tmp_path / "bf16" / "best.safetensors")
    assert all(t.dtype == torch.float32 for t in kept.values() if t.is_floating_point())


def test_frozen_statistics_stay(tiny, lesson):
    kept = set_training(copy.deepcopy(tiny), "frozen")
    before = [int(m.num_batches_tracked) for m in kept.modules() if isinstance(m, nn.BatchNorm2d)]
    kept(lesson.pictures)
    after = [int(m.num_batches_tracked) for m in kept.modules() if isinstance(m, nn.BatchNorm2d)]
    assert before == after and set(after) == {0} and kept.training


@pytest.mark.parametrize(
    "change, says",
    [
        ({"loss": "triplet"}, "none of paper"),
        ({"lr": 0.0}, "learning rate above 0"),
        ({"margin": 3.0}, "margin=3"),
        ({"temperature": 0.0}, "temperature=0"),
        ({"batch_norm": "off"}, "none of train"),
        ({"epochs": 0}, "epochs=0"),
        ({"batch_size": 1}, "batch_size=1"),
    ],
)
def test_settings_that_are_refused(change: dict, says: str):
    with pytest.raises(ValueError, match=says):
        TrainSettings(**{**asdict(TRAINING), **change})


def test_lessons_that_are_refused(tiny, lesson, tmp_path):
    one = Lesson(lesson.pictures[:1], lesson.targets, torch.arange(1))
    with pytest.raises(ValueError, match="need at least two"):
        train_level(tiny, one, None, TRAINING, tmp_path, "cpu")
    with pytest.raises(ValueError, match="target indices 0 … 9: expected 0 … 4"):
        Lesson(lesson.pictures, lesson.targets[:5], torch.arange(10))
    with pytest.raises(ValueError, match="expected one for each picture"):
        Lesson(lesson.pictures, lesson.targets, torch.arange(9))


def test_each_epoch_has_each_picture_once():
    for epoch in (1, 2):
        parts = batches(9, 4, 0, epoch)
        assert sorted(torch.cat(parts).tolist()) == list(range(9))
        assert [len(part) for part in parts] == [4, 5]


def test_the_start_of_training():
    settings = make_settings("smoke", weights="random", train_size=48)
    start = starting_encoder(settings, "paper")
    assert start.weights_id == load_encoder(weights="random", size=64, seed=0).weights_id
    same = make_settings("smoke", weights="random")
    network = starting_encoder(same, "paper")
    assert start_embeddings(None, None, same, network) is None  # nothing else: no second row


def test_dead_encoders_have_one_direction():
    dead = np.array([[0.0, 0.0], [0.0, 3.0], [0.0, 0.0]])
    assert with_direction(dead).tolist() == [[1, 1], [0, 3], [1, 1]]


def test_rows_under_every_rule():
    unit = np.eye(4)
    pairs = np.array([[1.0, 1, 0, 0], [0, 0, 1, 1]])
    h = Hierarchy(
        tuple("abcd"),
        tuple("abcd"),
        np.array([0, 0, 1, 1]),
        np.array([0, 1]),
        (unit, pairs, pairs),
        (("ab", "cd"), ("ab", "cd")),
        {},
    )
    pictures = SeenPictures(h, np.arange(4), 0.1, tree_tables(None, h, h.keys))
    embeddings = unit[[0, 1, 2, 0]]
    rows, hits = pictures.rows("frozen", 0, [embeddings] * 3)
    more_rows, more_hits = seen_under_rules("frozen", 0, embeddings, pictures, 0.03)
    top1 = pd.DataFrame(rows + more_rows).set_index(["method", "level"])["top1"]
    assert top1["frozen"].tolist() == [0.75, 0.75, 0.75] and len(top1) == 12
    assert pd.DataFrame(hits + more_hits)["hit"].mean() == 0.75 and len(hits + more_hits) == 48
    constant, _ = pictures.rows("constant", 0, constant_embeddings(h, 4))
    assert np.allclose([row["mean_pairwise_cosine"] for row in constant], 1)
