"""penstock.torch.nn: the modules answer as torch's, and train, save, load, copy and move as ordinary modules."""

import copy
import io
import pickle
import warnings

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_sequence

import penstock.torch as pt


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(11)


def same_weights(module, **arguments):
    """torch's own LSTM with the weights of the module."""
    plain = nn.LSTM(module.input_size, module.hidden_size, module.num_layers, **arguments)
    plain.load_state_dict(module.state_dict())
    return plain


# ---- LSTM -----------------------------------------------------------------------------------------------------------

ARGUMENTS = st.fixed_dictionaries(
    {
        "num_layers": st.integers(1, 3),
        "bias": st.booleans(),
        "batch_first": st.booleans(),
        "bidirectional": st.booleans(),
        "proj_size": st.integers(0, 2),
    }
)


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
@given(arguments=ARGUMENTS, states=st.booleans(), batch=st.integers(0, 3))
def test_lstm_is_torchs_with_the_output_alone(arguments, states, batch):
    module, plain = pt.nn.LSTM(3, 4, **arguments), nn.LSTM(3, 4, **arguments)
    plain.load_state_dict(module.state_dict())  # strict: the same keys
    shape = (batch, 5) if arguments["batch_first"] else (5, batch)
    x = torch.randn(5, 3) if batch == 0 else torch.randn(*shape, 3)
    directions = module.num_layers * (2 if module.bidirectional else 1)
    rows = () if batch == 0 else (batch,)
    hx = (torch.randn(directions, *rows, module.proj_size or 4), torch.randn(directions, *rows, 4)) if states else None
    assert torch.equal(module(x, hx), plain(x, hx)[0])


def test_lstm_keeps_a_packed_sequence_packed():
    module = pt.nn.LSTM(3, 4)
    packed = pack_sequence([torch.randn(5, 3), torch.randn(2, 3)])
    answer = module(packed)
    assert isinstance(answer, PackedSequence)
    assert torch.equal(answer.data, same_weights(module)(packed)[0].data)


def test_lstm_attribute_is_itself_and_no_submodule():
    module = pt.nn.LSTM(3, 4)
    assert module.lstm is module
    assert list(module.modules()) == [module]
    assert list(module.named_children()) == []
    assert len(list(module.parameters())) == 4
    assert list(module.state_dict()) == ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"]
    assert repr(module) == "LSTM(3, 4)"


def copies(module):
    """By deepcopy, pickle and torch.save."""
    yield copy.deepcopy(module)
    yield pickle.loads(pickle.dumps(module))
    file = io.BytesIO()
    torch.save(module, file)
    file.seek(0)
    yield torch.load(file, weights_only=False)


def test_lstm_survives_copies():
    module, x = pt.nn.LSTM(3, 4, num_layers=2), torch.randn(5, 1, 3)
    for again in copies(module):
        assert again is not module and again.lstm is again
        assert torch.equal(again(x), module(x))


def test_lstm_moves():
    module = pt.nn.LSTM(3, 4).to(torch.float64)
    assert module.lstm.weight_ih_l0.dtype == torch.float64
    assert module(torch.randn(5, 3, dtype=torch.float64)).dtype == torch.float64
    assert module.to("meta").lstm.weight_ih_l0.is_meta


def test_lstm_compiles():
    module, x = nn.Sequential(pt.nn.LSTM(3, 4), nn.Linear(4, 2)), torch.randn(5, 1, 3)
    assert torch.allclose(torch.compile(module, backend="eager")(x), module(x))


# ---- loading one level more -----------------------------------------------------------------------------------------


def longer(state, prefix=""):
    return {prefix + "lstm." + name.removeprefix(prefix): value for name, value in state.items()}


@pytest.mark.parametrize("kind", [pt.nn.LSTM, pt.nn.RecurrentStateLSTM])
def test_loads_one_level_more(kind):
    module, other = kind(3, 4, num_layers=2), nn.LSTM(3, 4, num_layers=2)
    assert module.load_state_dict(longer(other.state_dict())).missing_keys == []
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in module.state_dict().items())


