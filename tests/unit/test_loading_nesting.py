from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soleil_remediate.loading.nesting import Circular, depths

NAMES = st.sampled_from("abcdef")
GRAPHS = st.dictionaries(NAMES, st.lists(NAMES, unique=True, max_size=4), max_size=6)


def longest(children: dict[str, list[str]], name: str) -> int:
    """The plain, exponential way to say the same, for small graphs without a circle."""
    above = [parent for parent, below in children.items() if name in below]
    return max((1 + longest(children, parent) for parent in above), default=0)


def test_a_group_lies_as_deep_as_the_longest_way_down_to_it() -> None:
    assert depths({"all": ["a", "b", "c"], "a": ["c"], "b": ["a"], "c": ["nobody's"]}) == {
        "all": 0,
        "a": 2,
        "b": 1,
        "c": 3,
    }
    assert depths({}) == {}


@pytest.mark.parametrize(
    "children,way",
    [
        ({"a": ["a"]}, "a > a"),
        ({"all": ["a"], "a": ["b"], "b": ["a"]}, "a > b > a"),
        ({"all": ["x"], "x": [], "b": ["a"], "a": ["b"]}, "b > a > b"),
        ({"below": [], "c": ["a", "below"], "a": ["b"], "b": ["c", "below"]}, "c > a > b > c"),
        ({f"g{n}": [f"g{(n + 1) % 7}"] for n in range(7)}, "g0 > g1 > g2 > g3 > g4 > g5 > g6 > g0"),
        ({f"g{n}": [f"g{(n + 1) % 9}"] for n in range(9)}, "g0 > g1 > g2 > g3 > … > g6 > g7 > g8 > g0"),
    ],
)
def test_a_way_round_is_told_from_the_group_that_comes_first(children: dict[str, list[str]], way: str) -> None:
    with pytest.raises(Circular, match=f"^groups cannot contain themselves: {way}$"):
        depths(children)


@given(GRAPHS)
def test_whatever_contains_what_the_depths_are_right_or_a_way_round_is_one(children: dict[str, list[str]]) -> None:
    way: list[str] = []
    try:
        found = depths(children)
    except Circular as error:
        found, way = {}, error.way
    if way:
        assert way[0] == way[-1]
        assert all(below in children[above] for above, below in pairwise(way))
    else:
        assert found == {name: longest(children, name) for name in children}


@pytest.mark.timeout(10)
def test_a_long_chain_and_a_broad_lattice_end_soon() -> None:
    chain: dict[str, list[str]] = {f"g{n}": [f"g{n + 1}"] for n in range(50_000)}
    assert max(depths(chain).values()) == 49_999
    with pytest.raises(Circular):
        depths({**chain, "g50000": ["g0"]})
    lattice = {f"{side}{n}": [f"a{n + 1}", f"b{n + 1}"] for n in range(300) for side in "ab"}
    assert depths(lattice)["b299"] == 299
