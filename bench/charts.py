"""Draws the charts of docs/figures.md: bars in SVG, from the figures of `make bench`.

An SVG follows the colour scheme of the reader, light or dark, through a media query. A chart is redrawn only if all its figures
are present.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, NamedTuple

from infra.local.processes import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from bench import Figures

FOLDER = ROOT / "docs" / "images" / "figures"
WIDTH, LABEL_WIDTH, BAR_HEIGHT, ROW_HEIGHT, HEAD_HEIGHT = 680, 250, 18, 28, 44
STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#24292f}.title{font-weight:600}.ours{fill:#0969da}.other{fill:#8c959f}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.ours{fill:#58a6ff}.other{fill:#6e7681}}"
)


class Bar(NamedTuple):
    """One bar: its label, and where its figure is."""

    label: str
    group: str
    name: str
    ours: bool = True


class Chart(NamedTuple):
    """One chart: its file, title, unit, and bars."""

    file: str
    title: str
    unit: str
    bars: tuple[Bar, ...]


ONE = "jobs a second at 1"
CHARTS = (
    Chart("throughput", "One process, one job at a time (more is better)", "jobs/s", (
        Bar("mediaq: admit", ONE, "mediaq admit"),
        Bar("BullMQ: admit", ONE, "bullmq admit", ours=False),
        Bar("mediaq: claim and finish", ONE, "mediaq drain"),
        Bar("BullMQ: claim and finish", ONE, "bullmq drain", ours=False),
    )),
    Chart("memory", "Redis memory of a waiting job (less is better)", "bytes", (
        Bar("mediaq", "bytes a waiting job at 100 000", "mediaq"),
        Bar("BullMQ", "bytes a waiting job at 100 000", "bullmq", ours=False),
    )),
    Chart("cold-start", "Cold start to the first response (less is better)", "ms", (
        Bar("mediaq: GET /stats", "cold GET stats", "ours ms"),
        Bar("plain Chalice package: GET /stats", "cold GET stats", "naive ms", ours=False),
        Bar("mediaq: POST /media", "cold POST media", "ours ms"),
        Bar("plain Chalice package: POST /media", "cold POST media", "naive ms", ours=False),
    )),
    Chart("thumbnails", "Best of ten frames, by length of the film (less is better)", "ms", (
        Bar("1 minute", "thumbnail_best_ms", "1 min"),
        Bar("10 minutes", "thumbnail_best_ms", "10 min"),
        Bar("2 hours", "thumbnail_best_ms", "120 min"),
    )),
    Chart("parts", "One film in parts, by workers with slowed encoders (less is better)", "s", tuple(
        Bar(f"workers: {count}", "parts on slowed workers", f"{count} workers, s") for count in (1, 2, 4, 8)
    )),
    Chart("parts-hour", "An hour of 1080p in parts, simulated (less is better)", "s", tuple(
        Bar(f"{count} workers: {name}", f"simulated hour, {count} workers, {name}", "s", ours=name == "all start at once")
        for count in (10, 100, 1000) for name in ("all start at once", "as SQS starts them", "2 % killed, 2 % slow")
    )),
)  # fmt: skip


def draw_all(figures: Figures, folder: Path = FOLDER) -> list[str]:
    """Draw every chart whose figures are present; return the names of the files."""
    drawn = []
    for chart in CHARTS:
        values = [figures.get(bar.group, {}).get(bar.name) for bar in chart.bars]
        if all(value is not None for value in values):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{chart.file}.svg").write_text(svg(chart, values))
            drawn.append(f"{chart.file}.svg")
    return drawn


def svg(chart: Chart, values: list[float]) -> str:
    """Return a chart as SVG."""
    height, title = HEAD_HEIGHT + ROW_HEIGHT * len(values), escape(chart.title)
    scale = (WIDTH - LABEL_WIDTH - 110) / max(values)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{title}">',
        f'<style>{STYLE}</style><text class="title" x="0" y="18">{title}</text>',
    ]
    for row, (bar, value) in enumerate(zip(chart.bars, values, strict=True)):
        top = HEAD_HEIGHT + row * ROW_HEIGHT - 8
        side, length = "ours" if bar.ours else "other", max(2, value * scale)
        lines.append(
            f'<text x="0" y="{top + 14}">{escape(bar.label)}</text>'
            f'<rect class="{side}" x="{LABEL_WIDTH}" y="{top}" width="{length:.0f}" height="{BAR_HEIGHT}" rx="3"/>'
            f'<text x="{LABEL_WIDTH + length + 8:.0f}" y="{top + 14}">{value:,.0f} {chart.unit}</text>'
        )
    return "\n".join([*lines, "</svg>", ""])