def test_loading_keeps_the_callers_dict():
    given = longer(nn.LSTM(3, 4).state_dict())
    names = list(given)
    pt.nn.LSTM(3, 4).load_state_dict(given)
    assert list(given) == names


def test_loading_reports_what_is_missing_or_left_over():
    state = longer(nn.LSTM(3, 4).state_dict())
    with pytest.raises(RuntimeError, match="lstm.weight_ih_l1"):
        pt.nn.LSTM(3, 4).load_state_dict({**state, "lstm.weight_ih_l1": torch.zeros(16, 4)})
    with pytest.raises(RuntimeError, match="Missing.*bias_hh_l0"):
        pt.nn.LSTM(3, 4).load_state_dict({k: v for k, v in state.items() if "bias_hh" not in k})


def test_loading_refuses_a_weight_given_twice():
    plain = nn.LSTM(3, 4).state_dict()
    with pytest.raises(RuntimeError, match="Unexpected.*lstm.weight_ih_l0"):
        pt.nn.LSTM(3, 4).load_state_dict({**plain, "lstm.weight_ih_l0": plain["weight_ih_l0"]})


def test_two_levels_more_are_too_many():
    with pytest.raises(RuntimeError, match="lstm.lstm.weight_ih_l0"):
        pt.nn.LSTM(3, 4).load_state_dict(longer(longer(nn.LSTM(3, 4).state_dict())))


# ---- RecurrentStateLSTM ---------------------------------------------------------------------------------------------


@given(
    cuts=st.lists(st.integers(1, 4), min_size=1, max_size=4),
    layers=st.integers(1, 3),
    batch=st.integers(0, 2),
    first=st.booleans(),
    start=st.sampled_from([None, "row", "batch"]),
    projected=st.booleans(),
)
def test_pieces_answer_as_the_whole(cuts, layers, batch, first, start, projected):
    more = {"proj_size": 2} if projected else {}
    size, rows, total = more.get("proj_size", 4), max(batch, 1), sum(cuts)
    state = None
    if start is not None:
        wide = () if start == "row" else (rows,)
        state = (torch.randn(layers, *wide, size), torch.randn(layers, *wide, 4))
    module = pt.nn.RecurrentStateLSTM(3, 4, num_layers=layers, batch_first=first, init_state=state, **more)
    plain = nn.LSTM(3, 4, num_layers=layers, **more)
    plain.load_state_dict(module.state_dict())
    x = torch.randn(total, rows, 3)
    hx = None
    if state is not None:
        hx = tuple((v if v.dim() == 3 else v[:, None]).expand(-1, rows, -1).contiguous() for v in state)
    whole, (h, c) = plain(x, hx)
    for _ in range(2):  # reset() leads back to the beginning
        pieces = []
        for piece in torch.split(x, cuts):
            given = piece[:, 0] if batch == 0 else piece.transpose(0, 1) if first else piece
            answer = module(given)
            pieces.append(answer[:, None] if batch == 0 else answer.transpose(0, 1) if first else answer)
        assert torch.allclose(torch.cat(pieces), whole, atol=1e-6)
        assert torch.allclose(module.h, h, atol=1e-6) and torch.allclose(module.c, c, atol=1e-6)
        module.reset()
        assert module.h is None and module.c is None


def test_state_is_detached_and_not_saved():
    module = pt.nn.RecurrentStateLSTM(3, 4, init_state=(torch.ones(1, 4), torch.ones(1, 4)))
    assert list(module.state_dict()) == list(nn.LSTM(3, 4).state_dict())
    module(torch.randn(2, 3))
    assert not module.h.requires_grad and not module.c.requires_grad
    assert list(module.state_dict()) == list(nn.LSTM(3, 4).state_dict())
    assert {"h", "c"} <= {name for name, _ in module.named_buffers()}


def test_two_calls_then_backward():
    module = pt.nn.RecurrentStateLSTM(3, 4)
    first, second = module(torch.randn(2, 3)), module(torch.randn(2, 3))
    (first.sum() + second.sum()).backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in module.parameters())


