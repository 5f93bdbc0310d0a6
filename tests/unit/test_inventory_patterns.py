# ruff: noqa: E501  # messages are the product: each stands whole, as a person sees it
from __future__ import annotations

from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soleil_remediate.errors import ConfigError, InventoryError, UnknownName
from soleil_remediate.host import Connection, Host
from soleil_remediate.loading.patterns import RANGE_LIMIT, Selection, expand, name_mistake, pattern_mistake

GROUPS = {
    "all": frozenset({"web1", "web2", "web3", "db1", "solo"}),
    "web": frozenset({"web1", "web2", "web3"}),
    "db": frozenset({"db1"}),
    "old": frozenset({"web3", "db1"}),
    "empty": frozenset[str](),
}


def target(name: str, app: str = "") -> Host:
    return Host(name=name, connection=Connection(address=name), app_name=app)


FLEET = Selection(
    {
        "web1": [target("web1", "soleil")],
        "web2": [target("web2", "soleil")],
        "web3": [target("web3/soleil", "soleil"), target("web3/blog", "blog")],
        "db1": [target("db1")],
        "solo": [target("solo", "blog")],
    },
    GROUPS,
    "hosts.yml",
)


def chosen(pattern: str, *, all_hosts: bool = False) -> list[str]:
    return [host.name for host in FLEET.select(pattern, all_hosts=all_hosts)]


@pytest.mark.parametrize(
    "pattern,names",
    [
        ("web1", ["web1"]),
        ("db1,web1", ["web1", "db1"]),
        ("web1:db", ["web1", "db1"]),
        (" web1 , db ", ["web1", "db1"]),
        ("web?:!web3", ["web1", "web2"]),
        ("!web3:web", ["web1", "web2"]),
        ("web[!3]", ["web1", "web2"]),
        ("w*:&old/blog", ["web3/blog"]),
        ("old:!web", ["db1"]),
        ("all:&db", ["db1"]),
        ("*:&db", ["db1"]),
        ("web3/blog", ["web3/blog"]),
        ("web/soleil", ["web1", "web2", "web3/soleil"]),
        ("*/blog:&web", ["web3/blog"]),
        ("web:!*/blog", ["web1", "web2", "web3/soleil"]),
        ("web3/soleil:web3/blog", ["web3/soleil", "web3/blog"]),
        ("web1/soleil", ["web1"]),
        ("s*", ["solo"]),
        ("a*:solo", None),
    ],
)
def test_a_pattern_chooses_in_the_inventory_s_order(pattern: str, names: list[str] | None) -> None:
    if names is None:  # a glob never means the group `all`
        with pytest.raises(InventoryError, match=r"^hosts\.yml: 'a\*' matches no host or group; known: db, db1, "):
            chosen(pattern)
    else:
        assert chosen(pattern) == names


