"""The hunt's questions as Spark SQL: integers only, no pair of units, no function of ours.

Names in braces are tables or numbers of this process, never text from a log. `facts` are the
rows as stored, `units` (account, unit) the units that count.
"""

from __future__ import annotations

from titer.core.sketch import CELLS
from titer.hunt.source import BANDS, HOUR, HOUR_BINS, MAX_VALUES, SPAN_BINS

_DAY = 24 * HOUR
#: A row that carries text.
_TEXT = "(r.chars > 0 AND r.status < 400)"
_FRAMES = ", ".join(f"r.f{i}" for i in range(BANDS))

#: Per unit: counts, times, and the endpoint most used; `~` turns the order of integers round, so
#: that of equal counts the smaller endpoint is the greatest pair.
TOTALS = f"""
SELECT unit, sum(n) AS rows, sum(texts) AS texts, min(first) AS first, max(last) AS last,
       sum(out) AS tokens_out, ~max(struct(n, ~endpoint)).col2 AS endpoint
FROM (
  SELECT u.unit AS unit, r.endpoint AS endpoint, count(*) AS n,
         sum(CASE WHEN {_TEXT} THEN 1 ELSE 0 END) AS texts,
         min(r.at) AS first, max(r.at) AS last,
         sum(CASE WHEN r.status < 400 THEN r.tokens_out ELSE 0 END) AS out
  FROM {{facts}} r JOIN {{units}} u ON r.account = u.account
  GROUP BY u.unit, r.endpoint
)
GROUP BY unit
"""  # noqa: S608 - constants

#: A unit and an hour in one number, `who`: the shuffle below then needs no third column.
_WHO = 1 << 32

#: One entry for each (text row, band).
_CELLS = f"""
SELECT who, explode(frames) AS k FROM (
  SELECT u.unit * {_WHO} + (r.at - {{begin}}) DIV {HOUR} AS who, array({_FRAMES}) AS frames
  FROM {{facts}} r JOIN {{units}} u ON r.account = u.account
  WHERE {_TEXT}
)
"""  # noqa: S608 - constants

#: Which tokens of `cells` count: all, or those of more than one unit. Least and greatest unit tell
#: in constant space, and most tokens go here.
ANY = "SELECT DISTINCT k FROM cells"
SEVERAL = f"""
SELECT k FROM cells GROUP BY k HAVING min(who) DIV {_WHO} <> max(who) DIV {_WHO}
"""  # noqa: S608 - constants

#: Stage 1 of tokens: (k, unit, rows, first) of every token that counts.
#: One shuffle of the cells by token serves every step, as each needs equal tokens together; both
#: readers of `cells` ask for the same columns, and the join is no semi-join (Spark would move it
#: before the shuffle), or there would be two.
PAIRS = f"""
WITH cells AS (SELECT /*+ REPARTITION(k) */ k, who FROM ({_CELLS}) WHERE k <> 0),
shared AS ({{shared}})
SELECT /*+ SHUFFLE_HASH(shared) */ cells.k AS k, cells.who DIV {_WHO} AS unit,
       count(*) AS rows, min(cells.who % {_WHO}) AS first
FROM cells JOIN shared ON cells.k = shared.k
GROUP BY cells.k, cells.who DIV {_WHO}
"""  # noqa: S608 - constants

#: Stage 2: (k, users) of those that are wanted or common.
TOKENS = """
SELECT p.k AS k, count(*) AS users
FROM {pairs} p LEFT ANTI JOIN {without} w ON p.k = w.k
GROUP BY p.k HAVING count(*) >= {least}
"""

#: What leaves the cluster: pairs of tokens of at most `most` users.
KEPT = """
SELECT p.k AS value, CAST(p.unit AS INT) AS unit, CAST(p.rows AS INT) AS rows,
       CAST(p.first AS INT) AS first
FROM {pairs} p LEFT SEMI JOIN (SELECT k FROM {tokens} WHERE users <= {most}) t ON p.k = t.k
"""

#: And of the others, how many there are, and per unit the cells that lie on them.
COMMON = "SELECT count(*) AS n FROM {tokens} WHERE users > {most}"
HIDDEN = """
SELECT p.unit AS unit, sum(p.rows) AS n
FROM {pairs} p LEFT SEMI JOIN (SELECT k FROM {tokens} WHERE users > {most}) t ON p.k = t.k
GROUP BY p.unit
"""

