"""Kaggle on 127.0.0.1, as far as its client publishes: uploads, data sets, notebooks.

    with serving() as kaggle:
        environment = kaggle.environment(folder)    # for `python -m kaggle ...` in a subprocess

What arrived is in `kaggle.datasets`, `kaggle.kernels` and `kaggle.uploads`, what was asked in
`kaggle.calls`. A test changes an answer by its entry in `kaggle.routes`: a function from the
request, a dict, to the answer, a dict (sent as JSON with status 200) or a `Reply`.
"""

import base64
import contextlib
import io
import json
import os
import re
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

USER, KEY, TOKEN = "fractal-dream", "5e0c" * 8, "KGAT_" + "7ab1" * 8
DATE = "2026-11-24T12:00:00.000Z"
JSON = (("Content-Type", "application/json"),)
DATASETS, KERNELS = "datasets.DatasetApiService", "kernels.KernelsApiService"


class Reply(NamedTuple):
    """An answer that is not plain JSON with status 200."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


def refusal(status, message):
    """How Kaggle says no."""
    body = json.dumps({"code": status, "message": message}).encode()
    return Reply(status, JSON, body)


class Kaggle:
    """The state of the server and its answers."""

    def __init__(self):
        self.datasets = {}
        """By owner/slug the versions, first to last: each request as it came, and `contents`."""
        self.kernels = {}
        """By owner/slug the versions, first to last: each request as it came."""
        self.uploads = {}
        """By token the upload: name, size, the bytes so far."""
        self.calls = []
        """(service/method, request) in the order of coming."""
        self.upload_faults = {}
        """Statuses that answer the next uploads of a file; of 503, half of the bytes are kept."""
        self.statuses = {}
        """What is said of a data set's state before it is ready, in that order."""
        self.page_size = 200
        """Files on one page, however many are asked for."""
        self.routes = {
            "security.OAuthService/IntrospectToken": self.introspect_token,
            "blobs.BlobApiService/StartBlobUpload": self.start_upload,
            f"{DATASETS}/CreateDataset": self.create_dataset,
            f"{DATASETS}/CreateDatasetVersion": self.create_version,
            f"{DATASETS}/GetDatasetStatus": self.dataset_status,
            f"{DATASETS}/GetDataset": self.dataset,
            f"{DATASETS}/GetDatasetMetadata": self.dataset_metadata,
            f"{DATASETS}/ListDatasetFiles": self.list_files,
            f"{DATASETS}/DownloadDataset": self.download,
            f"{KERNELS}/SaveKernel": self.save_kernel,
            f"{KERNELS}/GetKernel": self.kernel,
            f"{KERNELS}/GetKernelSessionStatus": self.kernel_status,
        }
        self.proxy = ""

    def environment(self, folder, key=KEY):
        """The environment in which the client talks to this server, without real credentials."""
        clean = {k: v for k, v in os.environ.items() if not k.lower().startswith("kaggle")}
        proxies = dict.fromkeys(("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"))
        (folder / "tmp").mkdir(exist_ok=True)
        return (
            clean
            | dict.fromkeys(proxies, self.proxy)
            | {
                "KAGGLE_API_ENVIRONMENT": "LOCALHOST",
                "NO_PROXY": "",
                "no_proxy": "",
                "KAGGLE_USERNAME": USER,
                "KAGGLE_KEY": key,
                "HOME": str(folder / "home"),
                "KAGGLE_CONFIG_DIR": str(folder / "home" / "kaggle"),
                "TMPDIR": str(folder / "tmp"),
            }
        )

    def answer(self, method, request, authorization):
        """The answer to one call."""
        self.calls.append((method, request))
        basic = "Basic " + base64.b64encode(f"{USER}:{KEY}".encode()).decode()
        open_to_all = method == "security.OAuthService/IntrospectToken"
        if authorization not in (basic, f"Bearer {TOKEN}") and not open_to_all:
            return refusal(401, "Unauthorized")
        if method not in self.routes:
            return refusal(404, f"no method {method}")
        return self.routes[method](request)

    def introspect_token(self, request):
        return {"active": request["token"] == TOKEN, "username": USER}

    def start_upload(self, request):
        token = f"upload-{len(self.uploads)}"
        self.uploads[token] = {
            "name": request["name"],
            "size": request["contentLength"],
            "type": request["type"],
            "bytes": b"",
        }
        return {"token": token, "createUrl": f"http://localhost/uploads/{token}"}

    def upload(self, token, span, body):
        """A PUT of bytes; an empty one with `bytes */SIZE` asks how many there are."""
        upload = self.uploads[token]
        faults = self.upload_faults.get(upload["name"], [])
        if span and span.startswith("bytes */"):
            body = b""
        elif faults:
            status = faults.pop(0)
            if status == 503:
                upload["bytes"] += body[: len(body) // 2]
            return Reply(status)
        elif span:
            start, end, size = map(int, re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", span).groups())
            assert start == len(upload["bytes"])
            assert len(body) == end + 1 - start == size - start
        else:
            upload["bytes"] = b""
        upload["bytes"] += body
        there = len(upload["bytes"])
        if there == upload["size"]:
            return Reply(200)
        return Reply(308, (("Range", f"bytes=0-{there - 1}"),) if there else ())

    def _add_version(self, handle, request):
        uploads = [self.uploads[file["token"]] for file in request["files"]]
        contents = {upload["name"]: upload["bytes"] for upload in uploads}
        self.datasets.setdefault(handle, []).append(request | {"contents": contents})
        return {"status": "ok", "ref": handle, "url": f"http://localhost/datasets/{handle}"}

    def create_dataset(self, request):
        return self._add_version(f"{request['ownerSlug']}/{request['slug']}", request)

    def create_version(self, request):
        handle = f"{request['ownerSlug']}/{request['datasetSlug']}"
        return self._add_version(handle, request["body"])

    def _versions(self, request):
        """(owner/slug, its versions up to the one that is asked for)."""
        handle = f"{request['ownerSlug']}/{request['datasetSlug']}"
        return handle, self.datasets.get(handle, [])[: request.get("datasetVersionNumber")]

    def dataset_status(self, request):
        handle, versions = self._versions(request)
        if not versions:
            return refusal(404, "Not Found")
        waiting = self.statuses.get(handle, [])
        return {"status": waiting.pop(0) if waiting else "READY"}

    def dataset(self, request):
        handle, versions = self._versions(request)
        if not versions:
            return refusal(404, "Not Found")
        return {"ref": handle, "currentVersionNumber": len(versions)}

    def dataset_metadata(self, request):
        _, versions = self._versions(request)
        if not versions:
            return refusal(404, "Not Found")
        return {"info": {"licenses": [{"name": versions[0]["licenseName"]}]}}

    def list_files(self, request):
        _, versions = self._versions(request)
        if not versions:
            return refusal(404, "Not Found")
        contents = sorted(versions[-1]["contents"].items())
        start = int(request.get("pageToken") or 0)
        stop = start + min(request.get("pageSize", 20), self.page_size)
        page = [
            {"name": name, "totalBytes": len(content), "creationDate": DATE}
            for name, content in contents[start:stop]
        ]
        more = {"nextPageToken": str(stop)} if stop < len(contents) else {}
        return {"datasetFiles": page} | more

    def download(self, request):
        handle, versions = self._versions(request)
        name = request.get("fileName", "")
        if not versions or (name and name not in versions[-1]["contents"]):
            return refusal(404, "Not Found")
        place = f"http://localhost/storage/{handle}/{len(versions)}/{name or 'archive.zip'}"
        return Reply(302, (("Location", place),))

    def stored(self, path):
        """A file of a version, or all of them as a zip archive."""
        owner, slug, number, name = path.split("/")
        contents = self.datasets[f"{owner}/{slug}"][int(number) - 1]["contents"]
        if name != "archive.zip":
            return Reply(200, body=contents[name])
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, content in contents.items():
                archive.writestr(name, content)
        return Reply(200, body=buffer.getvalue())

    def save_kernel(self, request):
        versions = self.kernels.setdefault(request["slug"], [])
        versions.append(request)
        url = f"http://localhost/code/{request['slug']}"
        return {"ref": request["slug"], "url": url, "versionNumber": len(versions)}

    def kernel(self, request):
        slug, _, version = request["kernelSlug"].partition("/")
        versions = self.kernels.get(f"{request['userName']}/{slug}", [])
        if not versions:
            return refusal(403, "Permission 'kernels.get' was denied")
        saved = versions[int(version or 0) - 1]
        blob = {"source": saved["text"], "slug": slug, "language": "python"}
        metadata = {"id": 7, "ref": saved["slug"], "title": saved["newTitle"]}
        kept = ("language", "isPrivate", "enableGpu", "enableTpu", "enableInternet", "kernelType")
        sources = {"datasetDataSources": saved.get("datasetDataSources", [])}
        metadata |= {name: saved[name] for name in kept} | sources
        return {"blob": blob | {"kernelType": saved["kernelType"]}, "metadata": metadata}

    def kernel_status(self, request):
        if f"{request['userName']}/{request['kernelSlug']}" not in self.kernels:
            return refusal(403, "Permission 'kernels.get' was denied")
        return {"status": "RUNNING"}


def _handler(kaggle):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def body(self):
            if self.headers.get("Transfer-Encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length", 0)))
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)

        def reply(self, answer):
            if isinstance(answer, dict):
                body = json.dumps(answer).encode()
                answer = Reply(200, JSON, body)
            self.send_response(answer.status)
            for name, value in answer.headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def do_POST(self):
            method = urlsplit(self.path).path.removeprefix("/api/v1/")
            request = json.loads(self.body())
            self.reply(kaggle.answer(method, request, self.headers.get("Authorization")))

        def do_PUT(self):
            token = urlsplit(self.path).path.removeprefix("/uploads/")
            self.reply(kaggle.upload(token, self.headers.get("Content-Range"), self.body()))

        def do_GET(self):
            path = urlsplit(self.path).path.removeprefix("/storage/")
            self.reply(kaggle.stored(unquote(path)))

        def log_message(self, *arguments):
            """Says nothing: `calls` holds what was asked."""

    return Handler


@contextlib.contextmanager
def serving():
    """A Kaggle on a free port while the block runs."""
    kaggle = Kaggle()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(kaggle))
    server.daemon_threads = True
    kaggle.proxy = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield kaggle
    finally:
        server.shutdown()
        server.server_close()
