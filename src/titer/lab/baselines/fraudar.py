"""FRAUDAR: dense blocks of a bipartite graph by greedy peeling, resistant to camouflage.

Hooi, Song, Beutel, Shah, Shin, Faloutsos: "FRAUDAR: bounding graph fraud in the face of
camouflage", KDD 2016. The block maximises the sum of edge weights over its number of nodes;
an edge to column j weighs 1 / log(degree(j) + 5). Peeling takes the node whose removal costs
least, with a lazy heap: O(E log V).
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence

#: The constant of the paper's column weights.
OFFSET = 5.0


def weights(edges: Sequence[tuple[int, int]], columns: int) -> list[float]:
    """The weight of an edge into each column."""
    degree = [0] * columns
    for _, column in edges:
        degree[column] += 1
    return [1.0 / math.log(n + OFFSET) for n in degree]


def block(
    edges: Sequence[tuple[int, int]], rows: int, columns: int
) -> tuple[set[int], set[int], float]:
    """(rows, columns, density) of the densest block that peeling finds.

    `edges` are distinct (row, column) pairs. An empty graph gives empty sets.
    """
    weight = weights(edges, columns)
    near: list[list[tuple[int, float]]] = [[] for _ in range(rows + columns)]
    cost = [0.0] * (rows + columns)
    total = 0.0
    for row, column in edges:
        w = weight[column]
        near[row].append((rows + column, w))
        near[rows + column].append((row, w))
        cost[row] += w
        cost[rows + column] += w
        total += w
    alive = [bool(n) for n in near]
    left = sum(alive)
    heap = [(cost[node], node) for node in range(rows + columns) if alive[node]]
    heapq.heapify(heap)
    order: list[int] = []
    best, best_at = (total / left if left else 0.0), 0
    while heap:
        value, node = heapq.heappop(heap)
        if not alive[node] or value != cost[node]:
            continue  # an old price
        alive[node] = False
        order.append(node)
        left -= 1
        for other, w in near[node]:
            if alive[other]:
                total -= w
                cost[other] -= w
                heapq.heappush(heap, (cost[other], other))
        if left and total / left > best:
            best, best_at = total / left, len(order)
    kept = set(order[best_at:])
    return (
        {node for node in kept if node < rows},
        {node - rows for node in kept if node >= rows},
        best,
    )


def blocks(
    edges: Sequence[tuple[int, int]], rows: int, columns: int, *, count: int
) -> list[set[int]]:
    """Up to `count` blocks, one after the other; each is taken out before the next is sought."""
    found: list[set[int]] = []
    rest = list(edges)
    for _ in range(count):
        if not rest:
            break
        chosen, tokens, _ = block(rest, rows, columns)
        if not chosen:
            break
        found.append(chosen)
        rest = [(r, c) for r, c in rest if r not in chosen and c not in tokens]
    return found
