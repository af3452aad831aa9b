"""The settings: environment variables, parsed once into a frozen value.

Every error names the variable and the expected value, so that a wrong deployment fails at start with a clear message.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from chalicelib.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

POOLS = ("lambda", "container")
UNSET = "-"
"""The value of an unused secret: some secret stores reject an empty value."""
COMPUTE_TYPES = ("int8", "int8_float32", "int16", "float16", "bfloat16", "float32")
DOMAIN = Path(__file__).parent / "domain"
PLANS_FILE = DOMAIN / "plans.json"
PRICES_FILE = DOMAIN / "prices.json"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of a process. Secrets are left out of `repr`."""

    redis_url: str = field(repr=False)
    redis_password: str = field(repr=False)
    redis_prefix: str
    directus_url: str
    directus_public_url: str
    """The address at which a browser reaches Directus."""
    directus_token: str = field(repr=False)
    directus_secrets: tuple[str, ...] = field(repr=False)
    """The secret that Directus signs with, and the previous one during a rotation."""
    directus_timeout: float
    queue_urls: dict[str, str]
    dead_letter_urls: dict[str, str]
    schedule_role_arn: str
    schedule_group: str
    internal_tokens: tuple[str, ...] = field(repr=False)
    trust_loopback: bool
    webhook_secrets: tuple[str, ...] = field(repr=False)
    """The current secret from which the users' webhook secrets are derived, and the previous one during a rotation."""
    plans_file: Path
    presets_file: Path | None
    prices_file: Path
    taxonomy_ttl: int
    poll_seconds: int
    """How long one receive call waits for a ticket. Below the 20 s of SQS: the poll of a killed worker continues at the server
    and may receive a ticket. It must end before a lease does (10 s), so that a live worker receives the new ticket of a dead
    worker's job."""
    work_dir: Path
    ffmpeg: str
    fetch_allow: frozenset[str]
    network_namespace: str
    credentials_keys: tuple[str, ...] = field(repr=False)
    credentials_public_key: str
    """The key that the API seals credentials to."""
    credentials_kms_key: str
    """The KMS key that it seals them with instead: an id, an ARN or an alias."""
    credentials_private_keys: tuple[str, ...] = field(repr=False)
    """The keys that workers open credentials with, the current one first."""
    whisper_model: Path | None
    """The folder of a faster-whisper model; None: the one that is installed."""
    whisper_threads: int
    """The threads of a recognition; 0: one per core."""
    whisper_beam_size: int
    whisper_compute_type: str
    transcribe_bucket: str
    parts_bucket: str
    """The S3 bucket for the parts of long films; "": every film runs whole."""
    parts_from_seconds: float
    """A film is split if two processors are expected to encode it for so long."""
    parts_workers: int
    """How many workers may encode a film together: it has three parts for each."""
    log_level: str
    stage: str
    worker_concurrency: int
    """How many jobs a container worker runs at a time."""
    alarm_thresholds: dict[str, float]
    """Alarm thresholds that differ from the defaults in `maintenance/alarms.py`."""


