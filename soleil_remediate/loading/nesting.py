"""Groups in groups: how deep each lies, and whether one contains itself. However many there are, it ends soon."""

from __future__ import annotations

from collections.abc import Collection, Mapping

#: A longer way round is told by both its ends.
_TOLD = 8


class Circular(ValueError):
    """A group contains itself.

    Attributes:
        way: From the group down to itself, both ends included.
    """

    def __init__(self, way: list[str]) -> None:
        self.way = way
        told = way if len(way) <= _TOLD else [*way[: _TOLD // 2], "…", *way[-_TOLD // 2 :]]
        super().__init__(f"groups cannot contain themselves: {' > '.join(told)}")


def depths(children: Mapping[str, Collection[str]]) -> dict[str, int]:
    """Return the length of the longest way down to each group; what has none above it lies at 0.

    Args:
        children: The groups that each contains; a name that is no key of this is passed over.

    Raises:
        Circular: One contains itself.
    """
    parents: dict[str, list[str]] = {name: [] for name in children}
    for name, below in children.items():
        for child in below:
            if child in parents:
                parents[child].append(name)
    waits = {name: len(above) for name, above in parents.items()}
    ready = [name for name, count in waits.items() if not count]
    found = dict.fromkeys(ready, 0)
    for name in ready:  # which grows meanwhile: a group is ready when all that contain it are done
        for child in children[name]:
            if child in waits:
                found[child] = max(found.get(child, 0), found[name] + 1)
                waits[child] -= 1
                if not waits[child]:
                    ready.append(child)
    if len(ready) < len(waits):
        raise Circular(_way_round(parents, [name for name in waits if waits[name]]))
    return found


def _way_round(parents: Mapping[str, list[str]], left: list[str]) -> list[str]:
    """Return a way from a group down to itself; each of those that are *left* has one of them above it."""
    order = {name: index for index, name in enumerate(left)}
    upwards = [left[0]]
    places = {left[0]: 0}
    while (above := next(name for name in parents[upwards[-1]] if name in order)) not in places:
        places[above] = len(upwards)
        upwards.append(above)
    circle = upwards[places[above] :][::-1]
    first = min(range(len(circle)), key=lambda index: order[circle[index]])
    return [*circle[first:], *circle[:first], circle[first]]
