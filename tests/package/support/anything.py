"""What property tests put into files: any JSON value anywhere, any bytes anywhere."""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

# Files are read and written in each example, so how long one takes says nothing.
quick = settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))

texts = st.text('aZ9 ._/:"\0ä\ud800', max_size=6)  # few letters: Hypothesis takes seconds to find all that there are
numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


def places(value, most, path=()):
    """The path of every value within a JSON value; of a list, of its first `most` items."""
    yield path
    if isinstance(value, dict | list):
        for key, inner in list(value.items()) if isinstance(value, dict) else list(enumerate(value[:most])):
            yield from places(inner, most, (*path, key))


def with_any_value(data, content, most=100):
    """The JSON value with one value in it replaced or, in an object, left out. data: st.data()'s."""
    everywhere = list(places(content, most))
    path = everywhere[data.draw(st.integers(0, len(everywhere) - 1))]
    if not path:
        return data.draw(values)
    parent = content
    for key in path[:-1]:
        parent = parent[key]
    if isinstance(parent, dict) and data.draw(st.booleans()):
        del parent[path[-1]]
    else:
        parent[path[-1]] = data.draw(values)
    return content


def with_any_bytes(data, original):
    """The bytes with a few of them replaced, left out or added, or cut short."""
    change = st.tuples(st.integers(0, len(original) - 1), st.binary(max_size=8), st.integers(0, 8))
    found = bytearray(original)
    for at, new, taken in data.draw(st.lists(change, max_size=6)):
        found[at : at + taken] = new
    end = data.draw(st.integers(0, len(found))) if data.draw(st.integers(0, 9)) == 0 else len(found)
    return bytes(found[:end])
