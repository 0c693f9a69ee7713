"""The 67 faults by number: what happens, how bad it is, and what must be seen afterwards."""

from __future__ import annotations

from typing import NamedTuple


class Fault(NamedTuple):
    """Severity 1: money or protection is lost; 2: control is degraded; 3: a nuisance."""

    severity: int
    happens: str
    must: str  # what the exchange's state must show


_TABLE = """
1 | 1 | a create times out, and was accepted | one order, resolved within 10 s, its fills under a stop
2 | 1 | a create times out, and was not accepted | so declared only past its fence and two absences
3 | 1 | 503 "Unknown error", executed or not; 503 "Service Unavailable" | as 1 and 2; the other is definitive
4 | 2 | -1008 on an entry | the entry is dropped; what reduces is untouched
5 | 1 | a fill before the create's answer | booked once; the stop does not wait for the answer
6 | 1 | the answer says FILLED, the fill is never streamed | the fill is read within 5 s
7 | 1 | a fill streamed twice, also after a reconnect, also without an id | the second changes nothing
8 | 1 | fills out of order; CANCELED before the last fill | the sum is right; no state goes back
9 | 1 | 30 % filled, the rest 10 s later | a stop over all that is filled after each
10 | 1 | partly filled, the rest cancelled by the venue | the stop fits; nothing is entered again
11 | 1 | filled beyond its size | the venue's size is taken; halted; the stop fits
12 | 1 | a duplicate client id is rejected | taken as sent: asked for, no new id
13 | 1 | the venue would take a client id twice | no id is ever sent twice
14 | 1 | not found for 3 s after the answer | still tracked; never failed
15 | 2 | a cancel refused because it has filled | asked for: filled; at most 3 cancels
16 | 2 | a cancel times out | unresolved, then resolved; fills still count
17 | 1 | an amend or replace refused because it has triggered | the close is booked; no stop on flat
18 | 1 | an amend or replace races a partial fill | never more than intended; the cap holds
19 | 2 | off tick, below the minimum, NaN, infinite | refused here; nothing is sent
20 | 1 | filters change at run time | read anew; one retry; the stop is never left out
21 | 2 | margin is insufficient | definitive; no loop
22 | 1 | a batch with mixed success | one outcome an order
23 | 1 | the stop is rejected after the fill | closed within 5 s
24 | 1 | the stop's create is lost | asked for; a second one only reduces, one too many is cancelled
25 | 1 | the stop is rejected when it triggers | closed at once; alarm
26 | 1 | the triggered stop fills in part | the rest is closed within 5 s
27 | 1 | somebody takes the stop away | there again within 3 s; at the third time closed and halted
28 | 1 | the stop is there, its query says -2013 | never more than two stops
29 | 1 | a replace whose cancel fails, or is cut by a crash | never less than covered; one stop in the end
30 | 2 | part is closed by hand elsewhere | the stop shrinks; no flip
31 | 1 | reduce-only rejected for a take-profit's sake (-4118, -2022) | take-profits go, the stop last
32 | 2 | 200 conditional orders are open | the entry is refused before it is sent
33 | 1 | a spike, a stale or an absurd mark under a trailing stop | the stop never loosens
34 | 2 | a hole in the depth | the book is invalid at once; valid again within 5 s
35 | 1 | a crossed or empty book, a price of zero | rejected; nothing is done on it
36 | 1 | a socket that is open and dead | declared dead, renewed; no entry meanwhile
37 | 1 | pings answered, the subscription silent | found out by channel
38 | 1 | the listen key expires or is deleted | a new one; no fill is lost
39 | 1 | the private stream is silent while fills happen | found out by REST within 10 s
40 | 2 | the venue closes the sockets, 20 times | backoff with jitter; the same subscriptions
41 | 2 | subscriptions are refused in part | asked again; not ready until all are confirmed
42 | 1 | no listen key on a reconnect | no entry; REST goes on
43 | 2 | a burst of 10,000 messages | books are conflated, user events are not
44 | 2 | garbage, unknown events, unknown words | counted; the engine lives
45 | 3 | late or repeated bars and marks | ignored
46 | 1 | 429 with Retry-After | heeded; stops go first
47 | 1 | 418 in a position | silence until it is over; the stop stands
48 | 1 | the clock is off, jumps, or the host sleeps | measured anew; nothing signed out of its window
49 | 1 | -1021 on a stop | measured anew and sent once more
50 | 1 | the key is revoked at run time | entries stop, alarm; no hammering
51 | 1 | the second key fails as well | stops stay; alarms
52 | 1 | a key that may withdraw | refused
53 | 1 | failover with both routes alive | one writer
54 | 2 | ten minutes of maintenance | no spin; compared afterwards
55 | 1 | a symbol is halted or delisted with a position | no entry; the end is booked; a start does not crash
56 | 1 | liquidated in part | booked; the stop fits; halted
57 | 1 | deleveraged by the venue | booked; no orphan stop; no re-entry
58 | 2 | funding negative, flipped, extra, late | cash is exact; counted once
59 | 2 | the balance moves by more than 1.5 % from outside | explained, or alarm and halt, once
60 | 1 | margin above 85 % with entries resting | entries go, stops stay, the smallest is closed
61 | 1 | -8 % in 5 minutes; one bad tick | halted once on a valid mark only; latched
62 | 1 | hedge mode is switched on elsewhere | refused, halted
63 | 2 | leverage or margin mode is changed elsewhere | seen within 30 s; entries stop
64 | 1 | SIGKILL at every point | converged within 15 s; one order an intent; protected
65 | 1 | the disk is full, fails, hangs, is torn | entries refused; what reduces is sent
66 | 1 | a strategy raises, floods, blocks, leaks | stopped; its positions stay protected
67 | 1 | two desks, interrupted cells, restarts, sleep | one writer; the engine goes on
"""

NOT_APPLICABLE = {
    51: "there is one route and one key",
    53: "there is one route and one key",
}


def _read(table: str) -> dict[int, Fault]:
    rows = {}
    for line in table.strip().splitlines():
        number, severity, happens, must = (part.strip() for part in line.split(" | "))
        rows[int(number)] = Fault(int(severity), happens, must)
    return rows


MATRIX = _read(_TABLE)
