"""Exchanges the parts of one run with other workers: what is stored and told, and what comes back.

It never raises for the store or the ledger: what does not come back is encoded here.
"""

from __future__ import annotations

import hashlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from queue import SimpleQueue
from typing import TYPE_CHECKING

import msgspec
from aws_lambda_powertools import Logger

from chalicelib.errors import LedgerUnavailable, StoreUnavailable
from chalicelib.ledger.parts import NewPart, PartPlan
from workers.parts import encode, join
from workers.parts import film as film_module

if TYPE_CHECKING:
    from concurrent.futures import Future
    from contextlib import ExitStack
    from pathlib import Path

    from chalicelib.ledger.parts import ClaimedPart, PartsAnswer
    from workers.parts.film import Film
    from workers.team.coordinator import Coordinator

logger = Logger(service="mediaq", child=True)
WATCH_SECONDS = 0.5
"""How often the ledger is asked for finished parts."""
STORED_AT_ONCE = 4
"""How many files are on their way to and from the store at a time."""
SETTLE_SECONDS = 10.0
STORE_AGAIN_SECONDS = 30.0
"""How long a store that failed is left alone."""
LAMBDA_SECONDS_MAX, LAMBDA_PIXELS_MAX = 240.0, 4_000_000
"""The largest part that a Lambda may take: seconds on two processors, and pixels of a frame in all renditions together."""
PARTS_OF_A_LAMBDA = 3
LAMBDAS_AFTER = 3
"""After how many stored parts Lambdas are called: there is work for them."""
NOT_STORED = "-"
"""The key of a result that only its coordinator has."""


