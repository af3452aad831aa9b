"""The client's verification accepts what the server signs, and nothing else."""

from __future__ import annotations

import random
import time

import pytest

import mediaq
from chalicelib.domain import webhooks

BODY = b'{"type":"job.completed"}'
SECRET = webhooks.secret_of("user", "deployment")


def signed(body: bytes = BODY, at: float | None = None, secrets: tuple[str, ...] = (SECRET,)) -> str:
    return webhooks.signature(body, int(time.time() if at is None else at), secrets)


def test_what_the_server_signs_is_accepted() -> None:
    assert mediaq.verify(BODY, signed(), SECRET) == {"type": "job.completed"}
    assert mediaq.verify(BODY, signed(secrets=("new", SECRET)), SECRET)["type"] == "job.completed"


REFUSED = {
    "another body": (lambda: (BODY + b" ", signed()), "not signed with this secret"),
    "another user's": (
        lambda: (BODY, signed(secrets=(webhooks.secret_of("x", "deployment"),))),
        "not signed with this secret",
    ),
    "long ago": (lambda: (BODY, signed(at=time.time() - 400)), "not of the last 300 s"),
    "in the future": (lambda: (BODY, signed(at=time.time() + 400)), "not of the last 300 s"),
    "a time alone": (lambda: (BODY, signed().partition(",")[0]), "not signed with this secret"),
    "no time": (lambda: (BODY, signed().partition(",")[2]), "must be t="),
    "two times": (lambda: (BODY, f"{signed()},t=1"), "must be t="),
    "a time in another script": (lambda: (BODY, "t=²,v1=x"), "must be t="),
    "nothing": (lambda: (BODY, ""), "must be t="),
    "words": (lambda: (b"words", signed(b"words")), "is not JSON"),
    "a list": (lambda: (b"[]", signed(b"[]")), "is no event"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_it_does_not_sign_is_refused(case: str) -> None:
    make, says = REFUSED[case]
    with pytest.raises(mediaq.SignatureError, match=says):
        mediaq.verify(*make(), SECRET)


def test_no_header_is_anything_but_refused() -> None:
    chance = random.Random(7)
    for _ in range(3000):
        header = "".join(chance.choices("tv1=,0 9af\x00²é\n;-+", k=chance.randrange(40)))
        with pytest.raises(mediaq.SignatureError):
            mediaq.verify(BODY, header, SECRET)