def test_training_after_inference_mode():
    module = pt.nn.RecurrentStateLSTM(3, 4)
    with torch.inference_mode():
        module(torch.randn(2, 3))
    module(torch.randn(2, 3)).sum().backward()


def test_another_batch_is_an_error_until_reset():
    module = pt.nn.RecurrentStateLSTM(3, 4)
    module(torch.randn(2, 2, 3))
    kept = module.h.clone()
    with pytest.raises(RuntimeError, match="batch of 2, the input is one of 3.*reset"):
        module(torch.randn(2, 3, 3))
    with pytest.raises(RuntimeError, match="batch of 2, the input is one of 1"):
        module(torch.randn(2, 3))
    assert torch.equal(module.h, kept)
    module.reset()
    assert module(torch.randn(2, 3, 3)).shape == (2, 3, 4)


def test_init_state_for_a_batch_asks_for_that_batch():
    module = pt.nn.RecurrentStateLSTM(3, 4, init_state=(torch.ones(1, 2, 4), torch.ones(1, 2, 4)))
    with pytest.raises(RuntimeError, match="init_state is for a batch of 2, the input is one of 3"):
        module(torch.randn(5, 3, 3))


def test_state_moves_with_the_module():
    module = pt.nn.RecurrentStateLSTM(3, 4, init_state=(torch.ones(1, 4), torch.ones(1, 4)))
    module(torch.randn(2, 3))
    module.double()
    assert module.h.dtype == module.init_c.dtype == torch.float64
    assert module(torch.randn(2, 3, dtype=torch.float64)).dtype == torch.float64
    assert module.to("meta").h.is_meta


def test_recurrent_survives_copies_with_its_state():
    module, x = pt.nn.RecurrentStateLSTM(3, 4, init_state=(torch.ones(1, 4), torch.ones(1, 4))), torch.randn(2, 3)
    module(x)
    again = list(copies(module))
    answer = module(x)
    for other in again:
        assert torch.equal(other(x), answer)


def test_packed_sequences_keep_state():
    module = pt.nn.RecurrentStateLSTM(3, 4)
    rows = [torch.randn(2, 3), torch.randn(5, 3)]
    module(pack_sequence(rows, enforce_sorted=False))
    _, (h, _) = same_weights(module)(pack_sequence(rows, enforce_sorted=False))
    assert torch.equal(module.h, h)


@pytest.mark.parametrize(
    ("init", "error", "says"),
    [
        (torch.ones(1, 4), TypeError, "tuple"),
        ((torch.ones(1, 4),), TypeError, "tuple"),
        ((torch.ones(1, 4), 0.0), TypeError, "c is a float"),
        ((torch.ones(1, 4), torch.ones(1, 5)), ValueError, r"c is \[1, 5\], expected \[1, 4\]"),
        ((torch.ones(2, 4), torch.ones(1, 4)), ValueError, r"h is \[2, 4\]"),
        ((torch.ones(4), torch.ones(4)), ValueError, r"h is \[4\]"),
        ((torch.ones(1, 4), nn.Parameter(torch.ones(1, 4))), ValueError, "c requires a gradient.*detach"),
    ],
)
def test_init_state_is_checked(init, error, says):
    with pytest.raises(error, match=says):
        pt.nn.RecurrentStateLSTM(3, 4, init_state=init)


def test_init_state_is_copied():
    h = torch.ones(1, 4)
    module, x = pt.nn.RecurrentStateLSTM(3, 4, init_state=(h, h)), torch.randn(2, 3)
    answer = module(x)
    h.zero_()
    module.reset()
    assert torch.equal(module(x), answer)


def test_torch_export_sees_the_state_change():
    """Of a module that has been called, so that its buffers have a size."""
    net = nn.Sequential(pt.nn.RecurrentStateLSTM(3, 4))
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net(torch.randn(2, 3))
        program = torch.export.export(net, (torch.randn(2, 3),)).run_decompositions({})
    assert set(program.graph_signature.buffers_to_mutate.values()) == {"0.h", "0.c"}