class Exchange:
    """The parts of one run, as far as they are here, in the store and in the ledger. Threads share it."""

    def __init__(self, team: Coordinator, film: Film, folder: Path, sha256: str) -> None:
        """`folder`: where the parts are. `sha256`: of the film."""
        self._team = team
        self._film = film
        self._folder = folder
        self._total = len(film.parts)
        self._digest = hashlib.sha256(msgspec.json.encode(film.recipe) + sha256.encode()).hexdigest()
        self.have: set[int] = set()
        """The parts whose result is in the folder."""
        self.coming: set[int] = set()
        """Parts whose results are on their way from the store."""
        self.broken: SimpleQueue[int] = SimpleQueue()
        """Parts whose result could not be read from the store: to encode again here."""
        self.changed = threading.Event()
        """Set when there may be something to do."""
        self.finished_before: frozenset[int] = frozenset()
        """Parts that an earlier run of the job finished."""
        self.error = ""
        """Why the job fails: a part failed for good."""
        self._unreadable: set[int] = set()
        """The parts that were ever in `broken`: not fetched again."""
        self._keys: dict[int, str] = {}
        """The keys of results in the store."""
        self._sources: dict[int, NewPart] = {}
        """The parts that were added to the ledger."""
        self._planned: PartPlan | None = None
        self._store_failed_at: float | None = None
        self._called = False
        """Whether Lambdas were called."""
        self._lock = threading.Lock()
        self._known = 0
        self._finishing: list[tuple[Future[None], ExitStack]] = []
        self._over = threading.Event()
        self._pool = ThreadPoolExecutor(STORED_AT_ONCE, thread_name_prefix="store")
        self._watcher = threading.Thread(target=self._watch, name=f"parts-{team.job.job_id}", daemon=True)

    def start(self) -> None:
        """Tell the ledger of the parts, and begin to fetch what others finish."""
        self._plan()
        self._watcher.start()

    def close(self) -> None:
        """End all threads."""
        self._over.set()
        self._pool.shutdown(wait=False, cancel_futures=True)
        for future, held in self._finishing:
            if future.cancelled():  # otherwise its thread ends the lease
                held.close()
        if self._watcher.ident is not None:
            self._watcher.join()

    def offer(self, n: int) -> None:
        """Store the packets of a part and let other workers take it, in a thread."""
        self._pool.submit(self._offer_safely, n)

    def finish_again(self, part: ClaimedPart) -> None:
        """Tell a ledger that does not know it that we have the result of a part."""
        with suppress(LedgerUnavailable):
            self._team.ledger.finish(part, self._keys.get(part.n, NOT_STORED), 0, 0)

    def got(self, n: int) -> None:
        """Note that the result of a part is in the folder."""
        self.have.add(n)
        self.changed.set()

    def finish(self, part: ClaimedPart, held: ExitStack, errors: int) -> None:
        """Store the result of our own part, in a thread that then ends its lease: if we die, the next attempt has it."""
        self._finishing.append((self._pool.submit(self._finish, part, held, errors), held))

    def settle(self) -> None:
        """Wait until the ledger knows what we finished."""
        wait([future for future, _ in self._finishing], timeout=SETTLE_SECONDS)

    def plan_again(self) -> None:
        """Tell a ledger that lost everything of all parts, also of those that are finished."""
        self._plan()
        self._add_all()

    def _add_all(self) -> None:
        parts = [
            msgspec.structs.replace(one, result=self._keys.get(n, NOT_STORED) if n in self.have else None)
            for n, one in list(self._sources.items())
        ]
        with suppress(LedgerUnavailable):
            self._team.ledger.add(self._team.job, self._team.token, parts)

    def _plan(self) -> None:
        try:
            if self._planned is None:
                file = self._folder / "recipe.json"
                file.write_bytes(msgspec.json.encode(self._film.recipe))
                key = self._team.store.put(self._team.folder, "recipe", file)
                engine = encode.engine(self._film.recipe.ffmpeg)
                self._planned = PartPlan(self._digest, key, engine, self._total, self._pools())
        except StoreUnavailable as error:
            self._store_fails(error)
            self._planned = PartPlan(self._digest, NOT_STORED, "", self._total, ())  # no other worker can take part
        try:
            answer = self._team.ledger.plan(self._team.job, self._team.token, self._planned)
        except LedgerUnavailable:
            return
        self._known = len(answer.finished)
        if not self.have:  # the first plan of this run
            self.finished_before = frozenset(answer.finished)
        self._fetch(answer)

    def _pools(self) -> tuple[str, ...]:
        pixels = self._film.recipe.picture.pixels * len(self._film.recipe.renditions)
        longest = max(one.weight for one in self._film.parts) * self._film.seconds
        fits = longest <= LAMBDA_SECONDS_MAX and pixels <= LAMBDA_PIXELS_MAX
        return ("container", "lambda") if fits else ("container",)

    def _offer_safely(self, n: int) -> None:
        try:
            self._offer(n)
        except Exception:  # otherwise the part would be missing for ever
            if not self._over.is_set():
                logger.exception("part not offered", extra={"job_id": self._team.job.job_id, "part": n})
                self._lose(n)

    def _offer(self, n: int) -> None:
        source = self._folder / film_module.source_name(n, self._film.recipe.picture.codec)
        key = ""
        if self._store_works and n not in self.have | self.coming:
            try:
                key = self._team.store.put(self._team.folder, f"source-{n}", source)
            except (StoreUnavailable, OSError) as error:
                self._store_fails(error)
        weight = round(self._film.parts[n].weight * self._film.seconds, 3)
        self._sources[n] = NewPart(n, weight, key, source.stat().st_size)
        with suppress(LedgerUnavailable):
            self._team.ledger.add(self._team.job, self._team.token, [self._sources[n]])
        self.changed.set()
        self._call_lambdas_once()

    def _call_lambdas_once(self) -> None:
        with self._lock:
            if self._called or len(self._sources) < min(LAMBDAS_AFTER, self._total) or not self._store_works:
                return
            self._called = True
        if self._planned is not None and "lambda" in self._planned.pools:
            self._team.call_lambdas(-(-self._total // PARTS_OF_A_LAMBDA))

    def _finish(self, part: ClaimedPart, held: ExitStack, errors: int) -> None:
        with held:
            target, key = self._folder / join.encoded_name(part.n), NOT_STORED
            if self._store_works and len(self.have) < self._total:  # afterwards nobody needs it any more
                try:
                    key = self._team.store.put(self._team.folder, f"result-{part.n}", target)
                except (StoreUnavailable, OSError) as error:
                    self._store_fails(error)
            self._keys[part.n] = key
            with suppress(LedgerUnavailable):
                self._team.ledger.finish(part, key, target.stat().st_size, errors)

    def _watch(self) -> None:
        while not self._over.wait(WATCH_SECONDS):
            try:
                answer = self._team.ledger.watch(self._team.job, self._team.token, self._known)
                if answer.word == "ok":
                    self._follow(answer)
            except LedgerUnavailable:
                continue
            except Exception:  # nobody else looks for finished parts
                logger.exception("parts not watched", extra={"job_id": self._team.job.job_id})

    def _follow(self, answer: PartsAnswer) -> None:
        self._known += len(answer.finished)
        self.error = answer.error
        self._fetch(answer)
        if answer.done + answer.open + answer.held < len(self._sources):
            self._add_all()  # a call failed, or Redis lost its last second
        if answer.open == answer.held == 0:
            self._known = 0  # read all again: some may have been lost and finished in another order

    def _fetch(self, answer: PartsAnswer) -> None:
        for n, key in answer.finished.items():
            if n not in self.have | self.coming | self._unreadable and 0 <= n < self._total:
                self.coming.add(n)
                self._pool.submit(self._fetch_one, n, key)

    def _fetch_one(self, n: int, key: str) -> None:
        try:
            if key != NOT_STORED:
                self._team.store.get(key, self._folder / join.encoded_name(n))
                self._keys[n] = key
                self.got(n)
                return self.coming.discard(n)
        except Exception as error:  # noqa: BLE001 - as in _offer_safely
            logger.warning("result of a part not read", extra={"job_id": self._team.job.job_id, "part": n, "error": str(error)})
        self._lose(n)
        return self.coming.discard(n)

    def _lose(self, n: int) -> None:
        """Let the coordinator encode a part again."""
        self._unreadable.add(n)
        self.broken.put(n)
        self.changed.set()

    @property
    def _store_works(self) -> bool:
        """Whether the store is to be tried: it has not failed lately."""
        return self._store_failed_at is None or time.monotonic() - self._store_failed_at >= STORE_AGAIN_SECONDS

    def _store_fails(self, error: Exception) -> None:
        """Go on without the store for a while: nobody else can take the parts that are not in it."""
        if self._store_works:
            logger.warning("the store failed: encoding alone", extra={"job_id": self._team.job.job_id, "error": str(error)})
        self._store_failed_at = time.monotonic()
