"""`python -m infra.local`: the whole system on this machine (`make up`, `make down`, `make demo`)."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

from infra.local import demo, stack
from infra.local.client import CreatorApp
from infra.local.process import StartFailed, stop_group
from infra.local.processes import ROOT

HOME = ROOT / ".local"


def main(argv: list[str] | None = None) -> int:
    """Run a command. Exit codes: 0 success, 1 an error with a message, 2 wrong arguments."""
    options = _parser().parse_args(argv)
    try:
        code: int = options.command(options)
    except (StartFailed, demo.DemoFailed) as error:
        sys.stderr.write(f"\nmediaq: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("\nmediaq: interrupted\n")
        return 1
    return code


def up(options: argparse.Namespace) -> int:
    """Start the system and leave it running."""
    if description := stack.read_description(HOME):
        if dead := sorted(description["processes"].keys() - stack.alive_processes(description).keys()):
            raise StartFailed(
                f"{', '.join(dead)} died: `make down`, then `make up`, and nothing is lost; logs are in {HOME / 'logs'}"
            )
        sys.stdout.write(f"mediaq is up already: see {HOME / 'stack.json'}, `make down` stops it\n")
        return 0
    _clear_stopped_state(options)
    running = stack.Stack(HOME, directus=_directus(options), preferred=stack.PREFERRED, say=_Clock()).start()
    try:
        description = running.describe()
        file = stack.write_description(HOME, description)
        _write_environment(description)
        sys.stdout.write(_welcome(description, file, running.directus))
    except BaseException:
        running.stop()
        raise
    return 0


def down(options: argparse.Namespace) -> int:
    """Stop the system. Its state is kept for the next `up`, unless an option says otherwise."""
    stopped = stack.stop_described(HOME)
    sys.stdout.write("mediaq is down\n" if stopped else "mediaq was not up\n")
    if options.forget:
        stack.forget(HOME)
    return 0


def cancel(options: argparse.Namespace) -> int:
    """Cancel jobs of the running system."""
    description = stack.read_description(HOME)
    if description is None:
        raise StartFailed("mediaq is not up: `make up` starts it")
    environment = {**os.environ, **description["environment"]}
    return subprocess.run(
        [sys.executable, "-m", "chalicelib", "cancel", *options.jobs], cwd=ROOT, env=environment, check=False
    ).returncode


def worker(options: argparse.Namespace) -> int:
    """Replace the worker of the running system by one in this terminal, with one slot; --debug runs it in pdb."""
    description = stack.read_description(HOME)
    if description is None:
        raise StartFailed("mediaq is not up: `make up` starts it")
    if pid := stack.alive_processes(description).get("worker"):
        stop_group(pid)
    command = [sys.executable, *(["-m", "pdb"] if options.debug else []), "-m", "workers", "--concurrency", "1"]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **description["environment"]}, check=False).returncode


def run_demo(options: argparse.Namespace) -> int:
    """Process one clip with the whole system."""
    if options.file is not None and not options.file.is_file():
        raise demo.DemoFailed(f"FILE {options.file} does not exist")
    demo.run(HOME, options.file, options.output, _directus(options), _Clock())
    return 0


def _directus(options: argparse.Namespace) -> str:
    return os.environ.get("DIRECTUS_URL", "").rstrip("/") or str(options.directus)


def _clear_stopped_state(options: argparse.Namespace) -> None:
    """Delete state of the other kind of Directus, which cannot be read."""
    marker, kind = HOME / "directus-kind", _directus(options)
    if marker.exists() and marker.read_text() != kind:
        stack.forget(HOME)
    HOME.mkdir(exist_ok=True)
    marker.write_text(kind)


def _welcome(description: dict[str, object], file: Path, kind: str) -> str:
    lines = [
        "",
        "mediaq is up.",
        f"  API         {description['api']}/api/queue",
        f"  dashboard   {description['api']}/api/queue/dashboard",
        f"  Directus    {description['directus']} ({kind})",
        f"  SQS         {description['sqs']}",
        f"  Redis       {str(description['redis']).partition('@')[2]}",
        f"  logs        {HOME / 'logs'}",
        f"  for scripts {file}",
    ]
    if description["token"]:
        lines += ["", "A demo user on the best plan has this token:", f"  {description['token']}", ""]
        lines += ["Type this, and the command `mediaq` is that user's:", f"  . {_relative(HOME / 'env')}", ""]
        lines += [
            "Then paste this to transcode a ten-second clip that is already uploaded, its record pending:",
            _curl(description),
            "",
        ]
    lines += ["`make down` stops it.", ""]
    return "\n".join(lines)


def _write_environment(description: dict[str, object]) -> None:
    """Write the shell file `env`, readable by its owner only: it has tokens."""
    wanted = demo.client_environment(*(str(description[name]) for name in ("api", "directus", "token")))
    wanted |= {"MEDIAQ_ADMIN_TOKEN": str(description["admin_token"])}
    lines = [f"export {name}={shlex.quote(value)}" for name, value in wanted.items()]
    lines.append(f'export PATH={shlex.quote(str(Path(sys.executable).parent))}:"$PATH"')
    file = HOME / "env"
    file.touch(mode=0o600)
    file.write_text("\n".join(lines) + "\n")


def _relative(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _curl(description: dict[str, object]) -> str:
    """Create a record, and return the curl call that enqueues it."""
    app = CreatorApp(str(description["directus"]), str(description["api"]), str(description["token"]))
    clip = demo.synthesise(HOME / "clip.mp4")
    job_id = app.create_record("transcoding", app.upload(clip), params=demo.PARAMS)
    body = json.dumps({"jobId": job_id, "operation": "transcoding", "params": demo.PARAMS})
    authorization = '-H "Authorization: Bearer $MEDIAQ_TOKEN"'
    call = f"curl -X POST {description['api']}/api/queue/media {authorization}"
    watch = f"curl {description['directus']}/items/media_jobs/{job_id} {authorization}"
    return f"  {call} -H 'Content-Type: application/json' -d '{body}'\nand this to watch it:\n  {watch}"


class _Clock:
    """Prints a line with the seconds since the start."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    def __call__(self, text: str) -> None:
        sys.stdout.write(f"{time.monotonic() - self._started:5.1f} s  {text}\n")
        sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m infra.local", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, command in (("up", up), ("down", down), ("cancel", cancel), ("worker", worker), ("demo", run_demo)):
        sub = commands.add_parser(name, help=(command.__doc__ or "").splitlines()[0], description=command.__doc__)
        sub.set_defaults(command=command)
        if name == "cancel":
            sub.add_argument("jobs", nargs="+", metavar="JOB", help="the id of a media_jobs record")
            continue
        if name == "worker":
            sub.add_argument("--debug", action="store_true", help="run it in pdb")
            continue
        if name == "down":
            sub.add_argument("--forget", action="store_true", help="delete the state too")
            continue
        sub.add_argument(
            "--directus", choices=("standin", "real"), default="standin", help="which Directus; DIRECTUS_URL uses yours"
        )
        if name == "demo":
            sub.add_argument("--file", type=Path, help="your own clip, instead of a synthesised one")
            sub.add_argument("--output", type=Path, default=HOME / "demo-output.mp4", help="where the result goes")
    return parser


if __name__ == "__main__":
    sys.exit(main())
