"""A package on the real Directus, in real players: it plays to its end, seeks, switches renditions, sounds and captions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

import pytest
import requests

from infra.local import node
from infra.local.cache import digest, once
from infra.local.directus import accounts
from tests.integration.conftest import until
from tests.media import run_ffmpeg

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

    from tests.integration.conftest import System

PACKAGE = Path(__file__).parent / "players"
SCRIPTS = ("hls.js/dist/hls.js", "shaka-player/dist/shaka-player.compiled.js")
PAGE = "http://localhost:5999/"
"""A page of another origin than Directus."""
SECONDS = 20
PARAMS: dict[str, Any] = {"format": "hls", "preset": "ultrafast", "ladder": [{"height": 360}, {"height": 240}]}


@pytest.fixture(scope="module")
def scripts() -> list[str]:
    """The code of the players."""
    folder = once(f"players-{digest(PACKAGE.glob('*.json'), node.version())}", lambda to: node.install(PACKAGE, to))
    return [(folder / "node_modules" / name).read_text() for name in SCRIPTS]


@pytest.fixture(scope="module")
def job(real_system: System, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A finished package with two sounds and two languages of captions, whose files are private."""
    film = tmp_path_factory.mktemp("film") / "film.mkv"
    picture = ["-f", "lavfi", "-i", f"testsrc2=size=640x360:rate=25:duration={SECONDS}"]
    tones = [word for pitch in (440, 880) for word in ("-f", "lavfi", "-i", f"sine=frequency={pitch}:duration={SECONDS}")]
    languages = ["-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=ger"]
    maps = ["-map", "0", "-map", "1", "-map", "2"]
    run_ffmpeg(*picture, *tones, *maps, *languages, "-pix_fmt", "yuv420p", "-preset", "ultrafast", "-c:a", "aac", film)
    captions = {}
    for language, word in (("en", "Hello"), ("de", "Hallo")):
        file = film.with_name(f"{language}.vtt")
        file.write_text(
            "WEBVTT\n\n" + "".join(f"00:{at:02}.000 --> 00:{at + 2:02}.000\n{word} {at}\n\n" for at in range(0, 20, 2))
        )
        captions[language] = real_system.app.upload(file)
    job_id = real_system.submit(film, {**PARAMS, "captions_file_ids": captions})
    record = real_system.app.wait(job_id, 90)
    assert record["status"] == "completed", record["error"]
    return record


@pytest.fixture(scope="module")
def published(real_system: System, job: dict[str, Any]) -> Iterator[None]:
    """Everybody may read the files of the job."""
    policy = real_system.admin("GET", "/policies?filter[name][_eq]=$t:public_label&fields=id")[0]["id"]
    rule = {"policy": policy, "collection": "directus_files", "action": "read", "fields": ["*"], "permissions": {}}
    permission = real_system.admin("POST", "/permissions", json=rule)["id"]
    yield
    real_system.admin("DELETE", f"/permissions/{permission}")


@pytest.fixture
def page(chromium: Browser, scripts: list[str]) -> Iterator[Page]:
    context = chromium.new_context(permissions=["local-network-access"])  # the page is served by the test
    page = context.new_page()
    page.route(PAGE, lambda route: route.fulfill(body="<!doctype html><video width=640></video>", content_type="text/html"))
    page.goto(PAGE)
    for script in (*scripts, (PACKAGE / "player.js").read_text()):
        page.add_script_tag(content=script)
    yield page
    context.close()


def address(system: System, job: dict[str, Any], name: str) -> str:
    file_id = next(one["file_id"] for one in job["result"]["outputs"] if one["name"] == name)
    return f"{system.stack.url('directus')}/assets/{file_id}"