#: One entry for each (text row, band); of which spans it is, as bits of a number.
_DATED = f"""
SELECT who, explode(frames) AS k FROM (
  SELECT u.unit * {_WHO} + ({{bits}}) AS who, array({_FRAMES}) AS frames
  FROM {{facts}} r JOIN {{units}} u ON r.account = u.account
  WHERE {_TEXT}
)
"""  # noqa: S608 - constants

#: Bit `bit` of a row in a span.
IN_SPAN = "CASE WHEN r.at >= {since} AND r.at < {until} THEN {bit} ELSE 0 END"

#: (k, unit, bits) of the tokens of several units, and of given ones.
USES = f"""
WITH cells AS (SELECT /*+ REPARTITION(k) */ k, who FROM ({_DATED}) WHERE k <> 0),
shared AS ({{shared}})
SELECT /*+ SHUFFLE_HASH(shared) */ cells.k AS k, cells.who DIV {_WHO} AS unit,
       bit_or(cells.who % {_WHO}) AS bits
FROM cells JOIN shared ON cells.k = shared.k
GROUP BY cells.k, cells.who DIV {_WHO}
"""  # noqa: S608 - constants
USERS = f"""
SELECT c.k AS k, c.who DIV {_WHO} AS unit, bit_or(c.who % {_WHO}) AS bits
FROM ({_DATED}) c LEFT SEMI JOIN {{asked}} a ON c.k = a.k
GROUP BY c.k, c.who DIV {_WHO}
"""  # noqa: S608 - constants

#: Users in each span, of such pairs: `{spans}` are `IN_BITS` for each.
PER_SPAN = """
SELECT k, {spans} FROM ({pairs}) GROUP BY k HAVING count(*) >= {least}
"""
IN_BITS = "sum(CASE WHEN bits & {bit} <> 0 THEN 1 ELSE 0 END) AS n{number}"

#: Most used values of a unit. A window, because it is cut to its first rows before it is sorted.
VALUES = f"""
SELECT unit, value, n FROM (
  SELECT unit, value, n,
         row_number() OVER (PARTITION BY unit ORDER BY n DESC, value) AS place
  FROM (
    SELECT u.unit AS unit, r.{{name}} AS value, count(*) AS n
    FROM {{facts}} r JOIN {{units}} u ON r.account = u.account
    WHERE r.{{name}} <> 0
    GROUP BY u.unit, r.{{name}}
  )
)
WHERE place <= {MAX_VALUES}
"""  # noqa: S608 - constants

#: (unit, bin, rows) for hours of the day, then for parts of the span.
CLOCK = f"""
SELECT unit, bin, count(*) AS n FROM (
  SELECT unit, explode(array(
    pmod(at, {_DAY}) * {HOUR_BINS} DIV {_DAY},
    (at - {{begin}}) * {SPAN_BINS} DIV {{span}} + {HOUR_BINS})) AS bin
  FROM (
    SELECT u.unit AS unit, r.at AS at
    FROM {{facts}} r JOIN {{units}} u ON r.account = u.account
  )
)
GROUP BY unit, bin
"""  # noqa: S608 - constants

#: Columns of a sampled row besides its time and draw, in the order in which ties are broken.
SAMPLED = (
    "endpoint", "model", "parameters", "software", "exact",
    *(f"m{i}" for i in range(CELLS)), *(f"f{i}" for i in range(BANDS)), "chars", "tokens_out",
)  # fmt: skip
_ROW = ", ".join(f"r.{c}" for c in SAMPLED)

#: Text rows of some units: the smallest of each by draw, time, and then everything else.
SAMPLE = f"""
SELECT unit, at, draw, {", ".join(SAMPLED)} FROM (
  SELECT u.unit AS unit, r.at, r.draw, {_ROW},
         row_number() OVER (PARTITION BY u.unit ORDER BY r.draw, r.at, {_ROW}) AS place
  FROM {{facts}} r JOIN {{units}} u ON r.account = u.account
  WHERE {_TEXT}
)
WHERE place <= {{most}}
"""  # noqa: S608 - constants
