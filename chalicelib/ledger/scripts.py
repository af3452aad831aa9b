"""Calls the Lua scripts in `lua/`. Each is one atomic transition, and safe to repeat."""

from __future__ import annotations

import re
from functools import cache, cached_property
from hashlib import sha1
from pathlib import Path
from typing import Any, NamedTuple

import redis
from redis import ConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from chalicelib.errors import LedgerUnavailable
from chalicelib.gathering import Gathering

FOLDER = Path(__file__).with_name("lua")
WORD = re.compile(r"\b[A-Za-z_]\w*")
# Errors of a Redis that answers but rejects writes: unavailable, to a caller. redis-py has classes for some codes; the rest,
# and those that Redis 6.2 wraps in a script error, are recognised by their text.
UNWRITABLE = (
    redis.exceptions.ReadOnlyError,
    redis.exceptions.OutOfMemoryError,
    redis.exceptions.MasterDownError,
    redis.exceptions.ClusterDownError,
)
UNWRITABLE_TEXT = re.compile(r"(?:^|-)(?:BUSY|OOM|READONLY|MISCONF|NOREPLICAS|LOADING|MASTERDOWN|CLUSTERDOWN)\b")
CONNECT_SECONDS = 2
ANSWER_SECONDS = 5
TOGETHER_AT_MOST = 64


@cache
def source(name: str) -> tuple[str, str]:
    """Return the text of a script, with what it uses of the shared libraries in front, and its SHA-1.

    Redis runs the whole text at each call. So a definition that the script does not use would cost time.
    """
    libraries = [file for file in (FOLDER / "lib.lua", (FOLDER / name).with_name("lib.lua")) if file.exists()]
    own = (FOLDER / f"{name}.lua").read_text()
    used: list[str] = []
    wanted = _words(own)
    for definition in reversed([one for file in libraries for one in _definitions(file.read_text())]):
        names = _names(definition)
        if not names or names & wanted:
            used.insert(0, definition)
            wanted |= _words(definition)
    text = "\n".join([*used, own])
    return text, sha1(text.encode(), usedforsecurity=False).hexdigest()


def _definitions(library: str) -> list[str]:
    """Split a library at the lines that begin at the margin, except an `end`."""
    lines = [line for line in library.splitlines() if line.strip() and not line.startswith("--")]
    blocks: list[list[str]] = []
    for line in lines:
        if line[0].isspace() or line == "end":
            blocks[-1].append(line)
        else:
            blocks.append([line])
    return ["\n".join(block) for block in blocks]


def _words(code: str) -> set[str]:
    """Return the words of code, without comments and quoted text."""
    return set(WORD.findall(re.sub(r"'[^'\n]*'|--.*", "", code)))


def _names(definition: str) -> set[str]:
    """Return the local names that a block defines; none: it is a statement."""
    found = re.match(r"local (?:function )?([\w, ]+)", definition)
    return set(WORD.findall(found[1])) if found else set()


class _Call(NamedTuple):
    name: str
    args: tuple[str | float, ...]


def _unwritable(answer: object) -> bool:
    """Return whether an answer is the error of a Redis that rejects writes."""
    if not isinstance(answer, redis.ResponseError):
        return False
    return isinstance(answer, UNWRITABLE) or bool(UNWRITABLE_TEXT.search(str(answer)))


class Scripts:
    """The connection to Redis, and the key prefix of mediaq.

    Threads share it, and send their calls together: that costs less time here and in Redis than a connection for each.
    """

    def __init__(self, url: str, prefix: str, password: str = "") -> None:
        self._options: dict[str, Any] = {
            **({"password": password} if password else {}),  # else the password in the URL, if any
            "decode_responses": True,
            "socket_connect_timeout": CONNECT_SECONDS,
            "socket_timeout": ANSWER_SECONDS,
            "retry": Retry(NoBackoff(), 0),
        }
        self._url = url
        self.prefix = prefix
        self._calls = Gathering(self._answers, TOGETHER_AT_MOST)

    @cached_property
    def redis(self) -> Redis:
        """A connection for plain commands."""
        return Redis.from_url(self._url, single_connection_client=True, **self._options)

    @cached_property
    def _connection(self) -> Any:  # redis-py does not type its methods
        """The connection for scripts. It connects when it is used."""
        return ConnectionPool.from_url(self._url, **self._options).make_connection()

    def call(self, name: str, *args: str | float) -> list[Any]:
        """Run script `name`, such as "jobs/claim", and return its answer. If the answer is lost, call once more.

        Raises:
            LedgerUnavailable: Redis is unreachable, or rejects writes.
        """
        answer = self._calls.call(_Call(name, args))
        if isinstance(answer, (redis.ConnectionError, redis.TimeoutError)):
            raise LedgerUnavailable from answer
        if _unwritable(answer):
            raise LedgerUnavailable("Redis does not accept writes") from answer
        if isinstance(answer, BaseException):
            raise answer
        return list(answer)

    def _answers(self, calls: list[_Call]) -> list[Any]:
        """Return the answers, or errors in their place."""
        try:
            try:
                answers = self._run(calls, (self.prefix,))
            except (redis.ConnectionError, redis.TimeoutError):
                answers = self._run(calls, (self.prefix, self.prefix))
        except Exception as error:  # noqa: BLE001 - each caller raises it
            return [error] * len(calls)
        if any(map(_unwritable, answers)):
            self._connection.disconnect()  # so that a failover is followed to the new primary
        return answers

    def _run(self, calls: list[_Call], keys: tuple[str, ...]) -> list[Any]:
        answers = self._exchange([("EVALSHA", source(call.name)[1], len(keys), *keys, *call.args) for call in calls])
        for at, call in enumerate(calls):
            if isinstance(answers[at], redis.exceptions.NoScriptError):
                [answers[at]] = self._exchange([("EVAL", source(call.name)[0], len(keys), *keys, *call.args)])
        return answers

    def _exchange(self, commands: list[tuple[Any, ...]]) -> list[Any]:
        """Send commands together, and read their answers; one that cannot be sent or is refused has its error."""
        connection = self._connection
        packed: list[bytes] = []
        answers: list[Any] = []
        for command in commands:
            try:
                packed += connection.pack_command(*command)
                answers.append(None)
            except (redis.DataError, UnicodeError) as error:
                answers.append(error)
        try:
            connection.send_packed_command([b"".join(packed)])  # in one packet
            for at, answer in enumerate(answers):
                if answer is None:
                    answers[at] = _read(connection)
        except BaseException:
            connection.disconnect()  # an answer that was not read must not be taken for that of the next call
            raise
        return answers


def _read(connection: Any) -> Any:
    try:
        return connection.read_response()
    except redis.ResponseError as error:
        return error
