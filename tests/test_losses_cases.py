"The losses at their limits: gradients, floors, invariances, bf16, and what is refused."

import math
import pickle
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from chip.losses import (
    LOSSES,
    Loss,
    _lifted,
    attract_within,
    directions,
    paper_loss,
    released_loss,
    softmax_contrast,
    true_contrast,
)
from chip.measures import (
    contrastive_loss,
    contrastive_losses,
    cosine_distance,
    cosine_margin,
    cosine_similarity_matrix,
    mean_pairwise_cosine,
    topk_accuracy,
)

RNG = torch.Generator().manual_seed(0)


def normal(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=RNG)


T, OWN = normal(6, 5), torch.tensor([0, 3, 3, 5, 1, 0, 2])
X = T[OWN] * 2 + normal(7, 5)  # on both sides of a margin of 0.15
every_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=list(LOSSES))


def at_angle(degrees: float, length: float = 1.0) -> torch.Tensor:
    angle = math.radians(degrees)
    return length * torch.tensor([[math.cos(angle), math.sin(angle)]], dtype=torch.float64)


def lead_loss(lead: float, margin: float, temperature: float, n: int) -> float:
    "Contrastive loss of an image with the same lead over all of its n - 1 rivals."
    return float(np.logaddexp(0, math.log(n - 1) + (margin - lead) / temperature))


def gradient_of(loss: Callable, x: torch.Tensor) -> torch.Tensor:
    x = x.clone().requires_grad_()
    return torch.autograd.grad(loss(x), x)[0]


def finite_differences(loss: Callable, x: torch.Tensor, step: float = 1e-6) -> torch.Tensor:
    "(b, d) central differences, one number of one embedding at a time."
    nudges = step * torch.eye(x.numel(), dtype=x.dtype).view(-1, *x.shape)
    return torch.stack([(loss(x + n) - loss(x - n)) / (2 * step) for n in nudges]).view(x.shape)


def test_directions_of_rows_of_any_length():
    x = torch.tensor([[3.0, 4.0], [3e30, 4e30], [3e-30, 4e-30]])
    assert torch.allclose(directions(x), torch.tensor([0.6, 0.8]))  # squares would not fit float32
    bad = torch.tensor([[math.inf, 1.0], [math.nan, 1.0], [-math.inf, 0.0]])
    assert directions(bad).isnan().any(dim=1).all()
    assert directions(torch.zeros(2, 3)).tolist() == [[0, 0, 0]] * 2
    assert torch.autograd.gradcheck(directions, normal(4, 3).requires_grad_())
    assert _lifted(x.bfloat16(), x)[0].dtype == torch.float32
    assert _lifted(x, x.double())[0].dtype == torch.float64


def test_what_the_care_about_precision_is_for():
    assert F.cosine_similarity(torch.zeros(1, 2), torch.ones(1, 2)) == 0
    half = torch.tensor(0.5, dtype=torch.bfloat16)
    assert torch.nextafter(half, 2 * half) - half == 1 / 256
    assert torch.tensor(0.999).bfloat16() == 1
    breeds, cat = torch.cat([at_angle(-2.4), at_angle(2.4)]).float(), at_angle(-0.9).float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        short = directions(cat) @ directions(breeds).T
        careful = LOSSES["contrastive"](cat, breeds, torch.tensor([0]), 0.0, 0.01)
    assert short.dtype == torch.bfloat16 and short[0, 0] == short[0, 1]  # a tie
    lead = math.cos(math.radians(1.5)) - math.cos(math.radians(3.3))
    assert math.isclose(careful.item(), lead_loss(lead, 0, 0.01, 2), rel_tol=1e-4)


@pytest.mark.parametrize(
    "degrees, value, size",
    [(0, 0.05, 0), (60, 0.25, math.sqrt(3) / 2 / 2 / 3), (90, 0.5, 1 / 6), (180, 1, 0)],
)
def test_the_loss_as_written_by_hand(degrees: float, value: float, size: float):
    x, axis = at_angle(degrees, length=3).requires_grad_(), at_angle(0)
    loss = paper_loss(x, 5 * axis, 0.1)
    loss.backward()
    assert math.isclose(loss.item(), value, abs_tol=1e-12)
    assert math.isclose(x.grad.norm().item(), size, abs_tol=1e-12)
    assert (x.grad @ axis.T).item() <= 1e-12  # a step against the gradient turns to the target


