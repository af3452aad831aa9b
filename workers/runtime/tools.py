"""Creates what all jobs of this process share, from the settings."""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING

from chalicelib.domain.cost import load_prices
from workers.context import programs
from workers.context.terms import TermMatcherCache
from workers.context.work import Speech, Tools
from workers.network.credentials import Keyring
from workers.network.fetch import Fetcher
from workers.team.teams import Teams

if TYPE_CHECKING:
    from chalicelib.services import Services


def make_tools(services: Services) -> Tools:
    """Create the tools.

    Raises:
        SettingsError: ffmpeg is missing or too old, a key is invalid, or the file of prices is wrong.
    """
    current = services.settings
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash leaves no file: our memory has the credentials of users
    return Tools(
        work_dir=current.work_dir,
        programs=programs.find(current.ffmpeg),
        fetcher=Fetcher(current.fetch_allow),
        keyring=Keyring(current.credentials_keys, current.credentials_private_keys),
        speech=Speech(
            current.whisper_model,
            current.whisper_threads,
            current.whisper_beam_size,
            current.whisper_compute_type,
            current.transcribe_bucket,
        ),
        term_matcher=TermMatcherCache(services.taxonomy),
        prices=load_prices(current.prices_file),
        make_team=make_teams(services).coordinator if current.parts_bucket else None,
    )


def make_teams(services: Services) -> Teams:
    """Return what this process needs to encode parts."""
    return Teams(services.settings, services.parts, services.tickets)
