"""Where the services of a map stand and how the edges between them run: layers, callers left, callees right; pixels only.

The method is the layered one of Sugiyama, Tagawa and Toda (1981): break cycles, put nodes into layers by longest path,
give long edges a waypoint in every layer they pass, order each layer by the mean of its neighbours, then straighten.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

__all__ = ["Box", "Map", "Route", "lay_out"]

NODE_WIDTH, NODE_HEIGHT = 138.0, 46.0
_COLUMN_GAP, _ROW_GAP, _MARGIN = 128.0, 30.0, 14.0
_PORT_GAP = 11.0
_SWEEPS = 12

Pair = tuple[str, str]
#: A node, or the waypoint of the edge `Pair` in a layer.
Cell = str | tuple[Pair, int]


@dataclass(frozen=True, slots=True)
class Box:
    """A service's place: the left upper corner, in pixels."""

    x: float
    y: float
    width: float = NODE_WIDTH
    height: float = NODE_HEIGHT


@dataclass(frozen=True, slots=True)
class Route:
    """An edge's way: an SVG path from caller to callee, and where there is room for its badge."""

    path: str
    badge_x: float
    badge_y: float


@dataclass(frozen=True, slots=True)
class Map:
    """A laid out graph; sizes in pixels."""

    width: float
    height: float
    boxes: Mapping[str, Box]
    routes: Mapping[Pair, Route]


def lay_out(nodes: Sequence[str], edges: Iterable[Pair]) -> Map:
    """Lay out a graph; the same input gives the same picture.

    Args:
        nodes: names, in an order that breaks ties.
        edges: (caller, callee); those to unknown nodes and to the caller itself are left out.
    """
    known = set(nodes)
    pairs = list(dict.fromkeys((a, b) for a, b in edges if a in known and b in known and a != b))
    back = _back_edges(nodes, pairs)
    forward = [(b, a) if (a, b) in back else (a, b) for a, b in pairs]
    layers = _layers(nodes, forward)
    chains = {pair: _chain(pair, layers) for pair in dict.fromkeys(forward)}
    grid = _order(nodes, layers, chains)
    centers = _straighten(grid, chains)
    top = min((y for y in centers.values()), default=0.0) - NODE_HEIGHT / 2
    centers = {cell: y - top + _MARGIN for cell, y in centers.items()}
    boxes = {n: Box(_x(layers[n]), centers[n] - NODE_HEIGHT / 2) for n in nodes}
    routes = {}
    ports = _ports(chains, centers)
    for pair, drawn in zip(pairs, forward, strict=True):
        routes[pair] = _route(chains[drawn], ports[drawn], layers, centers, reverse=pair in back)
    height = max((y for y in centers.values()), default=0.0) + NODE_HEIGHT / 2 + _MARGIN
    return Map(_x(len(grid) - 1) + NODE_WIDTH + _MARGIN if grid else 0.0, height, boxes, routes)


def _x(layer: int) -> float:
    return _MARGIN + layer * (NODE_WIDTH + _COLUMN_GAP)


def _back_edges(nodes: Sequence[str], pairs: list[Pair]) -> set[Pair]:
    """Edges that close a cycle, found by walking depth first."""
    out: dict[str, list[str]] = {n: [] for n in nodes}
    for a, b in pairs:
        out[a].append(b)
    called = {b for _, b in pairs}
    back: set[Pair] = set()
    done: set[str] = set()
    for root in sorted(nodes, key=lambda n: n in called):
        if root in done:
            continue
        path, trail = [root], [iter(out[root])]
        while path:
            here = next(trail[-1], None)
            if here is None:
                done.add(path.pop())
                trail.pop()
            elif here in path:
                back.add((path[-1], here))
            elif here not in done:
                path.append(here)
                trail.append(iter(out[here]))
    return back


def _layers(nodes: Sequence[str], forward: list[Pair]) -> dict[str, int]:
    """Longest path from a node nobody calls."""
    layer = dict.fromkeys(nodes, 0)
    for _ in nodes:
        moved = False
        for a, b in forward:
            if layer[b] <= layer[a]:
                layer[b], moved = layer[a] + 1, True
        if not moved:
            break
    return layer


def _chain(pair: Pair, layers: Mapping[str, int]) -> list[Cell]:
    a, b = pair
    return [a, *((pair, i) for i in range(layers[a] + 1, layers[b])), b]


