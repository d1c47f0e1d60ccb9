"""A model server made of an SDK's own description: every route, answered as its types say.

    FOLDER/.venv/bin/python evals/suites/typed_mock.py FOLDER PACKAGE     # prints its port

Runs with the vendor's interpreter and the standard library alone. Routes and methods are read from
every `api.md`, replies are built from the return type of each method: every field, optional ones
too, one element of a list for every member of its union, one event of a stream for every event
type. So a reply holds everything that the SDK of this version knows.

`POST /-/replies` takes `{"status", "headers", "chunks"}` (base64, each written at once) and gives
`{"id"}`; a request whose header `x-suites-reply` names it is answered with that instead.
"""

from __future__ import annotations

import base64
import datetime as dt
import importlib
import inspect
import itertools
import json
import re
import sys
import threading
import types
import typing
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

#: Levels of nesting to which optional fields are filled in; below it only what is required.
DEEP = 7
METHOD = re.compile(
    r'<code title="(\w+) ([^"]+)">([\w.]+?)\.?<a href="[^"]*">(\w+)</a>', re.MULTILINE
)
#: Event types that begin a stream or end one; all others stand between.
FIRST = ("response.created", "message_start", "thread.created")
LAST = ("message_stop", "response.completed", "done")
JSON = "application/json"


def members(kind) -> list:
    """The members of a union but None; of anything else the thing itself."""
    kind = bare(kind)
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        found = itertools.chain.from_iterable(map(members, typing.get_args(kind)))
        return [one for one in found if one is not type(None)]
    return [kind]


def bare(kind):
    """Without `Annotated` and without names of types."""
    while True:
        if typing.get_origin(kind) is typing.Annotated:
            kind = typing.get_args(kind)[0]
        elif hasattr(kind, "__value__"):
            kind = kind.__value__
        else:
            return kind


def is_model(kind) -> bool:
    return inspect.isclass(kind) and hasattr(kind, "model_fields")


PLAIN = {str: "string", int: 1, float: 0.5, bool: True, object: "string", bytes: "string",
         type(None): None, dt.datetime: "2026-01-02T03:04:05Z",
         dt.date: "2026-01-02"}  # fmt: skip


def build(kind, above=()):
    """A value of a type; `above` are the models that hold it."""
    kind = members(kind)[0]
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        return args[0]
    if kind in (list, dict):
        origin, args = kind, (object, object)
    if origin in (list, typing.Iterable, typing.Sequence) or getattr(origin, "__name__", "") in (
        "Iterable", "Sequence",
    ):  # fmt: skip
        made = [build(one, above) for one in members(args[0]) if one not in above]
        return [one for i, one in enumerate(made) if not any(alike(one, o) for o in made[:i])]
    if origin is dict or getattr(origin, "__name__", "") == "Mapping":
        return {} if args[1] in above else {"foo": build(args[1], above)}
    if is_model(kind):
        return model(kind, above)
    return PLAIN.get(kind, "string")


def alike(one, two) -> bool:
    """Whether two values say that they are the same kind: SDKs choose a union's member by that."""
    return isinstance(one, dict) and one.get("type") is not None and one["type"] == two.get("type")


def model(kind, above) -> dict:
    """Every required field of a model, and to a depth every other one."""
    made = {}
    for name, field in kind.model_fields.items():
        one = members(field.annotation)
        if not field.is_required() and (len(above) >= DEEP or any(m in above for m in one)):
            continue
        made[field.alias or name] = build(field.annotation, (*above, kind))
    return made


def variants(kind) -> list:
    """One value of a model for every member of its first field that is a union of models."""
    whole = build(kind)
    for name, field in getattr(kind, "model_fields", {}).items():
        several = [one for one in members(field.annotation) if is_model(one)]
        if len(several) > 1:
            return [{**whole, field.alias or name: build(one, (kind,))} for one in several]
    return [whole]


def events(kind) -> list:
    """The events of a stream: one of every kind, the first and the last in their places."""
    made = list(itertools.chain.from_iterable(map(variants, members(kind))))

    def place(event) -> int:
        told = str(event.get("type") or event.get("event") or "")
        return -1 if told in FIRST else told in LAST

    return sorted(made, key=place)


def stream(kind, *, done: bool) -> bytes:
    """A stream as server-sent events; named where events have a type of their own."""
    out = []
    for event in events(kind):
        named = event.get("type") or event.get("event")
        head = f"event: {named}\n" if isinstance(named, str) else ""
        out.append(f"{head}data: {json.dumps(event)}\n\n")
    return ("".join(out) + ("data: [DONE]\n\n" if done else "")).encode()