@pytest.mark.parametrize("m", [0.05, 0.15, 0.5])
def test_gradient_of_the_loss_as_written(m: float):
    def loss(z: torch.Tensor) -> torch.Tensor:
        return paper_loss(z, T[OWN], m)

    u, t = directions(X), directions(T[OWN])
    c = (u * t).sum(dim=1, keepdim=True)
    closed = -0.5 * (1 - c > m) * (t - c * u) / X.norm(dim=1, keepdim=True) / len(X)
    assert torch.allclose(gradient_of(loss, X), closed, atol=1e-14)
    assert torch.allclose(finite_differences(loss, X), closed, atol=1e-8)


def test_the_two_terms_cancel_within_the_margin():
    distance = cosine_distance(X.numpy(), T[OWN].numpy())
    inside = distance < 0.15
    assert 0 < inside.sum() < len(X)
    gradient = gradient_of(lambda z: paper_loss(z, T[OWN], 0.15), X)
    assert (gradient[torch.from_numpy(inside)].abs() < 1e-15).all()
    measured = contrastive_loss(distance, 0.3)
    assert math.isclose(paper_loss(X, T[OWN], 0.3).item(), measured, abs_tol=1e-14)


@pytest.mark.parametrize("m", [0, 0.05, 0.1, 0.5, 1, 2])
def test_the_released_loss_is_the_published_call(m: float):
    def published(x: torch.Tensor) -> torch.Tensor:
        distance = torch.cdist(x[:, :, None, None], T[OWN][:, :, None, None])
        assert distance.shape == (*x.shape, 1, 1)  # one distance for a number, not for an image
        return torch.cat([distance, F.relu(m - distance)]).mean()

    def ours(z: torch.Tensor) -> torch.Tensor:
        return released_loss(z, T[OWN], m)

    assert math.isclose(ours(X).item(), published(X).item(), abs_tol=1e-14)
    assert torch.allclose(gradient_of(ours, X), gradient_of(published, X), atol=1e-15)
    apart = X - T[OWN]
    closed = (apart.abs() > m) * apart.sign() / 2 / X.numel()
    assert torch.allclose(gradient_of(ours, X), closed, atol=1e-15)
    assert torch.allclose(finite_differences(ours, X), closed, atol=1e-8)
    pairs = [abs(d) for d in apart.flatten().tolist()]
    plain = sum(d + max(m - d, 0) for d in pairs) / (2 * len(pairs))
    assert math.isclose(ours(X).item(), plain)


def test_the_released_loss_by_hand():
    axis = at_angle(0)
    for degrees, value in (
        (0, 0.05),
        (60, (0.5 + math.sqrt(3) / 2) / 4),
        (90, 0.5),
        (180, (2 + 0.1) / 4),
    ):
        assert math.isclose(released_loss(at_angle(degrees), axis, 0.1).item(), value)


def test_strangers_of_length_one_are_at_the_released_floor():
    strangers = directions(normal(2 * 64, 2048).abs())
    one, other = strangers[:64], strangers[64:]
    paper = [paper_loss(s * one, s * other, 0.1).item() for s in (1, 5, 25, 125)]
    released = [released_loss(s * one, s * other, 0.1).item() for s in (1, 5, 25, 125)]
    assert max(paper) - min(paper) < 1e-12 and released == sorted(released)
    assert ((one - other).abs() > 0.1).double().mean() < 0.001
    assert released[0] - 0.05 < 1e-5 and released[3] > 0.5


