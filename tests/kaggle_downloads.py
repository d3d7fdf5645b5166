"""What kagglehub asks of Kaggle when it downloads, answered on 127.0.0.1, faults included.

`with serving(folder) as kaggle:` starts the server, and `kaggle.environment` leads the real
kagglehub to it: proxies, and throw-away folders below `folder` for its cache and for credentials.
"""

import base64
import contextlib
import hashlib
import io
import json
import os
import threading
import warnings
import zipfile
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

PROXIES = ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY")
HANDLE = "o-1/slug_2"
"""A data set for tests that take any."""


@dataclass
class Kaggle:
    """The state of the server; tests change it as they go."""

    environment: dict[str, str]
    archives: dict[str, bytes] = field(default_factory=dict)
    """What is downloaded, by `owner/slug`."""
    refusals: dict[str, int] = field(default_factory=dict)
    """HTTP status instead of an answer, by `owner/slug`."""
    break_after: int | None = None
    """Bytes of the next download after which the connection ends, once."""
    spoil: bool = False
    """Whether downloads differ from the checksum that is sent with them."""
    asked: list[str] = field(default_factory=list)
    """Every request, such as "GetDataset owner/slug" or "bytes 10- of owner/slug"."""

    def lead_here(self, monkeypatch):
        """From now on kagglehub, here and in processes started from here, talks to this server."""
        for name in [name for name in os.environ if name.startswith("KAGGLE")]:
            monkeypatch.delenv(name)
        for name, value in self.environment.items():
            monkeypatch.setenv(name, value)
        # for its user agent it compares each caller with all modules, for half a second
        monkeypatch.setattr("kagglehub.clients.get_user_agent", lambda: "kagglehub")

    def cut_off(self, monkeypatch):
        """From now on there is no network."""
        for name in PROXIES:
            monkeypatch.setenv(name, "http://127.0.0.1:9")


def zipped(files):
    """A zip archive, bytes, of {name: content}, or of pairs, where names may come twice."""
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        warnings.simplefilter("ignore")  # of a name that is there already
        for name, content in files.items() if isinstance(files, dict) else files:
            archive.writestr(name, content)
    return buffer.getvalue()


def _handler(kaggle):
    class Handler(BaseHTTPRequestHandler):
        def reply(self, status, answer, **headers):
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self):
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            method = urlsplit(self.path).path.removeprefix("/api/v1/datasets.DatasetApiService/")
            handle = f"{request['ownerSlug']}/{request['datasetSlug']}"
            kaggle.asked.append(f"{method} {handle}")
            status = kaggle.refusals.get(handle, 200 if handle in kaggle.archives else 404)
            if status != 200:
                self.reply(status, {"code": status, "message": f"refused with {status}"})
            elif method == "GetDataset":
                self.reply(200, {"currentVersionNumber": 3})
            elif method == "DownloadDataset":  # the real one sends to another host as well
                self.reply(302, {}, Location=f"http://localhost/storage/{handle}")
            else:
                self.reply(404, {"code": 404, "message": f"no method {method}"})

        def do_GET(self):
            handle = urlsplit(self.path).path.removeprefix("/storage/")
            archive = kaggle.archives[handle]
            digest = base64.b64encode(hashlib.md5(archive).digest()).decode()
            first = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
            kaggle.asked.append(f"bytes {first}- of {handle}")
            if kaggle.spoil:
                archive = archive[:-1] + bytes([archive[-1] ^ 1])
            self.send_response(206 if first else 200)
            self.send_header("x-goog-hash", f"md5={digest}")
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("Content-Length", str(len(archive) - first))
            self.end_headers()
            end, kaggle.break_after = kaggle.break_after, None
            self.wfile.write(archive[first:end])

        def log_message(self, *arguments):
            """Says nothing: pytest shows what `asked` holds."""

    return Handler


@contextlib.contextmanager
def serving(folder):
    """A Kaggle on a free port of 127.0.0.1 while the block runs."""
    kaggle = Kaggle({})
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(kaggle))
    server.daemon_threads = True
    proxy = f"http://127.0.0.1:{server.server_address[1]}"
    kaggle.environment |= dict.fromkeys(PROXIES, proxy) | {
        "KAGGLE_API_ENVIRONMENT": "LOCALHOST",
        "NO_PROXY": "",
        "no_proxy": "",
        "HOME": str(folder / "home"),
        "KAGGLE_CONFIG_DIR": str(folder / "home"),
        "KAGGLEHUB_CACHE": str(folder / "hub"),
        "KAGGLE_CACHE_MOUNT_FOLDER": str(folder / "input"),
    }
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield kaggle
    finally:
        server.shutdown()
        server.server_close()
