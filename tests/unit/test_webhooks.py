"""The helper that tells a callback of ours from anybody else's: what the server signs it accepts, and nothing else."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mediaq
from chalicelib import callbacks

BODY = b'{"type":"job.completed"}'
SECRET = callbacks.secret_of("user", "deployment")


def signed(body: bytes = BODY, at: float | None = None, secrets: tuple[str, ...] = (SECRET,)) -> str:
    return callbacks.signature(body, int(time.time() if at is None else at), secrets)


def test_what_the_server_signs_is_accepted() -> None:
    assert mediaq.verify(BODY, signed(), SECRET) == {"type": "job.completed"}
    assert mediaq.verify(BODY, signed(secrets=("new", SECRET)), SECRET)["type"] == "job.completed"


@pytest.mark.parametrize(
    ("body", "signature", "says"),
    [
        (BODY + b" ", signed(), "not signed with this secret"),
        (BODY, signed(secrets=(callbacks.secret_of("another", "deployment"),)), "not signed with this secret"),
        (BODY, signed(at=time.time() - 4000), "not of the last 300 s"),
        (BODY, signed(at=time.time() + 4000), "not of the last 300 s"),
        (BODY, signed().partition(",")[0], "not signed with this secret"),
        (BODY, signed().partition(",")[2], "must be t="),
        (BODY, f"{signed()},t=1", "must be t="),
        (BODY, "t=²,v1=x", "must be t="),
        (BODY, "", "must be t="),
        (b"words", signed(b"words"), "is not JSON"),
        (b"[]", signed(b"[]"), "is no event"),
    ],
)
def test_what_it_does_not_sign_is_refused(body: bytes, signature: str, says: str) -> None:
    with pytest.raises(mediaq.SignatureError, match=says):
        mediaq.verify(body, signature, SECRET)


@given(st.text(max_size=200))
def test_no_header_is_anything_but_refused(header: str) -> None:
    with pytest.raises(mediaq.SignatureError):
        mediaq.verify(BODY, header, SECRET)