def test_the_contrast_by_hand():
    two = torch.cat([at_angle(0), at_angle(90)])
    for degrees, behind in ((0, -1), (60, (math.sqrt(3) - 1) / 2), (90, 1), (180, 1)):
        plain = true_contrast(at_angle(degrees, 7), two, torch.tensor([0]), 0, 0.5).item()
        assert math.isclose(plain, math.log(1 + math.exp(behind / 0.5)))
        margin = true_contrast(at_angle(degrees), 4 * two, torch.tensor([0]), 0.3, 0.5).item()
        assert math.isclose(margin, math.log(1 + math.exp((behind + 0.3) / 0.5)))
    entropy = F.cross_entropy(directions(X) @ directions(T).T / 0.1, OWN).item()
    assert math.isclose(true_contrast(X, T, OWN, 0, 0.1).item(), entropy)


@pytest.mark.parametrize("m, temperature", [(0, 1), (0.1, 0.1), (0.35, 0.2)])
def test_gradient_of_the_contrast(m: float, temperature: float):
    def loss(z: torch.Tensor) -> torch.Tensor:
        return true_contrast(z, T, OWN, m, temperature)

    u, t = directions(X), directions(T)
    same = F.one_hot(OWN, len(t)).to(X.dtype)
    p = ((u @ t.T - m * same) / temperature).softmax(dim=1)
    wanted = (same - p) @ t  # (1 - p_y) own target less p_j of each other
    across = wanted - (wanted * u).sum(dim=1, keepdim=True) * u
    closed = -across / temperature / X.norm(dim=1, keepdim=True) / len(X)
    assert torch.allclose(gradient_of(loss, X), closed, atol=1e-13)
    assert torch.allclose(finite_differences(loss, X), closed, atol=1e-7)


def test_one_pull_is_as_strong_as_all_pushes():
    cosines = (directions(X) @ directions(T).T).requires_grad_()
    softmax_contrast(cosines, OWN, 0.1, 0.1).sum().backward()
    assert (cosines.grad.gather(1, OWN[:, None]) < 0).all()
    assert ((cosines.grad > 0).sum(dim=1) == len(T) - 1).all()
    assert torch.allclose(cosines.grad.sum(dim=1), torch.zeros(7, dtype=torch.float64), atol=1e-14)


@pytest.mark.parametrize("n", [2, 3, 8, 40])
def test_no_arrangement_beats_the_simplex_nor_one_answer_the_blind_guess(n: int):
    simplex, everyone = torch.eye(n, dtype=torch.float64) - 1 / n, torch.arange(n)
    best = lead_loss(n / (n - 1), 0.1, 0.2, n)
    reached = true_contrast(simplex, simplex, everyone, 0.1, 0.2).item()
    assert math.isclose(reached, best, rel_tol=1e-9)
    blind = lead_loss(0, 0.1, 0.2, n)
    for _ in range(50):
        places, x = normal(n, 6), normal(n, 6)
        assert true_contrast(x, places, everyone, 0.1, 0.2) > best - 1e-12
        same = x[:1].expand(n, -1)
        assert true_contrast(same, places, everyone, 0.1, 0.2) >= blind - 1e-12


def test_floor_of_a_single_image():
    opposite = torch.cat([at_angle(0), at_angle(180)])
    reached = true_contrast(opposite, opposite, torch.tensor([0, 1]), 0.1, 0.1).item()
    assert math.isclose(reached, lead_loss(2, 0.1, 0.1, 2), rel_tol=1e-6)
    for temperature in (0.05, 0.1, 10):
        for n in (366, 88, 8):
            room = 1 - lead_loss(n / (n - 1), 0, temperature, n) / math.log(n)
            assert room < 0.05 if temperature == 10 else room > 0.99


def test_below_log_two_an_image_is_right():
    many, labels = normal(4000, 5), torch.arange(4000) % 6
    each = softmax_contrast(directions(many) @ directions(T).T, labels, 0.2, 0.1)
    lead = cosine_margin(cosine_similarity_matrix(many.numpy(), T.numpy()), labels.numpy())
    sure = (each < math.log(2)).numpy()
    assert 100 < sure.sum() < 4000 and (lead[sure] > 0.2).all()


