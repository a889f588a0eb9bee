"""Trains the market example: an LSTM that reads one daily return of the S&P 500 a step and forecasts the size of the
next one. Needs the packages of requirements/market.txt and penstock; downloads nothing.

    train.py               trains, writes three files beside this script, prints the table of errors
    train.py --evaluate    prints the table for the model that is already there
    ... --returns          makes returns.csv anew from the closing prices in the package arch
    ... --spread           also trains seeds 1 to 4 and prints how far their errors spread
    ... --paste            also puts what was printed between the markers in README.md
"""

import argparse
import datetime
import pathlib
import platform
import sys

import numpy as np
import torch
from safetensors.torch import load_file, save_file

import penstock.torch

HERE = pathlib.Path(__file__).resolve().parent
LAST_TRAINED, LAST_CHECKED = 2011, 2014  # training to 2011; 2012 to 2014 choose when to stop; from 2015 on held back
UNITS, LAYERS, FEATURES = 64, 2, 2
WINDOW, WARM, BATCH, STEPS, CHECK = 120, 20, 16, 600, 25
BEGIN, END = "<!-- figures:begin -->", "<!-- figures:end -->"


class LSTM(torch.nn.Module):
    def __init__(self, num_layers, input_size, hidden_size, output_size):
        super().__init__()
        self.lstm = penstock.torch.nn.LSTM(input_size, hidden_size, num_layers=num_layers)
        self.fc = torch.nn.Linear(hidden_size, output_size)

    def forward(self, x):
        return self.fc(self.lstm(x))


def make_series(path):
    """Writes returns.csv: dates, and returns in percent (float32): 100 log(close / the close before)."""
    from arch.data import sp500

    close = sp500.load()["Close"]
    returns = 100 * np.log(close / close.shift(1)).iloc[1:]
    with open(path, "w", encoding="ascii") as out:
        out.writelines(f"{d.date()},{r:.9g}\n" for d, r in zip(returns.index, returns.astype(np.float32), strict=True))


def series(path):
    """Dates, and returns in percent, float32; 9 digits are all of a float32."""
    rows = [line.split(",") for line in path.read_text(encoding="ascii").splitlines()]
    return [date for date, _ in rows], np.array([float(value) for _, value in rows], np.float32)


def features(returns):
    """What the model reads on a day: nothing but that day's return and its size, both in percent."""
    return np.stack([returns, np.abs(returns)], axis=1)


def quasi(log_size, size):
    """The loss: least when exp(log_size) is the mean of size, whatever its distribution (Gamma quasi-likelihood)."""
    return (log_size + size * torch.exp(-log_size)).mean()


def train(x, size, years, seed, steps=STEPS):
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    model = LSTM(LAYERS, FEATURES, UNITS, 1)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01)
    picker = torch.Generator().manual_seed(seed)
    x, size = torch.tensor(x), torch.tensor(size)
    trained = int((years <= LAST_TRAINED).sum())
    checked = torch.tensor((years > LAST_TRAINED) & (years <= LAST_CHECKED))
    best, kept = float("inf"), None
    for step in range(1, steps + 1):
        starts = torch.randint(0, trained - WINDOW, (BATCH,), generator=picker)
        window = torch.stack([x[s : s + WINDOW] for s in starts], 1)
        target = torch.stack([size[s : s + WINDOW] for s in starts], 1)
        loss = quasi(model(window)[WARM:, :, 0], target[WARM:])
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        if step % CHECK == 0:
            with torch.no_grad():
                now = quasi(model(x)[checked, 0], size[checked]).item()
            if now < best:
                best, kept = now, {k: v.clone() for k, v in model.state_dict().items()}
            print(f"seed {seed}, step {step}: loss {loss.item():.4f}, on the checking years {now:.4f}", file=sys.stderr)
    return kept


def exact(state, x):
    """PyTorch's outputs in float64, from the same fp32 weights, [T, 1]."""
    model = LSTM(LAYERS, FEATURES, UNITS, 1).double()
    model.load_state_dict({k: v.double() for k, v in state.items()})
    with torch.no_grad():
        return model(torch.tensor(x).double()).numpy()


def weighted(returns, years):
    """RiskMetrics: variance 0.94 of the day before's, 0.06 of the squared return; scaled on the training years from a
    standard deviation to a mean size."""
    returns = returns.astype(np.float64)
    variance = np.empty_like(returns)
    variance[0] = returns[:20].var()
    for t in range(1, len(returns)):
        variance[t] = 0.94 * variance[t - 1] + 0.06 * returns[t] ** 2
    deviation, size = np.sqrt(variance[:-1]), np.abs(returns[1:])
    mask = years <= LAST_TRAINED
    return deviation * (size[mask] / deviation[mask]).mean()


