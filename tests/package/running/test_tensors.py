"""PyTorch's tensors as arguments: float32 on the CPU without a copy; everything else is refused by name."""

import os
import subprocess
import sys

import numpy as np
import pytest
from running_support import model, noise, program

import penstock

torch = pytest.importorskip("torch")
TABLE = "__dlpack_c_exchange_api__"
engine = penstock.Engine(program())
X = torch.from_numpy(noise(1)[0])


def answer():
    return engine.stream().step(noise(1)[0])


@pytest.mark.parametrize(
    "x",
    [
        X,
        X[None],
        X[None, None],
        torch.cat([X, X])[7:],
        torch.nn.Parameter(X, requires_grad=False),
        X.requires_grad_(False).detach(),
        torch.stack([X, X], 1)[:, 0].contiguous(),
    ],
    ids=lambda x: str(tuple(x.shape)),
)
def test_tensors_without_a_copy(x):
    assert np.array_equal(engine.stream().step(x), answer())
    out = torch.zeros(1, 3)
    assert engine.stream().step(x, out) is out
    assert np.array_equal(out[0].numpy(), answer())
    y = torch.zeros(3)
    step = engine.stream().bind(x, y)
    assert step() is y and np.array_equal(y.numpy(), answer())
    assert isinstance(engine.stream().step(x), np.ndarray)


class Subclass(torch.Tensor):
    pass


@pytest.mark.parametrize(
    ("x", "says"),
    [
        (X.clone().requires_grad_(), r"requires grad.*detach\(\)"),
        (torch.nn.Parameter(X.clone()), r"requires grad.*detach\(\)"),
        (X.clone().requires_grad_() * 2, r"requires grad.*detach\(\)"),
        (X.double(), r"expected torch.float32, found torch.float64: use float\(\)"),
        (X.half(), "found torch.float16"),
        (X.to(torch.bfloat16), "found torch.bfloat16"),
        (X.int(), "found torch.int32"),
        (X.to(torch.complex64), "found torch.complex64"),
        (X.to("meta"), r"on the CPU, found one on meta: use cpu\(\)"),
        (torch.stack([X, X], 1)[:, 0], r"contiguous tensor, found strides \(2,\): use contiguous\(\)"),
        (X[0].expand(7), r"contiguous tensor, found strides \(0,\)"),
        (X.to_sparse(), "dense tensor"),
        (X.as_subclass(Subclass), "subclass Subclass"),
        (torch._neg_view(X), r"signs turned: use resolve_neg\(\)"),
        (X[:6], r"expected shape \[7\] or \[1, 7\], found \[6\]"),
        (X[:, None], r"found \[7, 1\]"),
        (torch.stack([X, X]), r"found \[2, 7\]"),
        (X[0], r"found \[\]"),
        (torch.zeros(0), r"found \[0\]"),
    ],
    ids=str,
)
def test_refused_tensors(x, says):
    stream = engine.stream()
    for call in (lambda: stream.step(x), lambda: stream.bind(x, torch.zeros(3))):
        with pytest.raises((penstock.ArgumentError, penstock.ShapeError), match=says) as caught:
            call()
        assert str(caught.value).startswith("x: ")
    assert np.array_equal(stream.step(X), answer())


def test_refused_outs():
    for out, says in (
        (torch.zeros(3, requires_grad=True), "out: .*detach"),
        (torch.zeros(3).double(), "out: "),
        (torch.zeros(4), "out: expected shape"),
    ):
        with pytest.raises((penstock.ArgumentError, penstock.ShapeError), match=says):
            engine.stream().step(X, out)


def test_a_view_of_one_value_with_its_sign_turned():
    """Contiguous, though it is every second float of a complex tensor: one value has no stride."""
    one = penstock.Engine(program("one"))
    z = torch.tensor([1 + 2j], dtype=torch.complex64).conj()
    assert z.imag.is_contiguous()
    with pytest.raises(penstock.ArgumentError, match="resolve_neg"):
        one.stream().step(z.imag)
    expect = one.stream().step(np.array([-2], np.float32))
    assert np.array_equal(one.stream().step(z.imag.resolve_neg()), expect)


def test_bound_tensors_keep_their_memory():
    x, y = X.clone(), torch.zeros(3)
    step = engine.stream().bind(x, y)
    with pytest.raises(RuntimeError):
        x.resize_(10**6)
    x.set_(torch.zeros(7))  # it now has other memory, and the old one stays with the function
    assert step() is y
    assert np.array_equal(y.numpy(), answer())


def test_tensors_as_sequences():
    x = torch.from_numpy(noise(9))
    expect = engine.stream().run(noise(9))
    assert np.array_equal(engine.stream().run(x), expect)
    out = torch.zeros(9, 3)
    assert engine.stream().run(x[:, None], out) is out and np.array_equal(out.numpy(), expect)
    assert np.array_equal(model().reference(x), model().reference(noise(9)))
    with pytest.raises(penstock.ArgumentError, match="x: .*detach"):
        engine.stream().run(x.clone().requires_grad_())
    h = torch.zeros(33)
    assert np.array_equal(engine.stream(h, h).run(x), expect)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("state", [False, True])
def test_reference_is_pytorch_in_float64(layers, state):
    from penstock.importing import chain

    torch.manual_seed(3)
    lstm, fc = torch.nn.LSTM(6, 11, layers).double(), torch.nn.Linear(11, 4).double()
    given = torch.randn(2, layers, 11).double() * 0.5 * state
    exact = {name: value.detach().float().double() for name, value in lstm.state_dict().items()}
    lstm.load_state_dict(exact)
    fc.load_state_dict({name: value.float().double() for name, value in fc.state_dict().items()})
    given = given.float().double()
    steps = [
        chain.Lstm(
            *(exact[f"{name}_l{i}"].numpy() for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")),
            *(given[:, i].numpy() if state else (None, None)),
        )
        for i in range(layers)
    ]
    steps.append(chain.Linear(*(value.numpy() for value in fc.state_dict().values())))
    m = penstock.Model.create(steps)
    x = torch.randn(20, 6)
    with torch.no_grad():
        y, (h, c) = lstm(x.double(), (given[0], given[1]))
        expect = fc(y).numpy()
    assert np.abs(m.reference(x) - expect).max() < 1e-13
    stream = penstock.Engine(m.compile("f32", progress=False, certificate_steps=4)).stream()
    stream.run(x)
    for i, (ours_h, ours_c) in enumerate(stream.state):
        assert np.abs(ours_h - h[i].numpy()).max() < 1e-5 and np.abs(ours_c - c[i].numpy()).max() < 1e-5


def test_a_torch_without_an_exchange_table():
    """An older one: all of this file again, by the tensors' attributes."""
    if os.environ.get("PENSTOCK_NO_EXCHANGE"):
        assert not hasattr(torch.Tensor, TABLE)
        return
    code = f"import sys, pytest, torch\ndel torch.Tensor.{TABLE}\nsys.exit(pytest.main(sys.argv[1:]))"
    if not hasattr(torch.Tensor, TABLE):
        pytest.skip("this torch is one")
    done = subprocess.run(
        [sys.executable, "-c", code, "-q", "-p", "no:cacheprovider", __file__],
        env=os.environ | {"PENSTOCK_NO_EXCHANGE": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