def load(environ: Mapping[str, str]) -> Settings:
    """Parse the settings from `environ`.

    Raises:
        SettingsError: a variable is missing or wrong; the message names it and what it must be.
    """
    read = _Reader(environ)
    directus = read.url("DIRECTUS_URL", ("http", "https"), "http://127.0.0.1:8055").rstrip("/")
    return Settings(
        redis_url=read.url("REDIS_URL", ("redis", "rediss"), "redis://127.0.0.1:6379/0"),
        redis_password=read.text("REDIS_PASSWORD", ""),
        redis_prefix=read.text("MEDIAQ_REDIS_PREFIX", "{mediaq}"),
        directus_url=directus,
        directus_public_url=read.url("DIRECTUS_PUBLIC_URL", ("http", "https"), directus).rstrip("/"),
        directus_token=read.secret("DIRECTUS_TOKEN", "the static token of the mediaq service user in Directus"),
        directus_secrets=(
            read.secret("DIRECTUS_SECRET", "the SECRET that Directus signs its tokens with"),
            *read.if_set("DIRECTUS_SECRET_BEFORE"),
        ),
        directus_timeout=read.number("DIRECTUS_TIMEOUT_SECONDS", 10, 1, 120),
        queue_urls={pool: read.url(f"QUEUE_URL_{pool.upper()}", ("http", "https")) for pool in POOLS},
        dead_letter_urls={pool: read.url(f"DEAD_LETTER_URL_{pool.upper()}", ("http", "https")) for pool in POOLS},
        schedule_role_arn=read.text("SCHEDULE_ROLE_ARN", ""),
        schedule_group=read.text("SCHEDULE_GROUP", "default"),
        internal_tokens=read.if_set("INTERNAL_TOKEN") + read.if_set("INTERNAL_TOKEN_BEFORE"),
        trust_loopback=read.flag("TRUST_LOOPBACK"),
        webhook_secrets=read.if_set("WEBHOOK_SECRET") + read.if_set("WEBHOOK_SECRET_BEFORE"),
        plans_file=Path(read.text("PLANS_FILE", str(PLANS_FILE))),
        presets_file=read.path("PRESETS_FILE"),
        prices_file=Path(read.text("PRICES_FILE", str(PRICES_FILE))),
        taxonomy_ttl=int(read.number("TAXONOMY_TTL_SECONDS", 3600, 1, 86_400)),
        poll_seconds=int(read.number("POLL_SECONDS", 10, 1, 10)),
        work_dir=Path(read.text("WORK_DIR", "/tmp/mediaq")),  # noqa: S108 - every job makes a private 0700 folder inside
        ffmpeg=read.text("FFMPEG", ""),
        fetch_allow=frozenset(read.text("FETCH_ALLOW", "").replace(",", " ").split()),
        network_namespace=read.choice("NETWORK_NAMESPACE", "auto", ("auto", "off", "required")),
        credentials_keys=credentials_keys(environ),
        credentials_public_key=read.text("CREDENTIALS_PUBLIC_KEY", ""),
        credentials_kms_key=read.text("CREDENTIALS_KMS_KEY", ""),
        credentials_private_keys=read.list("CREDENTIALS_PRIVATE_KEYS"),
        whisper_model=read.path("WHISPER_MODEL"),
        whisper_threads=int(read.number("WHISPER_THREADS", 0, 0, 64)),
        whisper_beam_size=int(read.number("WHISPER_BEAM_SIZE", 5, 1, 20)),
        whisper_compute_type=read.choice("WHISPER_COMPUTE_TYPE", "int8", COMPUTE_TYPES),
        transcribe_bucket=read.text("TRANSCRIBE_BUCKET", ""),
        parts_bucket=read.text("PARTS_BUCKET", ""),
        parts_from_seconds=read.number("PARTS_FROM_SECONDS", 60, 0, 86_400),
        parts_workers=int(read.number("PARTS_WORKERS", 8, 1, 333)),
        log_level=read.choice("LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR")),
        stage=read.text("STAGE", "local"),
        worker_concurrency=int(read.number("WORKER_CONCURRENCY", os.cpu_count() or 1, 1, 256)),
        alarm_thresholds=read.thresholds("ALARM_OVER"),
    )


@cache
def current() -> Settings:
    """Return the settings of this process, read on first use."""
    return load(os.environ)


def credentials_keys(environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Return the Fernet keys of platform connections: the first encrypts, all decrypt."""
    return _Reader(environ).list("CREDENTIALS_KEYS")


class _Reader:
    """Typed accessors with precise errors."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def text(self, name: str, default: str) -> str:
        return self._environ.get(name, "").strip() or default

    def if_set(self, name: str) -> tuple[str, ...]:
        value = self.text(name, UNSET)
        return () if value == UNSET else (value,)

    def list(self, name: str) -> tuple[str, ...]:
        return tuple(" ".join(self.if_set(name)).replace(",", " ").split())

    def path(self, name: str) -> Path | None:
        value = self.text(name, "")
        return Path(value) if value else None

    def secret(self, name: str, meaning: str) -> str:
        value = self._environ.get(name, "").strip()
        if not value:
            raise SettingsError(f"{name} is not set: it must be {meaning}")
        return value

    def url(self, name: str, schemes: tuple[str, ...], default: str = "") -> str:
        value = self.text(name, default)
        wants = f"{name} must be a {' or '.join(schemes)} URL"
        if not value:
            raise SettingsError(f"{wants}; it is not set")
        if urlsplit(value).scheme not in schemes or not urlsplit(value).netloc:
            raise SettingsError(wants)  # the message leaves out the value: a URL may contain a password
        return value

    def number(self, name: str, default: float, least: float, most: float) -> float:
        raw = self.text(name, str(default))
        try:
            value = float(raw)
        except ValueError:
            value = least - 1
        if not least <= value <= most:
            raise SettingsError(f"{name} must be a number from {least} to {most}, not {raw!r}")
        return value

    def thresholds(self, name: str) -> dict[str, float]:
        wants = f"{name} must be alarm=threshold pairs, such as waiting=500,failure-ratio=0.2"
        found: dict[str, float] = {}
        for pair in self.text(name, "").replace(",", " ").split():
            alarm, _, value = pair.partition("=")
            try:
                found[alarm] = float(value)
            except ValueError as error:
                raise SettingsError(wants) from error
        return found

    def flag(self, name: str) -> bool:
        return self.choice(name, "0", ("0", "1")) == "1"

    def choice(self, name: str, default: str, allowed: tuple[str, ...]) -> str:
        value = self.text(name, default)
        if value not in allowed:
            raise SettingsError(f"{name} must be one of {', '.join(allowed)}, not {value!r}")
        return value
