"""Checks the five invariants against the history of a run and its final state."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from tests.chaos.faults import WIPES

if TYPE_CHECKING:
    from tests.chaos.recorder import Event, Recorder

CLOSED = ("completed", "failed")
OK = 200


def broken_rules(
    recorder: Recorder, accepted: set[str], rows: dict[str, dict[str, Any]], files: dict[str, list[str]], stats: dict[str, int]
) -> list[tuple[str, str]]:
    """Return (job or "", what is wrong), nothing when all rules hold.

    `rows` are the records at the end by id, `files` the ids of the outputs that Directus has by job, `stats` the counts.
    """
    history: dict[str, list[Event]] = {}
    for event in recorder.events:
        history.setdefault(event.job, []).append(event)
    return [
        *((job, text) for job in sorted(accepted) for text in _once(history.get(job, []), rows[job])),
        *((job, text) for job in sorted(accepted) for text in _one_output_set(rows[job], files.get(job, []))),
        *(("", text) for text in _counts(recorder.events, rows, stats)),
        *(("", text) for text in _never_fall(recorder.events)),
        *(("", text) for text in _nothing_without_redis(recorder.events)),
    ]


def _once(events: list[Event], row: dict[str, Any]) -> list[str]:
    """Rule 1: an accepted job ends, and ends once, unless it was admitted anew. Rule 3: nobody changes it afterwards."""
    if row["status"] not in CLOSED:
        return [f"was accepted and is {row['status']} at the end"]
    wrong = []
    closed: Event | None = None
    for event in events:
        if event.kind != "patch" or not event.data["changed"]:
            continue
        status = event.data["status"]
        if status == "pending" and (closed is None or closed.data["status"] == "failed"):
            closed = None
        elif closed is not None:
            wrong.append(f"{event.who} set it to {status} at {event.at}, after {closed.who} had closed it at {closed.at}")
        if status in CLOSED:
            closed = event
    cancelled = any(event.kind == "cancel" and event.data["status"] == OK for event in events)
    if cancelled and row["error"] != "Cancelled" and not any(event.kind == "retry" for event in events):
        wrong.append(f"was cancelled, its caller was told so, and it is {row['status']}")
    if closed is None or closed.data["status"] != row["status"]:
        wrong.append(f"is {row['status']}, which nobody was seen to write")
    return wrong


def _one_output_set(row: dict[str, Any], found: list[str]) -> list[str]:
    """Rules 1 and 3: one set of outputs a completed job, none a job that failed."""
    result = row["result"] if isinstance(row["result"], dict) else {}
    named = [one["file_id"] for one in result.get("outputs") or []] if row["status"] == "completed" else []
    if Counter(named) != Counter(found):
        return [f"is {row['status']} and names {len(named)} outputs, but Directus has {len(found)}"]
    return []


def _counts(events: list[Event], rows: dict[str, dict[str, Any]], stats: dict[str, int]) -> list[str]:
    """Rule 2: the published counts are those of the outcomes that were seen.

    After a wipe they are counted in Directus, where a job that failed, was retried and failed again is one record.
    """
    wrong = [f"{name} is {stats[name]} at the end" for name in ("waiting", "active", "delayed") if stats[name]]
    wiped = any(event.kind == "fault" and event.data["name"] in WIPES for event in events)
    closed = [event.data for event in events if event.kind == "patch" and event.data["changed"]]
    for name in CLOSED:
        outcomes = sum(data["status"] == name and data.get("error") != "Cancelled" for data in closed)
        records = sum(row["status"] == name and row["error"] != "Cancelled" for row in rows.values())
        least = min(records, outcomes) if wiped else outcomes
        if not least <= stats[name] <= outcomes:
            wrong.append(f"{name} is {stats[name]}, with {outcomes} outcomes seen and {records} records")
    return wrong


def _never_fall(events: list[Event]) -> list[str]:
    """Rule 2: a total never falls, but for a wipe."""
    wrong = []
    last = {"completed": 0, "failed": 0}
    for event in events:
        if event.kind == "fault" and event.data["name"] in WIPES:
            last = {"completed": 0, "failed": 0}
        if event.kind != "stats":
            continue
        for name, before in last.items():
            if event.data[name] < before:
                wrong.append(f"{name} fell from {before} to {event.data[name]} at {event.at}")
            last[name] = event.data[name]
    return wrong


def _nothing_without_redis(events: list[Event]) -> list[str]:
    """Rule 5: with Redis out of reach of the API nothing is accepted."""
    windows = []
    cut: dict[str, float] = {}
    for event in events:
        if event.kind == "api without redis":
            cut[event.who] = event.at
        elif event.kind == "api with redis" and event.who in cut:
            windows.append((cut.pop(event.who), event.at))
    accepted = [(event.job, event.data["asked_at"], event.at) for event in events if event.kind == "accepted"]
    return [
        f"{job} was accepted at {answered}, with Redis out of reach"
        for job, asked, answered in accepted
        if any(start < asked and answered < end for start, end in windows)
    ]