def test_the_three_losses_and_who_looks_at_others():
    assert [loss.uses_others for loss in LOSSES.values()] == [False, False, True]
    assert list(LOSSES) == ["paper", "released", "contrastive"]
    assert pickle.loads(pickle.dumps(LOSSES)) == LOSSES  # they travel to other processes
    assert LOSSES["paper"](X, T, OWN, 0.1, 0.1) == paper_loss(X, T[OWN], 0.1)
    assert LOSSES["released"](X, T, OWN, 0.1, 0.1) == released_loss(X, T[OWN], 0.1)
    assert LOSSES["contrastive"](X, T, OWN, 0.1, 0.1) == true_contrast(X, T, OWN, 0.1, 0.1)


@every_loss
@pytest.mark.parametrize("m, temperature", [(0, 0.1), (0.1, 0.05), (2, 10)])
def test_no_loss_falls_below_its_floor(loss: Loss, m: float, temperature: float):
    floor = lead_loss(2, m, temperature, 6) if loss.uses_others else m / 2
    for x in (X, T[OWN], -T[OWN], 1e-3 * X):
        assert loss(x, T, OWN, m, temperature) >= floor - 1e-12


@every_loss
@pytest.mark.parametrize(
    "message, changed",
    [
        *[("margin=.* outside", {"margin": m}) for m in (-0.1, 2.1, math.nan)],
        *[
            ("temperature=.* outside", {"temperature": t})
            for t in (0, -1, 10.5, math.nan, math.inf)
        ],
        (r"embeddings \(7, 4\) and targets \(6, 5\)", {"x": X[:, :4]}),
        (r"embeddings \(5,\)", {"x": X[0]}),
        (r"embeddings \(0, 5\)", {"x": X[:0], "own": OWN[:0]}),
        ("embeddings are torch.int64", {"x": X.long()}),
        (r"target is torch.int64 of shape \(6,\): expected .* the 7 images", {"own": OWN[:6]}),
        ("target is torch.float64", {"own": OWN.double()}),
        ("target holds 0 … 6: expected 0 … 5", {"own": OWN + (OWN == 5)}),
        ("target holds -1 … 4", {"own": OWN - 1}),
        ("row 2 of targets is all zeros", {"t": T * (torch.arange(6)[:, None] != 2)}),
        (
            "row 4 of targets is all zeros or not finite",
            {"t": torch.where(torch.arange(6)[:, None] == 4, math.nan, T)},
        ),
    ],
)
def test_what_every_loss_refuses(loss: Loss, message: str, changed: dict):
    given = {"x": X, "t": T, "own": OWN, "margin": 0.1, "temperature": 0.1} | changed
    with pytest.raises(ValueError, match=message):
        loss(*given.values())


def test_a_contrast_needs_others_and_the_rest_do_not():
    with pytest.raises(ValueError, match="a contrast needs at least two targets"):
        LOSSES["contrastive"](X, T[:1], OWN * 0, 0.1, 0.1)
    for name in ("paper", "released"):
        assert LOSSES[name](X, T[:1], OWN * 0, 0.1, 0.1).isfinite()


@every_loss
def test_a_bad_embedding_shows_in_the_loss(loss: Loss):
    for bad in (math.nan, math.inf, -math.inf):
        broken = X.clone()
        broken[3, 1] = bad
        assert not loss(broken, T, OWN, 0.1, 0.1).isfinite()  # one number of a batch is enough