def test_no_direction_but_forward():
    with pytest.raises(ValueError, match="bidirectional"):
        pt.nn.RecurrentStateLSTM(3, 4, bidirectional=True)


def test_recurrent_repr():
    assert repr(pt.nn.RecurrentStateLSTM(3, 4)) == "RecurrentStateLSTM(3, 4)"
    state = (torch.ones(1, 4), torch.ones(1, 4))
    assert repr(pt.nn.RecurrentStateLSTM(3, 4, init_state=state)) == "RecurrentStateLSTM(3, 4, init_state=(h, c))"


# ---- LSTMCell -------------------------------------------------------------------------------------------------------


def test_cell_is_torchs():
    module, plain = pt.nn.LSTMCell(3, 4), nn.LSTMCell(3, 4)
    plain.load_state_dict(module.state_dict())
    x, hx = torch.randn(2, 3), (torch.randn(2, 4), torch.randn(2, 4))
    for arguments in ((x,), (x, hx), (x[0],)):
        assert all(torch.equal(a, b) for a, b in zip(module(*arguments), plain(*arguments), strict=True))


@pytest.mark.parametrize("batch", [None, 2])
def test_cell_reset_is_where_a_sequence_begins(batch):
    module = pt.nn.LSTMCell(3, 4).double()
    h, c = module.reset(batch)
    assert h.shape == c.shape == ((4,) if batch is None else (2, 4)) and h.dtype == torch.float64
    assert h.data_ptr() != c.data_ptr()
    x = torch.randn(*h.shape[:-1], 3, dtype=torch.float64)
    assert torch.equal(module(x, (h, c))[0], module(x)[0])


# ---- training -------------------------------------------------------------------------------------------------------


class Stepped(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell, self.fc = pt.nn.LSTMCell(2, 8), nn.Linear(8, 1)

    def forward(self, x):
        state, answers = self.cell.reset(x.shape[1]), []
        for step in x:
            state = self.cell(step, state)
            answers.append(state[0])
        return self.fc(torch.stack(answers))


@pytest.mark.parametrize(
    "build",
    [
        lambda: nn.Sequential(pt.nn.LSTM(2, 8, num_layers=2), nn.Linear(8, 1)),
        lambda: nn.Sequential(pt.nn.RecurrentStateLSTM(2, 8), nn.Linear(8, 1)),
        Stepped,
    ],
)
def test_training_saving_loading(build, tmp_path):
    model = build()
    x = torch.randn(12, 4, 2)
    target = torch.cumsum(x[..., :1], 0).tanh()
    optimiser = torch.optim.Adam(model.parameters(), lr=0.02)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    losses = []
    for _ in range(25):
        for part in model.modules():
            if isinstance(part, pt.nn.RecurrentStateLSTM):
                part.reset()
        loss = nn.functional.mse_loss(model(x), target)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]
    assert all(not torch.equal(value, before[name]) for name, value in model.state_dict().items())

    torch.save(model.state_dict(), tmp_path / "weights.pt")
    other = build()
    other.load_state_dict(torch.load(tmp_path / "weights.pt"))
    for part in (*model.modules(), *other.modules()):
        if isinstance(part, pt.nn.RecurrentStateLSTM):
            part.reset()
    assert torch.equal(other(x), model(x))


# ---- the import -----------------------------------------------------------------------------------------------------


def test_torch_is_not_imported_by_penstock_alone(run_python):
    assert run_python("import sys, penstock; print('torch' in sys.modules)") == "False\n"


def test_without_torch_the_import_names_the_command(run_python):
    said = run_python(
        "import sys\n"
        "sys.modules['torch'] = None  # as if it were not installed\n"
        "import penstock.errors\n"
        "try:\n    import penstock.torch\n"
        "except penstock.errors.MissingExtraError as e:\n    print(e)\n"
    )
    assert "torch" in said and "pip install 'penstock[torch]'" in said