def _order(nodes: Sequence[str], layers: Mapping[str, int], chains: Mapping[Pair, list[Cell]]) -> list[list[Cell]]:
    """Every layer's cells from top to bottom, with few crossings."""
    grid: list[list[Cell]] = [[] for _ in range(max(layers.values(), default=-1) + 1)]
    for node in nodes:
        grid[layers[node]].append(node)
    for (a, _), chain in chains.items():
        for i, cell in enumerate(chain[1:-1], layers[a] + 1):
            grid[i].append(cell)
    before, after = _neighbours(chains)
    for sweep in range(_SWEEPS):
        side, columns = (before, grid) if sweep % 2 == 0 else (after, grid[::-1])
        rank = {cell: i for column in grid for i, cell in enumerate(column)}
        for column in columns:
            means = {c: _mean([rank[n] for n in side.get(c, ())], rank[c]) for c in column}
            column.sort(key=lambda c: means[c])
            rank.update((cell, i) for i, cell in enumerate(column))
    return grid


def _neighbours(chains: Mapping[Pair, list[Cell]]) -> tuple[dict[Cell, list[Cell]], dict[Cell, list[Cell]]]:
    before: dict[Cell, list[Cell]] = {}
    after: dict[Cell, list[Cell]] = {}
    for chain in chains.values():
        for a, b in itertools.pairwise(chain):
            before.setdefault(b, []).append(a)
            after.setdefault(a, []).append(b)
    return before, after


def _straighten(grid: list[list[Cell]], chains: Mapping[Pair, list[Cell]]) -> dict[Cell, float]:
    """Vertical centers: near to the neighbours' mean, never closer than a row."""
    centers: dict[Cell, float] = {}
    for column in grid:
        y = -sum(_room(c) for c in column) / 2
        for cell in column:
            centers[cell] = y + _room(cell) / 2
            y += _room(cell)
    before, after = _neighbours(chains)
    for sweep in range(_SWEEPS):
        for column in grid if sweep % 2 == 0 else grid[::-1]:
            near = {c: [centers[n] for n in (*before.get(c, ()), *after.get(c, ()))] for c in column}
            wanted = [_mean(near[c], centers[c]) for c in column]
            centers.update(zip(column, _spread(wanted, [_room(c) for c in column]), strict=True))
    return centers


def _room(cell: Cell) -> float:
    return NODE_HEIGHT + _ROW_GAP if isinstance(cell, str) else NODE_HEIGHT


def _spread(wanted: list[float], rooms: list[float]) -> list[float]:
    """Keep the order and the room around each, as near to what was wanted as one pass down and one shift make it."""
    placed: list[float] = []
    for i, y in enumerate(wanted):
        least = placed[-1] + (rooms[i - 1] + rooms[i]) / 2 if placed else y
        placed.append(max(y, least))
    shift = _mean([w - p for w, p in zip(wanted, placed, strict=True)], 0.0)
    return [p + shift for p in placed]


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _ports(chains: Mapping[Pair, list[Cell]], centers: Mapping[Cell, float]) -> dict[Pair, tuple[float, float]]:
    """Offsets from the middle of a node's side for both ends of each edge, so that edges do not meet in one point."""
    outs: dict[str, list[tuple[float, Pair]]] = {}
    ins: dict[str, list[tuple[float, Pair]]] = {}
    for pair, chain in chains.items():
        outs.setdefault(pair[0], []).append((centers[chain[1]], pair))
        ins.setdefault(pair[1], []).append((centers[chain[-2]], pair))
    starts, ends = _offsets(outs), _offsets(ins)
    return {pair: (starts[pair], ends[pair]) for pair in chains}


def _offsets(sides: Mapping[str, list[tuple[float, Pair]]]) -> dict[Pair, float]:
    offsets = {}
    for entries in sides.values():
        gap = min(_PORT_GAP, (NODE_HEIGHT - 12) / max(len(entries) - 1, 1))
        for i, (_, pair) in enumerate(sorted(entries)):
            offsets[pair] = (i - (len(entries) - 1) / 2) * gap
    return offsets


def _route(
    chain: list[Cell],
    ports: tuple[float, float],
    layers: Mapping[str, int],
    centers: Mapping[Cell, float],
    *,
    reverse: bool,
) -> Route:
    first, last = str(chain[0]), str(chain[-1])
    points = [(_x(layers[first]) + NODE_WIDTH, centers[first] + ports[0])]
    for layer, cell in enumerate(chain[1:-1], layers[first] + 1):
        points += [(_x(layer), centers[cell]), (_x(layer) + NODE_WIDTH, centers[cell])]
    points.append((_x(layers[last]), centers[last] + ports[1]))
    middle = len(points) // 2
    (x1, y1), (x2, y2) = points[middle - 1], points[middle]
    if reverse:
        points.reverse()
    path = f"M{points[0][0]:.1f} {points[0][1]:.1f}"
    for (ax, ay), (bx, by) in itertools.pairwise(points):
        mid = (ax + bx) / 2
        path += f" C{mid:.1f} {ay:.1f} {mid:.1f} {by:.1f} {bx:.1f} {by:.1f}"
    return Route(path, (x1 + x2) / 2, (y1 + y2) / 2)
