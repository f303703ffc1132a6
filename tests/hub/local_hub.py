"""A Hugging Face hub on this machine: the part of its HTTP interface that `huggingface_hub` calls for models."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

TOKEN = "hf_writer"  # noqa: S105
LARGE = (".safetensors", ".png")  # stored by Git LFS


class Repository:
    """Commits by their hash, each a mapping of paths to contents; branches by name."""

    def __init__(self, private):
        self.private = private
        self.commits, self.branches, self.messages = {}, {}, []
        self.commit("main", {".gitattributes": b"*.safetensors filter=lfs\n"}, "initial commit")

    def commit(self, branch, files, message="a commit"):
        sha = hashlib.sha1(f"{len(self.commits)} {message}".encode()).hexdigest()  # noqa: S324 (as git's)
        self.commits[sha] = {**self.commits.get(self.branches.get(branch), {}), **files}
        self.branches[branch] = sha
        self.messages.append(message)
        return sha

    def resolve(self, revision):
        return self.branches.get(revision, revision if revision in self.commits else None)


class Hub:
    """The hub's state, and what was asked of it."""

    def __init__(self):
        self.repositories, self.stored, self.requests, self.address = {}, {}, [], ""

    def add(self, name, files, *, private=False):
        self.repositories[name] = Repository(private)
        self.repositories[name].commit("main", files)
        return self.repositories[name]

    def files(self, name, branch="main"):
        repository = self.repositories[name]
        return repository.commits[repository.branches[branch]]

    def fetched(self):
        """The files that were asked for, in the order of their names."""
        paths = [path for method, path in self.requests if method == "GET"]
        return sorted(path.rpartition("/")[2] for path in paths if "/resolve/" in path)

    def alter(self, name, file, content):
        repository = self.repositories[name]
        repository.commit("main", {file: content}, f"alter {file}")


def answers(method, pattern):
    """Register an answer to requests; the groups of the pattern are its arguments."""

    def register(function):
        ROUTES.append((method, re.compile(pattern), function))
        return function

    return register


ROUTES = []
NAME = r"([\w.-]+/[\w.-]+)"


class Answer(Exception):  # noqa: N818
    """An answer with another status than 200."""

    def __init__(self, status, headers=(), body=b"{}"):
        super().__init__(status)
        self.status, self.headers, self.body = status, dict(headers), body


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def repository(self, name):
        found = self.server.hub.repositories.get(name)
        if found is None or (found.private and not self.may_write()):
            raise Answer(401, {"X-Error-Code": "RepoNotFound"})
        return found

    def may_write(self):
        return self.headers.get("Authorization") == f"Bearer {TOKEN}"

    def resolved(self, repository, revision):
        sha = repository.resolve(unquote(revision))
        if sha is None:
            raise Answer(404, {"X-Error-Code": "RevisionNotFound"})
        return sha

    def answer(self):
        path = urlsplit(self.path).path
        self.content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.hub.requests.append((self.command, path))
        status, headers, body = 404, {}, b"{}"
        for method, pattern, function in ROUTES:
            found = pattern.fullmatch(path)
            if found and self.command in (method, "HEAD" if method == "GET" else method):
                try:
                    found = function(self, self.server.hub, *found.groups())
                    status, (headers, body) = (
                        200,
                        found if isinstance(found, tuple) else ({}, json.dumps(found).encode()),
                    )
                except Answer as answer:
                    status, headers, body = answer.status, answer.headers, answer.body
                break
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_POST = do_PUT = answer  # noqa: N815

    def must_write(self):
        if not self.may_write():
            raise Answer(401, {"X-Error-Message": "Invalid username or password."})


@answers("POST", "/api/repos/create")
def create(request, hub):
    request.must_write()
    asked = json.loads(request.content)
    name = f"{asked['organization']}/{asked['name']}"
    where = json.dumps({"url": f"{hub.address}/{name}"}).encode()
    if name in hub.repositories:
        raise Answer(409, body=where)
    # Older versions of the client say `private`.
    hub.repositories[name] = Repository(asked.get("visibility") == "private" or asked.get("private", False))
    return {}, where


@answers("POST", f"/api/models/{NAME}/branch/([^/]+)")
def create_branch(request, hub, name, branch):
    request.must_write()
    branches = request.repository(name).branches
    if unquote(branch) in branches:
        raise Answer(409)
    branches[unquote(branch)] = branches["main"]
    return {}


