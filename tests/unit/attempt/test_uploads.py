"""Outputs are uploaded after those that they name, and one that fails is repeated alone."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.errors import DirectusUnavailable
from workers.attempt.attempt import Attempt
from workers.attempt.outputs import Outputs
from workers.context.work import Output

if TYPE_CHECKING:
    from pathlib import Path


class Store:
    """Takes uploads as Directus does; fails the first call for each of some names."""

    def __init__(self, *failing: str) -> None:
        self.failing = list(failing)
        self.calls: list[str] = []
        self.texts: dict[str, str] = {}
        self.given: list[str] = []

    def upload_file(self, stream: Any, *, title: str, **about: Any) -> str:
        name = title.split("/")[1]
        self.calls.append(name)
        if name in self.failing:
            self.failing.remove(name)
            raise DirectusUnavailable("broken")
        about["sent"](len(name))
        file_id = f"id-of-{name.replace('.', '-')}"
        self.texts[file_id] = stream.read().decode()
        return file_id

    def give_files(self, file_ids: list[str], owner: str) -> bool:
        self.given += file_ids
        return True


class Lease:
    """A lease that is never lost."""

    def __init__(self) -> None:
        self.shares: list[int] = []

    def progress(self, percent: int) -> None:
        self.shares.append(percent)

    def __getattr__(self, name: str) -> Any:
        return lambda *given: None


def attempt(store: Store) -> Any:
    made: Any = Attempt.__new__(Attempt)
    made._directus, made._lease, made._maybe_orphans = store, Lease(), False
    made._job = type("Job", (), {"job_id": "job", "user_id": "user"})
    made._journal = Lease()
    made._outputs = Outputs(made._job, made._lease, made._directus, made._with_retries)
    return made


def outputs(folder: Path) -> list[Output]:
    texts = {
        "output.m3u8": "a.m3u8 a-iframes.m3u8",
        "a.mp4": "film",
        "a.m3u8": "a.mp4",
        "a-iframes.m3u8": "a.mp4 a.mp4",
        "output.mpd": "a.mp4",
    }
    refers = {
        "output.m3u8": ("a.m3u8", "a-iframes.m3u8"),
        "a.m3u8": ("a.mp4",),
        "a-iframes.m3u8": ("a.mp4",),
        "output.mpd": ("a.mp4",),
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    return [Output(folder / name, name, "text/plain", refers.get(name, ())) for name in texts]


@pytest.mark.parametrize("failing", [(), ("a.mp4",), ("a.m3u8", "output.m3u8"), ("output.mpd", "a-iframes.m3u8")])
def test_names_become_ids(tmp_path: Path, failing: tuple[str, ...]) -> None:
    store = Store(*failing)
    made = attempt(store)
    files = made._outputs.upload(outputs(tmp_path), "film")
    assert [one["name"] for one in files] == ["output.m3u8", "a.mp4", "a.m3u8", "a-iframes.m3u8", "output.mpd"]
    assert store.texts == {
        "id-of-a-mp4": "film",
        "id-of-a-m3u8": "id-of-a-mp4",
        "id-of-a-iframes-m3u8": "id-of-a-mp4 id-of-a-mp4",
        "id-of-output-m3u8": "id-of-a-m3u8 id-of-a-iframes-m3u8",
        "id-of-output-mpd": "id-of-a-mp4",
    }
    assert Counter(store.calls) == Counter({one.name: 1 + (one.name in failing) for one in outputs(tmp_path)})
    assert sorted(store.given) == sorted(one["file_id"] for one in files[1:])
    assert made._maybe_orphans is bool(failing)
    if not failing:
        assert made._lease.shares == sorted(made._lease.shares)
        assert len(set(made._lease.shares)) > 3, "the bar moves from file to file"