@pytest.mark.parametrize(
    "pattern,says",
    [
        *(
            (pattern, "means every host of hosts.yml")
            for pattern in ("all", "*", "**", "?*", "web1:all", "all:&all", "&*")
        ),
        ("*/soleil", "means soleil on every host of hosts.yml"),
        ("*/soleil:*/blog", "means soleil and blog on every host of hosts.yml"),
        ("all:*/soleil", "means every host of hosts.yml"),
    ],
)
def test_every_host_is_chosen_only_when_somebody_says_so(pattern: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        chosen(pattern)
    assert str(caught.value) == f"{pattern!r} {says}: add --all-hosts if that is what you want"
    assert chosen(pattern, all_hosts=True)


@pytest.mark.parametrize(
    "pattern,says,left",
    [
        ("all:!web1", "every host of hosts.yml and leaves out 1 of 6", "'web2:web3/soleil:web3/blog:db1:solo'"),
        ("!web", "every host of hosts.yml and leaves out 4 of 6", "'db1:solo'"),
        ("*:!db", "every host of hosts.yml and leaves out 1 of 6", "'web1:web2:web3/soleil:web3/blog:solo'"),
        ("!web:!solo", "every host of hosts.yml and leaves out 5 of 6", "'db1'"),
        ("*/soleil:!web1", "soleil on every host of hosts.yml and leaves out 1 of 3", "'web2:web3/soleil'"),
        ("web1:all:!web", "every host of hosts.yml and leaves out 4 of 6", "'db1:solo'"),
    ],
)
def test_a_pattern_that_only_leaves_out_says_what_is_left_and_how_to_name_that(
    pattern: str, says: str, left: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        chosen(pattern)
    assert str(caught.value) == (
        f"{pattern!r} begins with {says}: add --all-hosts if that is what you want, or name what is left: {left}"
    )
    assert chosen(left.strip("'")) == chosen(pattern, all_hosts=True)


def test_where_many_are_left_the_largest_group_is_named() -> None:
    def fleet(groups: dict[str, frozenset[str]]) -> Selection:
        return Selection({name: [target(name)] for name in names}, {"all": frozenset(names), **groups}, "hosts.yml")

    names = [f"web{number}" for number in range(1, 9)]
    groups = {"web": frozenset(names), "even": frozenset(names[1::2]), "first": frozenset(names[:1])}
    for known, hint in ((groups, "begin with a group, as in 'web:!web1'"), ({}, "name hosts")):
        with pytest.raises(ConfigError) as caught:
            fleet(known).select("all:!web1")
        assert str(caught.value) == (
            "'all:!web1' begins with every host of hosts.yml and leaves out 1 of 8: add --all-hosts if that is what "
            f"you want, or {hint}"
        )


def test_what_is_misspelt_beside_every_host_is_told_first() -> None:
    with pytest.raises(UnknownName, match=r"^unknown host or group 'wbe1': did you mean 'web1'\?$"):
        chosen("all:!wbe1")
    with pytest.raises(InventoryError, match=r"^hosts\.yml: 'all:!all' matches no host$"):
        chosen("all:!all")


def test_all_means_every_application_of_every_host() -> None:
    assert chosen("all", all_hosts=True) == ["web1", "web2", "web3/soleil", "web3/blog", "db1", "solo"]
    assert chosen("!db", all_hosts=True) == ["web1", "web2", "web3/soleil", "web3/blog", "solo"]


@pytest.mark.parametrize("pattern", ["web3", "web", "web*", "old:!db1", "web:!web1/soleil"])
def test_which_application_is_asked_where_several_are_left(pattern: str) -> None:
    with pytest.raises(ConfigError) as caught:
        chosen(pattern)
    assert str(caught.value) == "web3 has several applications: write web3/soleil or web3/blog"


def test_a_playbooks_own_pattern_means_every_application() -> None:
    assert [host.name for host in FLEET.select("web3", every_app=True)] == ["web3/soleil", "web3/blog"]


def test_no_question_is_left_where_one_application_is_excluded() -> None:
    assert chosen("web3:!web3/blog") == ["web3/soleil"]


@pytest.mark.parametrize(
    "pattern,error,message",
    [
        ("wbe1", UnknownName, "unknown host or group 'wbe1': did you mean 'web1'?"),
        ("web1:!dd", UnknownName, "unknown host or group 'dd': known: all, db, db1, empty, old, solo, web, web1, web2, web3"),
        ("web1:&dbb", UnknownName, "unknown host or group 'dbb': did you mean 'db'?"),
        ("WEB1", UnknownName, "unknown host or group 'WEB1': did you mean 'web1'?"),
        ("web:!wbe*", InventoryError, "hosts.yml: 'wbe*' matches no host or group: did you mean 'web'?"),
        ("wbe?", InventoryError, "hosts.yml: 'wbe?' matches no host or group: did you mean 'web'?"),
        ("*web9", InventoryError, "hosts.yml: '*web9' matches no host or group; known: db, db1, empty, old, solo, web, web1, web2, web3"),
        ("sol[b-z]z", InventoryError, "hosts.yml: 'sol[b-z]z' matches no host or group: did you mean 'solo'?"),
        ("x*", InventoryError, "hosts.yml: 'x*' matches no host or group; known: db, db1, empty, old, solo, web, web1, web2, web3"),
        ("web1:&db", InventoryError, "hosts.yml: 'web1:&db' matches no host"),
        ("web1:!web", InventoryError, "hosts.yml: 'web1:!web' matches no host"),
        ("empty", InventoryError, "hosts.yml: 'empty' matches no host"),
        ("web1/blgo", UnknownName, "unknown application on web1 'blgo': known: soleil"),
        ("db1/soleil", UnknownName, "unknown application on db1 'soleil': none is known here"),
        ("web1," * 13_108, ConfigError, "'" + "web1," * 15 + "web1…: longer than 65536 characters: name groups instead"),
        ("", ConfigError, "'': a name is missing in this pattern"),
        ("web1:", ConfigError, "'web1:': a name is missing in this pattern"),
        ("web1,,web2", ConfigError, "'web1,,web2': a name is missing in this pattern"),
        ("web3/", ConfigError, "'web3/': a name is missing in this pattern"),
        ("!", ConfigError, "'!': a name is missing in this pattern"),
        ("~web.*", ConfigError, "'~web.*': regular expressions are not read here: use a glob such as web*"),
        ("web[0]", ConfigError, "'web[0]': positions in a group are not read here: name the hosts, or use web?"),
        ("web[1:2]", ConfigError, "'web[1:2]': positions in a group are not read here: name the hosts, or use web?"),
        ("w\u0435b1", ConfigError, "'w\\u0435b1' holds U+0435 (CYRILLIC SMALL LETTER IE) as character 2: names are ASCII"),
        ("web1\u202e", ConfigError, "'web1\\u202e' holds U+202E (RIGHT-TO-LEFT OVERRIDE) as character 5: names are ASCII"),
        ("web1;id", ConfigError, "'web1;id' is no name: write letters, digits, '.', '-' and '_', and put addresses under ansible_host"),
        ("web1 web2", ConfigError, "'web1 web2' is no name: write letters, digits, '.', '-' and '_', and put addresses under ansible_host"),
    ],
)  # fmt: skip
def test_a_pattern_that_cannot_mean_what_somebody_wanted_is_refused(
    pattern: str, error: type[ConfigError], message: str
) -> None:
    with pytest.raises(error) as caught:
        chosen(pattern)
    assert str(caught.value) == message
    assert caught.type is error


def test_a_pattern_is_judged_without_an_inventory() -> None:
    assert pattern_mistake("web:db:!x*") is None
    assert pattern_mistake("web:") == "'web:': a name is missing in this pattern"


MACHINES = ("web1", "web2", "db1", "solo")
SIMPLE = Selection(
    {name: [target(name)] for name in MACHINES},
    {name: frozenset(members) & frozenset(MACHINES) for name, members in GROUPS.items()},
    "hosts.yml",
)
TERMS = st.sampled_from(["web1", "db1", "web", "db", "old", "w*", "*1", "[ws]*", "all", "*"])


def members(term: str) -> set[str]:
    if term in MACHINES:
        return {term}
    if term in SIMPLE.groups:
        return set(SIMPLE.groups[term])
    groups = [found for name, found in SIMPLE.groups.items() if name != "all" and fnmatchcase(name, term)]
    return {name for name in MACHINES if fnmatchcase(name, term)}.union(*groups)


@given(
    st.lists(st.tuples(st.sampled_from(["", "", "!", "&"]), TERMS), min_size=1, max_size=5), st.sampled_from([":", ","])
)
def test_a_pattern_is_union_then_intersection_then_difference(terms: list[tuple[str, str]], separator: str) -> None:
    union = (
        set[str]().union(*(members(term) for sign, term in terms if not sign))
        if any(not sign for sign, _ in terms)
        else set(MACHINES)
    )
    for sign, term in terms:
        if sign == "&":
            union &= members(term)
    for sign, term in terms:
        if sign == "!":
            union -= members(term)
    pattern = separator.join(sign + term for sign, term in terms)
    if not union:
        with pytest.raises(InventoryError):
            SIMPLE.select(pattern, all_hosts=True)
    else:
        assert {host.name for host in SIMPLE.select(pattern, all_hosts=True)} == union


@given(st.text(max_size=30))
def test_whatever_stands_in_a_pattern_it_is_read_or_refused(pattern: str) -> None:
    mistake = pattern_mistake(pattern)
    assert mistake is None or mistake.isascii()


@pytest.mark.parametrize(
    "written,names",
    [
        ("web1", ["web1"]),
        ("web[1:3]", ["web1", "web2", "web3"]),
        ("web[08:11]", ["web08", "web09", "web10", "web11"]),
        ("web[:2].eu", ["web0.eu", "web1.eu", "web2.eu"]),
        ("w[0:9:4]", ["w0", "w4", "w8"]),
        ("db-[a:c]", ["db-a", "db-b", "db-c"]),
        ("[a:b][1:2]", ["a1", "a2", "b1", "b2"]),
    ],
)
def test_ranges_are_those_of_ansible(written: str, names: list[str]) -> None:
    assert expand(written) == names


@pytest.mark.parametrize(
    "written", ["web[1-3]", "web1]", "web[1", "web[]", "web[1:]", "web[a:3]", "web[1:c]", "web[\u00b2:3]", "web[-:c]", "w[aa:c]", "w[a:cc]", "w[a:\u0435]"]
)  # fmt: skip
def test_what_is_no_range_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="is no range: write it like"):
        expand(written)


def test_a_range_of_exactly_the_limit_is_read_and_one_more_is_not() -> None:
    assert len(expand(f"w[1:{RANGE_LIMIT}]")) == RANGE_LIMIT
    assert len(expand("w[1:100]-[1:100]")) == RANGE_LIMIT
    assert len(expand(f"w[1:{RANGE_LIMIT * 2}:2]")) == RANGE_LIMIT
    for written in (
        f"w[0:{RANGE_LIMIT}]",
        "w[1:100]-[0:100]",
        f"w[1:{RANGE_LIMIT * 2 + 1}:2]",
        "w[999999990:1000000000]",
    ):
        with pytest.raises(ValueError, match=r"stands for more than 10000 hosts$"):
            expand(written)


def test_a_name_of_the_longest_length_is_one_and_a_longer_one_is_not() -> None:
    assert name_mistake("a" * 253) is None
    assert name_mistake("a" * 254) is not None


def test_what_is_wrong_with_a_name_is_said_in_short() -> None:
    assert name_mistake("x" * 70_000 + "\u00e9") == (
        "'" + "x" * 76 + "... holds U+00E9 (LATIN SMALL LETTER E WITH ACUTE) as character 70001: names are ASCII"
    )
