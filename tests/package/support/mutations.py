"""JSON values changed anywhere by hypothesis: other types, other sizes, deletions, keys that nobody knows."""

from hypothesis import strategies as st

STRANGE = st.sampled_from(
    [
        None,
        True,
        False,
        0,
        1,
        -1,
        2,
        3,
        65_537,
        10**30,
        0.5,
        -0.0,
        1e300,
        "",
        "LSTM",
        "\ud800",
        [],
        [[]],
        [1],
        {},
        {"a": 1},
    ]
)


def places(value, path=()):
    """Every place in a JSON value, as the path to it."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


def mutate(value, data):
    """One to three changes. data: of hypothesis."""
    for _ in range(data.draw(st.integers(1, 3))):
        # Places near the top are rare among thousands of numbers, so they are drawn by depth first.
        by_depth = {}
        for path in places(value):
            by_depth.setdefault(len(path), []).append(path)
        path = data.draw(st.sampled_from(by_depth[data.draw(st.sampled_from(sorted(by_depth)))]))
        if not path:
            if data.draw(st.integers(0, 9)) == 0:
                return data.draw(STRANGE)
            continue
        holder = value
        for key in path[:-1]:
            holder = holder[key]
        key = path[-1]
        what = data.draw(st.sampled_from(["other", "delete", "add", "shorten", "repeat"]))
        if what == "other":
            holder[key] = data.draw(STRANGE)
        elif what == "delete":
            del holder[key]
        elif what == "add" and isinstance(holder, dict):
            holder[data.draw(st.sampled_from(["extra", "lstm.weight_ih_l1", "a.weight", "bias"]))] = data.draw(STRANGE)
        elif what == "shorten" and isinstance(holder[key], list):
            holder[key] = holder[key][: data.draw(st.integers(0, len(holder[key])))]
        elif isinstance(holder[key], list):
            holder[key] = holder[key] * 2
    return value