@every_loss
def test_a_row_of_zeros_counts_and_the_others_are_learned_from(loss: Loss):
    dead, alive = X.clone(), torch.arange(7) != 3
    dead[3] = 0
    of_dead = {"paper": 1, "contrastive": math.log1p(5 * math.exp(1))}  # 6 cosines 0, margin = T
    here, without = (
        loss(x, T, own, 0.1, 0.1).item() for x, own in ((dead, OWN), (X[alive], OWN[alive]))
    )
    slope = gradient_of(lambda x: loss(x, T, OWN, 0.1, 0.1), dead)
    alone = gradient_of(lambda x: loss(x, T, OWN[alive], 0.1, 0.1), X[alive])
    assert torch.allclose(slope[alive] * 7, alone * 6)
    if loss.name == "released":  # to it, zeros are numbers
        assert slope[3].any()
    else:
        n = 2 if loss.name == "paper" else 1  # d and relu(m - d) are averaged
        assert math.isclose(here * 7, without * 6 + of_dead[loss.name] / n) and not slope[3].any()
    everything = loss(X * 0, T, OWN, 0.1, 0.1)
    assert everything.isfinite() and everything > loss(T[OWN], T, OWN, 0.1, 0.1)


@every_loss
def test_what_changes_nothing(loss: Loss):
    order, shuffle = torch.randperm(7, generator=RNG), torch.randperm(6, generator=RNG)
    turn = torch.linalg.qr(normal(5, 5))[0]

    def of(x: torch.Tensor, t: torch.Tensor = T, own: torch.Tensor = OWN) -> float:
        return loss(x, t, own, 0.1, 0.1).item()

    here = of(X)
    assert math.isclose(of(X[order], own=OWN[order]), here)
    assert math.isclose(of(X, T[shuffle], shuffle.argsort()[OWN]), here)
    assert math.isclose(of(X * 40, T / 7), here) == (loss.name != "released")
    assert math.isclose(of(X @ turn, T @ turn), here) == (loss.name != "released")
    assert 4 not in OWN  # the target of no image of the batch
    moved = torch.where(torch.arange(6)[:, None] == 4, normal(6, 5), T)
    assert (of(X, moved) != here) == loss.uses_others


@pytest.fixture(scope="module")
def layer() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    "Embeddings of 64 pictures in single precision and under autocast, 20 targets, and whose is whose."
    pictures, linear = torch.randn(64, 48, generator=RNG), torch.nn.Linear(48, 256)
    with torch.no_grad():
        linear.weight.copy_(torch.randn(256, 48, generator=RNG))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = linear(pictures).detach()
    full = linear(pictures).detach()
    return full, rounded, torch.randn(20, 256, generator=RNG), torch.arange(64) % 20


@every_loss
def test_what_bf16_can_do_to_a_loss(loss: Loss, layer: tuple):
    # A number in bf16 is off by one part in 256 at most, so an angle is by 1/256 and a cosine, too.
    full, rounded, places, own = layer
    error = ((rounded - full).norm(dim=1) / full.norm(dim=1)).max().item()
    assert rounded.dtype == torch.bfloat16 and 0 < error < 1 / 128  # of the layer's weights, too
    bound = {
        "paper": 0.5 / 256,
        "released": 0.5 / 256 * full.abs().mean().item(),
        "contrastive": 2 / 256 / 0.1,
    }[loss.name]
    single = loss(full, places, own, 0.1, 0.1)
    double = loss(full.double(), places, own, 0.1, 0.1).item()
    assert single.dtype == torch.float32 and math.isclose(single.item(), double, rel_tol=2e-6)
    assert 0 < abs(loss(full.bfloat16(), places, own, 0.1, 0.1) - single) <= bound + 1e-6
    outside = loss(rounded, places, own, 0.1, 0.1)
    assert abs(outside - single) <= bound * 256 * error + 1e-6
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = loss(rounded, places, own, 0.1, 0.1)
    assert inside.dtype == torch.float32 and torch.equal(inside, outside)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@every_loss
def test_under_autocast_on_a_gpu(loss: Loss, layer: tuple):
    full, _, places, own = layer
    stored = full.bfloat16()
    with torch.autocast("cuda", dtype=torch.bfloat16):
        there = loss(stored.cuda(), places.cuda(), own.cuda(), 0.1, 0.1)
    here = loss(stored, places, own, 0.1, 0.1).item()
    assert there.dtype == torch.float32 and math.isclose(there.item(), here, rel_tol=1e-5)