@answers("POST", "/api/validate-yaml")
def validate(request, hub):
    import yaml

    header = yaml.safe_load(json.loads(request.content)["content"].split("---\n")[1])
    if not re.fullmatch(r"[a-z0-9.-]+", header.get("license", "mit")):
        errors = [{"message": '"license" must be one of the known ones'}]
        raise Answer(400, body=json.dumps({"errors": errors}).encode())
    return {"errors": [], "warnings": []}


@answers("POST", f"/api/models/{NAME}/preupload/([^/]+)")
def preupload(request, hub, name, revision):
    request.must_write()
    request.resolved(request.repository(name), revision)
    files = json.loads(request.content)["files"]
    modes = {file["path"]: "lfs" if file["path"].endswith(LARGE) else "regular" for file in files}
    return {"files": [{"path": path, "uploadMode": mode, "shouldIgnore": False} for path, mode in modes.items()]}


@answers("POST", rf"/{NAME}\.git/info/lfs/objects/batch")
def lfs_batch(request, hub, name):
    request.must_write()
    objects = [
        {**asked, "actions": {"upload": {"href": f"{hub.address}/lfs/{asked['oid']}"}}}
        for asked in json.loads(request.content)["objects"]
    ]
    return {"transfer": "basic", "objects": objects}


@answers("PUT", "/lfs/([0-9a-f]{64})")
def lfs_upload(request, hub, oid):
    if hashlib.sha256(request.content).hexdigest() != oid:
        raise Answer(400)
    hub.stored[oid] = request.content
    return {}


@answers("GET", "/lfs/([0-9a-f]{64})")
def lfs_download(request, hub, oid):
    return {}, hub.stored[oid]


@answers("POST", f"/api/models/{NAME}/commit/([^/]+)")
def commit(request, hub, name, branch):
    request.must_write()
    header, *operations = map(json.loads, request.content.splitlines())
    files = {}
    for operation in operations:
        value = operation["value"]
        if operation["key"] == "file":
            files[value["path"]] = base64.b64decode(value["content"])
        else:
            assert (operation["key"], value["algo"]) == ("lfsFile", "sha256")
            files[value["path"]] = hub.stored[value["oid"]]
    sha = request.repository(name).commit(unquote(branch), files, header["value"]["summary"])
    return {"commitUrl": f"{hub.address}/{name}/commit/{sha}", "commitOid": sha}


@answers("GET", f"/api/models/{NAME}(?:/revision/([^/]+))?")
def info(request, hub, name, revision):
    repository = request.repository(name)
    sha = request.resolved(repository, revision or "main")
    return {"id": name, "sha": sha, "siblings": [{"rfilename": path} for path in repository.commits[sha]]}


@answers("GET", f"/api/models/{NAME}/tree/([^/]+)")
def tree(request, hub, name, revision):
    repository = request.repository(name)
    files = repository.commits[request.resolved(repository, revision)]
    return [entry(path, content) for path, content in files.items()]


def entry(path, content):
    oid = hashlib.sha1(b"blob %d\0%s" % (len(content), content)).hexdigest()  # noqa: S324 (git's)
    lfs = {"lfs": {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 130}}
    return {"type": "file", "path": path, "oid": oid, "size": len(content), **(lfs if path.endswith(LARGE) else {})}


@answers("GET", f"/{NAME}/resolve/([^/]+)/(.+)")
def resolve(request, hub, name, revision, path):
    repository = request.repository(name)
    sha = request.resolved(repository, revision)
    content = repository.commits[sha].get(unquote(path))
    if content is None:
        raise Answer(404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": sha})
    described = entry(path, content)
    headers = {"X-Repo-Commit": sha, "ETag": f'"{described["oid"]}"', "Content-Length": str(len(content))}
    if "lfs" not in described:
        return headers, content
    oid = described["lfs"]["oid"]
    hub.stored[oid] = content
    elsewhere = f"{hub.address.replace('127.0.0.1', 'localhost')}/lfs/{oid}"  # the hub's stores have other names
    linked = {"X-Linked-Etag": f'"{oid}"', "X-Linked-Size": str(len(content)), "Location": elsewhere}
    raise Answer(302, {**headers, "Content-Length": "0", **linked}, b"")


@contextmanager
def serving(hub):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.hub, hub.address = hub, f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
