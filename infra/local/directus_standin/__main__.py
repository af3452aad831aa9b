"""`python -m infra.local.directus_standin --port 8055 --state FOLDER`: serve the stand-in on loopback."""

from __future__ import annotations

import argparse
from pathlib import Path

import waitress

from infra.local.directus_standin.app import make_app
from infra.local.process import LOOPBACK


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m infra.local.directus_standin", description=__doc__)
    parser.add_argument("--port", type=int, default=8055, help="the port on loopback (8055)")
    parser.add_argument("--state", type=Path, required=True, help="the folder of its rows and files")
    options = parser.parse_args()
    waitress.serve(make_app(options.state), host=LOOPBACK, port=options.port, threads=16, max_request_body_size=8 << 30)


if __name__ == "__main__":
    main()
