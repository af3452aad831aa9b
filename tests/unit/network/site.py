"""A web site with every kind of fault, and a certificate for it."""

from __future__ import annotations

import contextlib
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, ClassVar

DATA = bytes(range(256)) * 4096


class Site(BaseHTTPRequestHandler):
    """A web site with everything that can go wrong. `seen` notes the requests."""

    protocol_version = "HTTP/1.1"
    seen: ClassVar[list[tuple[str, dict[str, str]]]] = []
    asked: ClassVar[int] = 0

    def do_GET(self) -> None:
        self.seen.append((self.path, dict(self.headers)))
        self.close_connection = True
        special = {"/drip-head": self.drip_head, "/drip-body": self.drip_body, "/resume": self.resume, "/changed": self.changed}
        special |= {"/short-part": self.short_part, "/416": self.gone_range, "/unasked": self.unasked_part}
        if self.path in special:
            with contextlib.suppress(OSError):
                special[self.path]()
            return
        paths: dict[str, Any] = {
            "/ok": (200, {"Content-Length": "3"}, b"abc"),
            "/a%20file%20of%20mine.mov?x=1": (200, {}, b"abc"),
            "/named": (200, {"Content-Disposition": "attachment; filename*=UTF-8''..%2Fna%C3%AFve.mp4"}, b"abc"),
            "/missing": (404, {}, b""),
            "/busy": (503, {}, b""),
            "/wait": (429, {"Retry-After": "120"}, b""),
            "/wait-long": (503, {"Retry-After": "999999"}, b""),
            "/wait-nonsense": (503, {"Retry-After": "soon"}, b""),
            "/wait-past": (503, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, b""),
            "/wait-until": (503, {"Retry-After": format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)}, b""),
            "/caf%C3%A9/na%C3%AFve%20film.mp4?q=%C3%BC": (200, {}, b"abc"),
            "/to-letters": (302, {"Location": "/caf\u00e9/na\u00efve film.mp4?q=\u00fc".encode().decode("latin-1")}, b""),
            "/short": (200, {"Content-Length": "10"}, b"abc"),
            "/endless": (200, {"Transfer-Encoding": "identity"}, b"x" * 5000),
            "/huge": (200, {"Content-Length": str(1 << 50)}, b"abc"),
            "/zipped": (200, {"Content-Encoding": "gzip"}, b"abc"),
            "/headers": (200, {f"X-{number}": "x" for number in range(200)}, b"abc"),
            "/there": (302, {"Location": "/ok"}, b""),
            "/round": (302, {"Location": "/round"}, b""),
            "/elsewhere": (302, {"Location": f"http://localhost:{self.server.server_port}/ok"}, b""),  # type: ignore[attr-defined]
            "/inside": (302, {"Location": "http://169.254.169.254/latest/meta-data"}, b""),
            "/file": (302, {"Location": "file:///etc/passwd"}, b""),
        }
        code, headers, data = paths[self.path]
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Connection", "close")
        if not {"Content-Length", "Transfer-Encoding"} & headers.keys():
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def drip_head(self) -> None:
        for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 1000:
            self.wfile.write(bytes([byte]))
            time.sleep(0.05)

    def drip_body(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        for _ in range(1000):
            self.wfile.write(b"x")
            time.sleep(0.05)

    def resume(self) -> None:
        """Break off three times, a quarter later each time."""
        begin = int(self.headers.get("Range", "bytes=0-")[6:-1])
        end = min(len(DATA), begin + len(DATA) // 4 + 1)
        part = f"Content-Range: bytes {begin}-{len(DATA) - 1}/{len(DATA)}\r\n" if "Range" in self.headers else ""
        status = "206 Partial Content" if part else "200 OK"
        head = f'HTTP/1.1 {status}\r\nETag: "v1"\r\n{part}Content-Length: {len(DATA) - begin}\r\n\r\n'
        self.wfile.write(head.encode() + DATA[begin:end])

    def short_part(self) -> None:
        """Break off; then give out less than is missing, a piece at a time."""
        begin = int(self.headers.get("Range", "bytes=0-")[6:-1])
        if begin == 0:
            head = f'HTTP/1.1 200 OK\r\nETag: "v1"\r\nContent-Length: {len(DATA)}\r\n\r\n'
        else:
            end = min(len(DATA), begin + len(DATA) // 3)
            part = f"Content-Range: bytes {begin}-{end - 1}/{len(DATA)}\r\nContent-Length: {end - begin}"
            head = f"HTTP/1.1 206 Partial Content\r\n{part}\r\n\r\n"
        self.wfile.write(head.encode() + DATA[begin : begin + len(DATA) // 3])

    def gone_range(self) -> None:
        """Break off; then know nothing of that part any more."""
        if "Range" in self.headers:
            self.wfile.write(b"HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\n\r\n")
            return
        Site.asked += 1
        body = DATA if Site.asked > 1 else DATA[:500]
        self.wfile.write(f'HTTP/1.1 200 OK\r\nETag: "v1"\r\nContent-Length: {len(DATA)}\r\n\r\n'.encode() + body)

    def unasked_part(self) -> None:
        self.wfile.write(b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-4/1000\r\nContent-Length: 5\r\n\r\nabcde")

    def changed(self) -> None:
        """Break off once; the file is another one then."""
        first = "Range" not in self.headers
        tag, data = ("old", b"o" * 500) if first else ("new", DATA)
        self.wfile.write(f'HTTP/1.1 200 OK\r\nETag: "{tag}"\r\nContent-Length: {len(DATA)}\r\n\r\n'.encode() + data)

    def do_PUT(self) -> None:
        if self.path in ("/early", "/early-success"):
            status = b"403 Forbidden" if self.path == "/early" else b"200 OK"
            self.wfile.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            self.close_connection = True
            return
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.seen.append((f"PUT {len(body)}", dict(self.headers)))
        self.send_response({"/refused": 403, "/moved": 302, "/failing": 500, "/patience": 429}.get(self.path, 200))
        if self.path == "/patience":
            self.send_header("Retry-After", "5")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Make a certificate for the name localhost, signed by itself."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = folder / "certificate.pem", folder / "key.pem"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    files[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    return files