def test_slopes_along_a_line_of_distances():
    line = (torch.linspace(0, 2, 41, dtype=torch.float64) + 0.003).requires_grad_()
    value = torch.stack([attract_within(d, 0.1) for d in line])
    value.sum().backward()
    assert np.allclose(value.detach(), contrastive_losses(line.detach().numpy(), 0.1))
    assert np.allclose(line.grad, np.where(line.detach() > 0.1, 0.5, 0))
    line.grad = None
    cosines = torch.cat([1 - line[:, None], torch.zeros(41, 87, dtype=torch.float64)], dim=1)
    value = softmax_contrast(cosines, torch.zeros(41, dtype=torch.int64), 0.1, 0.1)
    value.sum().backward()
    assert np.allclose(value.detach(), [lead_loss(1 - d, 0.1, 0.1, 88) for d in line.tolist()])
    pull = (1 - np.exp(-value.detach().numpy())) / 0.1  # (1 - p) / T, as p = exp(-loss)
    assert np.allclose(line.grad, pull) and line.grad.max() <= 1 / 0.1


def test_where_an_image_would_end_up():
    degrees, first = np.arange(-180, 180.5, 0.5), torch.tensor([0])

    def around(name: str, *angles: float) -> np.ndarray:
        places = torch.cat([at_angle(angle) for angle in angles])
        return np.array(
            [LOSSES[name](at_angle(d), places, first, 0.1, 0.1).item() for d in degrees]
        )

    flat = np.abs(degrees[around("paper", 0, 40) < 0.05 + 1e-9]).max()
    assert math.isclose(flat, math.degrees(math.acos(0.9)), abs_tol=0.5) and flat > 20
    assert degrees[around("contrastive", 0, 40).argmin()] == -70
    assert -20 < degrees[around("contrastive", 0, 40, -60, 180).argmin()] < 0


def test_only_the_contrast_sees_and_leaves_a_collapse():
    common, everyone = normal(1, 256).abs(), torch.arange(88)
    alike = directions(directions(common) + 0.3 * directions(normal(88, 256)))
    middle = directions(alike.mean(dim=0, keepdim=True)).expand(88, -1).contiguous()
    assert (cosine_distance(middle.numpy(), alike.numpy()) < 0.1).all()
    exact, collapsed = (
        {name: loss(x, alike, everyone, 0.1, 0.1).item() for name, loss in LOSSES.items()}
        for x in (alike, middle)
    )
    for name in ("paper", "released"):
        assert abs(exact[name] - collapsed[name]) < 1e-3
    assert abs(collapsed["paper"] - 0.05) < 1e-12
    assert collapsed["contrastive"] >= lead_loss(0, 0.1, 0.1, 88) > exact["contrastive"]
    push = gradient_of(lambda z: LOSSES["paper"](z, alike, everyone, 0.1, 0.1), middle)
    assert push.abs().max() < 1e-15
    push = gradient_of(lambda z: LOSSES["contrastive"](z, alike, everyone, 0.1, 0.1), middle)
    assert push.norm(dim=1).min() > 1e-3
    stepped = (middle - 0.5 * push * 88 * 0.1).numpy()

    def top1(x: np.ndarray) -> float:
        return topk_accuracy(cosine_similarity_matrix(x, alike.numpy()), everyone.numpy())

    assert top1(alike.numpy()) == 1 and top1(middle.numpy()) < 0.05 and top1(stepped) > 0.95
    assert mean_pairwise_cosine(stepped) < mean_pairwise_cosine(middle.numpy())
    cosines = cosine_similarity_matrix(alike.numpy(), alike.numpy())
    assert cosine_margin(cosines, everyone.numpy()).max() < 0.1
    centred = alike - alike.mean(dim=0)
    for places, m, temperature, most, least in (
        (alike, 0.1, 0.1, 1, 0.8),
        (alike, 0, 0.1, 1, 0.8),
        (alike, 0, 0.01, 0.02, 0),
        (centred, 0.1, 0.1, 0.02, 0),
    ):
        paid = LOSSES["contrastive"](places, places, everyone, m, temperature).item()
        assert least < paid / lead_loss(0, m, temperature, 88) < most
