"""The seed's class, unedited: its block is executed as it stands on the page."""

import re
from pathlib import Path

import pytest
import torch
import torch.nn as nn

import penstock.torch as vollo_torch

HERE = Path(__file__).resolve().parent
PAGE = HERE.parents[3] / "shared" / "seed-lstm-benchmark.md"


def block(path):
    (code,) = re.findall(r"^```python\n(.*?)^```$", path.read_text(), re.MULTILINE | re.DOTALL)
    return code


@pytest.fixture
def seed():
    names = {"vollo_torch": vollo_torch, "nn": nn}
    exec(compile(block(HERE / "seed-block.md"), "seed-block.md", "exec"), names)
    torch.manual_seed(3)
    return names["LSTM"](num_layers=3, input_size=8, hidden_size=16, output_size=5)


@pytest.mark.skipif(not PAGE.exists(), reason="the seed page is not beside this checkout")
def test_the_copy_is_the_page():
    assert block(HERE / "seed-block.md") == block(PAGE)


def test_the_class_answers_as_plain_torch(seed):
    plain = nn.LSTM(8, 16, num_layers=3)
    plain.load_state_dict(seed.lstm.state_dict())
    x = torch.randn(7, 2, 8)
    assert torch.equal(seed(x), seed.fc(plain(x)[0]))
    assert seed(x).shape == (7, 2, 5)
    assert torch.allclose(seed(x[:, 0]), seed(x)[:, 0], atol=1e-6)


def test_what_users_read_of_the_original(seed):
    assert seed.lstm.lstm.num_layers == 3
    assert list(seed.state_dict()) == [
        f"lstm.{part}_l{layer}" for layer in range(3) for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    ] + ["fc.weight", "fc.bias"]


def test_a_checkpoint_of_the_original_loads(seed):
    original = {
        name.replace("lstm.", "lstm.lstm.", 1): torch.randn_like(value) for name, value in seed.state_dict().items()
    }
    before = dict(original)
    seed.load_state_dict(original)
    assert list(original) == list(before)
    for name, value in seed.state_dict().items():
        assert torch.equal(value, original[name.replace("lstm.", "lstm.lstm.", 1)])