def watch(page: Page) -> None:
    """Play, switch the rendition down and up, switch sound and captions, seek, and play to the end."""

    def reaches(moment: float) -> None:
        until(lambda: page.evaluate("video.currentTime") > moment, 30, f"{moment} s: {errors(page)}")

    assert sorted(page.evaluate("playing.sizes()")) == [240, 360]
    assert page.evaluate("playing.sounds()") == ["en", "de"]
    assert sorted(page.evaluate("playing.captions()")) == ["de", "en"]
    page.evaluate("playing.show(playing.captions().indexOf('de'))")
    page.evaluate("playing.play(240)")
    page.evaluate("void video.play()")
    reaches(0.5)
    until(lambda: page.evaluate("video.videoHeight") == 240, 20, "the small rendition")
    until(lambda: any("Hallo" in text for text in page.evaluate("shown()")), 20, "captions are shown")
    page.evaluate("playing.play(360)")
    until(lambda: page.evaluate("video.videoHeight") == 360, 20, "the large rendition")
    page.evaluate("playing.hear(1)")
    page.evaluate("video.currentTime = 13.3")
    reaches(13.5)
    until(lambda: any("Hallo 1" in text for text in page.evaluate("shown()")), 20, "captions after seeking")
    page.evaluate("video.currentTime = 1")
    page.evaluate("video.playbackRate = 8")
    until(lambda: page.evaluate("video.ended"), 40, f"the end: {errors(page)}")
    assert page.evaluate("video.duration") == pytest.approx(SECONDS, abs=0.1)
    assert errors(page) == []
    page.evaluate("playing.stop()")


def errors(page: Page) -> list[str]:
    found: list[str] = page.evaluate("errors")
    return found


PLAYERS = [("hls", "output.m3u8"), ("shaka", "output.m3u8"), ("shaka", "output.mpd")]


@pytest.mark.parametrize(("player", "name"), PLAYERS)
def test_a_private_package_plays_with_a_token(
    real_system: System, job: dict[str, Any], page: Page, player: str, name: str
) -> None:
    """The tests of public files follow: until then, a request without a token is refused."""
    url = address(real_system, job, name)
    assert requests.get(url, timeout=10).status_code == 403
    page.evaluate("([player, url, token]) => start(player, url, token)", [player, url, real_system.token])
    page.evaluate("video.playbackRate = 4; void video.play()")
    until(lambda: page.evaluate("video.currentTime") > 7, 30, f"it plays: {errors(page)}")
    assert errors(page) == []


def test_a_session_cookie_reads_a_private_package(real_system: System, job: dict[str, Any]) -> None:
    """As a player does that cannot send a header, on a page of the site of Directus."""
    url = address(real_system, job, "output.m3u8")
    browser_like = requests.Session()
    login = {"email": accounts.BEST.email, "password": accounts.BEST.password, "mode": "session"}
    browser_like.post(f"{real_system.stack.url('directus')}/auth/login", json=login, timeout=10).raise_for_status()
    playlists = [line for line in browser_like.get(url, timeout=10).text.splitlines() if line and not line.startswith("#")]
    assert len(playlists) == 2
    for file_id in playlists:
        assert browser_like.get(urljoin(url, file_id), timeout=10).text.startswith("#EXTM3U")


@pytest.mark.parametrize(("player", "name"), PLAYERS)
def test_a_public_package_plays(
    real_system: System, job: dict[str, Any], published: None, page: Page, player: str, name: str
) -> None:
    page.evaluate("([player, url]) => start(player, url)", [player, address(real_system, job, name)])
    if player == "shaka":
        assert page.evaluate("playing.thumbnails()") == 1
    watch(page)


def test_a_browser_plays_a_public_package_itself(real_system: System, job: dict[str, Any], published: None, page: Page) -> None:
    """As Safari does: the address of the playlist is the source of a video element."""
    page.evaluate(
        "url => { video.crossOrigin = 'anonymous'; video.src = url; video.playbackRate = 8; void video.play() }",
        address(real_system, job, "output.m3u8"),
    )
    until(
        lambda: page.evaluate("video.ended"),
        40,
        f"the end: {page.evaluate('[video.currentTime, video.paused, video.readyState, video.networkState, video.duration]')}",
    )
    assert page.evaluate("video.duration") == pytest.approx(SECONDS, abs=0.1)
    assert errors(page) == []