class Route:
    """A method of the SDK: what it answers with, built when it is first asked for."""

    def __init__(self, client, path: str, name: str, *, done: bool) -> None:
        self.path, self.name, self._client, self._done = path, name, client, done
        self._made = {}
        parts = [p for p in path.split("?", maxsplit=1)[0].split("/") if p]
        self.pattern = re.compile(
            "/?" + "/".join("[^/]+" if p[0] == "{" else re.escape(p) for p in parts) + "/?"
        )
        self.open = sum(p[0] == "{" for p in parts)
        self.beta = ".beta." in name or "beta=true" in path

    def answer(self, *, streamed: bool) -> tuple[str, bytes]:
        """(content type, body)."""
        if streamed not in self._made:
            self._made[streamed] = self._answer(streamed=streamed)
        return self._made[streamed]

    def _answer(self, *, streamed: bool) -> tuple[str, bytes]:
        given = members(self._returned())
        streams = [k for k in given if getattr(typing.get_origin(k), "__name__", "") == "Stream"]
        if streamed and streams:
            return "text/event-stream", stream(typing.get_args(streams[0])[0], done=self._done)
        whole = next((k for k in given if k not in streams), type(None))
        name = getattr(whole, "__name__", "")
        if whole is type(None):
            return "", b""
        if whole is str:
            return "text/plain", b"string"
        if "Binary" in name:
            return "application/octet-stream", b"binary"
        if "JSONLDecoder" in str(whole):
            (line,) = typing.get_args(whole)
            return "application/x-jsonl", json.dumps(build(line)).encode() + b"\n"
        return JSON, json.dumps(build(whole)).encode()

    def _returned(self):
        """The type that the method returns."""
        found = self._client
        for part in self.name.split(".")[1:-1]:
            found = getattr(found, part)
        method = inspect.unwrap(getattr(type(found), self.name.rpartition(".")[2]))

        def holder():
            pass

        holder.__annotations__ = {"return": method.__annotations__["return"]}
        return typing.get_type_hints(holder, vars(sys.modules[method.__module__]))["return"]


class Table:
    """All routes of an SDK."""

    def __init__(self, folder: Path, package: str) -> None:
        sdk = importlib.import_module(package)
        client = (sdk.OpenAI if package == "openai" else sdk.Anthropic)(api_key="x")
        self._routes = {}
        for page in (folder / "api.md", *(folder / "src").rglob("api.md")):
            for verb, path, holder, name in METHOD.findall(page.read_text()):
                route = Route(client, path, f"{holder}.{name}", done=package == "openai")
                self._routes.setdefault(verb.upper(), []).append(route)
        for routes in self._routes.values():
            routes.sort(key=lambda r: r.open)
        self.methods = sorted({(v, r.path) for v, routes in self._routes.items() for r in routes})

    def find(self, verb: str, path: str, *, beta: bool) -> Route | None:
        """The route of a path, with or without `/v1` before it."""
        short = path.removeprefix("/v1")
        found = [
            route for route in self._routes.get(verb, ())
            if route.pattern.fullmatch(path) or route.pattern.fullmatch(short)
        ]  # fmt: skip
        return next((r for r in found if r.beta == beta), found[0] if found else None)


class Replies:
    """Replies that were handed in, each to be given once or more."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held = {}

    def keep(self, told: dict) -> str:
        with self._lock:
            name = str(len(self._held))
            self._held[name] = told
        return name

    def get(self, name: str) -> dict:
        return self._held[name]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    table: Table
    replies: Replies

    def log_message(self, *_) -> None:
        pass

    def handle_any(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        raw = self.rfile.read(length) if length else self._chunks()
        asked = urllib.parse.urlsplit(self.path)
        if asked.path == "/-/replies":
            self._send(200, JSON, json.dumps({"id": self.replies.keep(json.loads(raw))}).encode())
        elif self.headers.get("x-suites-reply") is not None:
            self._replay(self.replies.get(self.headers["x-suites-reply"]))
        else:
            self._typed(asked, raw)

    def __getattr__(self, name: str):
        if name.startswith("do_"):  # http.server looks for one method of each verb
            return self.handle_any
        raise AttributeError(name)

    def _typed(self, asked, raw: bytes) -> None:
        route = self.table.find(self.command, asked.path, beta="beta=true" in asked.query)
        if route is None:
            self._send(404, JSON, b'{"error":{"message":"the mock has no such route"}}')
            return
        try:
            body = json.loads(raw) if raw else {}
        except ValueError:  # a form
            body = {}
        streamed = (isinstance(body, dict) and body.get("stream") is True) or (
            "stream=true" in asked.query
        )
        self._send(200, *route.answer(streamed=streamed))

    def _chunks(self) -> bytes:
        out = b""
        if "chunked" in self.headers.get("transfer-encoding", ""):
            while size := int(self.rfile.readline().split(b";")[0], 16):
                out += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        return out

    def _send(self, status: int, kind: str, body: bytes) -> None:
        self.send_response_only(status)
        if kind:
            self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _replay(self, told: dict) -> None:
        chunks = [base64.b64decode(c) for c in told["chunks"]]
        length = str(sum(map(len, chunks)))
        # Recordings keep the length of a body that they hold decompressed.
        fields = [(n, v) for n, v in told["headers"] if n.lower() not in ("transfer-encoding",
                  "connection") and (n.lower() != "content-length" or v == length)]  # fmt: skip
        self.send_response_only(told["status"])
        for name, value in fields:
            self.send_header(name, value)
        bodiless = self.command == "HEAD" or told["status"] in (204, 304)
        chunked = not bodiless and all(name.lower() != "content-length" for name, _ in fields)
        if chunked:
            self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for chunk in chunks:
            if chunk:
                self.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk) if chunked else chunk)
        if chunked:
            self.wfile.write(b"0\r\n\r\n")


def main() -> None:
    folder, package = Path(sys.argv[1]), sys.argv[2]
    Handler.table, Handler.replies = Table(folder, package), Replies()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    told = {"port": server.server_address[1], "methods": Handler.table.methods}
    print(json.dumps(told), flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