def table(returns, years, y):
    size = np.abs(returns[1:]).astype(np.float64)
    rows = {
        "naive: today's size": size_before(returns),
        "naive: the training years' mean": np.full(len(size), size[years <= LAST_TRAINED].mean()),
        "exponentially weighted, 0.94": weighted(returns, years),
        "LSTM": np.exp(y[:, 0]),
    }
    held = sorted(set(years[years > LAST_CHECKED].tolist()))
    lines = [
        f"| forecast of the next size | rms error {held[0]}-{held[-1]} | mean abs error | correlation | "
        + " | ".join(f"rms {h}" for h in held)
        + " |",
        "|---|" + "---|" * (3 + len(held)),
    ]
    mask = years > LAST_CHECKED
    for name, forecast in rows.items():
        error = forecast - size
        varies = np.ptp(forecast[mask]) > 0
        correlation = f"{np.corrcoef(forecast[mask], size[mask])[0, 1]:.3f}" if varies else "-"
        cells = [rms(error[mask]), f"{np.abs(error[mask]).mean():.4f}", correlation]
        cells += [rms(error[years == h]) for h in held]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def resampled(returns, years, y):
    """How sure the gain over the exponentially weighted forecast is: the held-back days drawn anew 2,000 times, in
    blocks of 20 days so that neighbours stay together; the middle 90 % of the difference of the two rms errors."""
    mask = years > LAST_CHECKED
    size = np.abs(returns[1:]).astype(np.float64)[mask]
    ours = (np.exp(y[:, 0])[mask] - size) ** 2
    theirs = (weighted(returns, years)[mask] - size) ** 2
    picker, n = np.random.default_rng(0), len(size)
    starts = picker.integers(0, n, (2000, -(-n // 20)))
    days = ((starts[:, :, None] + np.arange(20)) % n).reshape(2000, -1)[:, :n]
    gain = np.sqrt(theirs[days].mean(1)) - np.sqrt(ours[days].mean(1))
    low, high = np.quantile(gain, [0.05, 0.95])
    return f"Gain over the exponentially weighted forecast, 90 % interval over resampled days: {low:.4f} to {high:.4f}."


def size_before(returns):
    return np.abs(returns[:-1]).astype(np.float64)


def rms(error):
    return f"{np.sqrt((error**2).mean()):.4f}"


def main():
    parser = argparse.ArgumentParser(description="Trains or evaluates the market example.")
    parser.add_argument("--evaluate", action="store_true", help="train nothing, use market.safetensors as it is")
    parser.add_argument("--spread", action="store_true", help="train seeds 1 to 4 too and print their errors' range")
    parser.add_argument("--paste", action="store_true", help="put what was printed into README.md")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=STEPS, help="how long to train")
    parser.add_argument("--returns", action="store_true", help="make returns.csv anew; needs the package arch")
    parser.add_argument("--folder", type=pathlib.Path, default=HERE, help="where to write, and to read the model from")
    options = parser.parse_args()

    if options.returns:
        make_series(HERE / "returns.csv")
    dates, returns = series(HERE / "returns.csv")
    x = features(returns[:-1])  # the last day has no next one
    size = np.abs(returns[1:])
    years = np.array([int(d[:4]) for d in dates[1:]])  # a forecast belongs to the year of the day it is for

    options.folder.mkdir(parents=True, exist_ok=True)
    if options.evaluate:
        state = load_file(options.folder / "market.safetensors")
    else:
        state = train(x, size, years, options.seed, options.steps)
        save_file(state, options.folder / "market.safetensors")
        np.save(options.folder / "inputs.npy", x)
        np.save(options.folder / "expected.npy", exact(state, x))

    y = exact(state, x)
    text = table(returns, years, y) + "\n\n" + resampled(returns, years, y)
    if options.spread:
        others = [np.exp(exact(train(x, size, years, seed), x)[:, 0]) for seed in range(1, 5)]
        errors = sorted(rms((other - size)[years > LAST_CHECKED]) for other in others)
        text += f" The LSTM trained with the seeds 1 to 4 instead: rms error {errors[0]} to {errors[-1]}."
    text += (
        f"\n\nPercent. {(years > LAST_CHECKED).sum()} days held back, {(years <= LAST_TRAINED).sum()} trained on. "
        f"Printed by `train.py` on {datetime.date.today()}: Python {platform.python_version()}, "
        f"torch {torch.__version__}, numpy {np.__version__}."
    )
    print(text)
    if options.paste:
        readme = HERE / "README.md"
        before, rest = readme.read_text(encoding="utf-8").split(BEGIN)
        readme.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.split(END)[1]}", encoding="utf-8")


if __name__ == "__main__":
    main()
