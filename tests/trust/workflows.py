#!/usr/bin/env python3
"""Workflows of every shape, from the file to what Compose, kubectl and Helm make of it.

The projects in `fixtures/woodwork` are planned, built, pushed to a registry of their own on the loopback, and emitted; the
programs that `emit.py` knows read the files.

usage: workflows.py [--short] [FOLDER]...    FOLDER: other projects with a main.ww; nothing is demanded of them but that all
                                             programs take what is emitted
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import emit
from common import ROOT, Table, need, workshop

# The first has several images on a base that nobody has made yet.
# What is demanded of each project: its images, its services, what is left out, and its secrets; or the code of its refusal.
PROJECTS = {
    "functions": (["captain", "door", "model", "tides"], [], [], ["ANTHROPIC_API_KEY"]),
    "chat": (["model"], [], ["terminal"], ["OPENAI_API_KEY"]),
    "web": "E-KEY-MISSING",
    "planner": (["model", "planner", "tools"], ["neo4j", "ollama"], ["terminal"], ["NEO4J_PASSWORD"]),
    "coding": (["coder", "forge", "input", "model"], [], ["workshop"], ["FORGE_TOKEN", "OPENAI_API_KEY"]),
    "machines": (["far", "near"], [], ["shed", "terminal"], ["OPENAI_API_KEY"]),
}
OTHERS = [Path(word) for word in sys.argv[1:] if word != "--short"]


class Registry:
    """A registry that anybody may use, until the block ends."""

    def __init__(self, folder: Path):
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        config = folder / "registry.yml"
        config.write_text(f"version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {folder}/registry}}}}\n"
                          f"http: {{addr: '127.0.0.1:{self.port}'}}\n")
        with (folder / "registry.log").open("wb") as log:
            self.process = subprocess.Popen(["docker-registry", "serve", config], stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def __enter__(self) -> "Registry":
        for _ in range(3000):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self
            time.sleep(0.1)
        raise SystemExit("the registry does not answer")

    def __exit__(self, *_) -> None:
        self.process.terminate()
        self.process.wait()

    def has(self, image: dict) -> bool:
        name = image["repository"].split("/", 1)[1]
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/v2/{name}/manifests/{image['digest']}", method="HEAD")
        request.add_header("Accept", "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json")
        try:
            return urllib.request.urlopen(request).status == 200
        except urllib.error.HTTPError:
            return False


def run(world: emit.World, project: Path, *words) -> subprocess.CompletedProcess:
    env = {"WAIN_CACHE_DIR": os.environ.get("WAIN_CACHE_DIR", str(world.folder / "store"))}
    settings = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE", "PIP_INDEX_URL", "UV_DEFAULT_INDEX", "CI")
    env |= {name: os.environ[name] for name in settings if name in os.environ}
    env["PATH"] = f"{emit.TOOLS / 'bin'}:{os.environ['PATH']}"
    done = world.run(world.program, *words, env=env, cwd=project)
    if done.returncode == 3:
        # The network is not ours to test.
        print(f"out of reach: {done.stderr}", file=sys.stderr)
        sys.exit(3)
    return done


def refused(world: emit.World, name: str, project: Path, code: str) -> None:
    for words in (["plan"], ["build"], ["lock"]):
        done = run(world, project, *words)
        ok = done.returncode == 1 and code in done.stderr and not done.stdout and not (project / ".wain").exists()
        world.table.row(name, words[0], f"refused: {code}", ok=ok, detail=done.stderr)


def check(world: emit.World, registry: Registry, name: str, project: Path, expected: tuple | None) -> None:
    table = world.table
    done = run(world, project, "plan", "--json")
    plan = json.loads(done.stdout) if done.returncode == 0 else {"components": [], "leftOut": []}
    images = sorted(one["name"] for one in plan["components"] if one["place"] == "image")
    left_out = sorted(one["name"] for one in plan["leftOut"])
    ok = done.returncode == 0 and (expected is None or [images, left_out] == [expected[0], expected[2]])
    untouched = not (project / ".wain").exists() and not (project / "wain.lock").exists()
    table.row(name, "plan", "images, and what is left out", ok=ok and untouched, detail=done.stderr + done.stdout[:2000])

    team = f"127.0.0.1:{registry.port}/team"
    done = run(world, project, "build", "--registry", team)
    table.row(name, "build", "pushes", ok=done.returncode == 0, detail=done.stderr)
    if done.returncode:
        return
    warned = all(f"warning: no image for `{one}`" in done.stderr for one in left_out)
    table.row(name, "build", "warns of what is left out", ok=warned, detail=done.stderr)
    once = all(done.stderr.count(f"built {layer} (") <= 1 for layer in ("base python", "base libraries", "component runtime"))
    table.row(name, "build", "makes once what all have", ok=once, detail=done.stderr)
    what = json.loads((project / ".wain/release.json").read_text())
    parts = what["components"]
    printed = {line.split()[1]: line.split()[0] for line in done.stdout.splitlines()}
    same = printed == {part["name"]: part["image"]["digest"] for part in parts}
    table.row(name, "build", "the registry has the release", ok=same and all(registry.has(part["image"]) for part in parts))
    if expected is not None:
        services = sorted(service["service"] for service in what["services"])
        ok = [sorted(part["name"] for part in parts), services, emit.secrets(what)] == [expected[0], expected[1], expected[3]]
        table.row(name, "build", "images, services, secrets", ok=ok, detail=json.dumps(what["services"]) + str(emit.secrets(what)))
    again = run(world, project, "build", "--registry", team, "--locked")
    table.row(name, "build", "again: the same, and nothing to do", detail=again.stderr,
              ok=again.stdout == done.stdout and "nothing changed" in again.stderr)

    emit.compose(world, name, what)
    emit.helm(world, name, what, emit.kubernetes(world, name, what))
    written = world.folder / name
    told = "\n".join(path.read_text() for path in written.rglob("*") if path.is_file())
    table.row(name, "emit", "no path of this machine, no `latest`", ok=str(world.folder) not in told and ":latest" not in told)


def main() -> None:
    need("docker-registry")
    table = Table(("project", 12), ("command", 10), ("asked", 36))
    with workshop() as folder, Registry(folder) as registry:
        world = emit.World(folder, table)
        projects = [(name, ROOT / "fixtures/woodwork" / name, expected) for name, expected in PROJECTS.items()]
        projects = [(path.resolve().name, path, None) for path in OTHERS] or projects
        for name, source, expected in projects:
            project = folder / "projects" / name
            shutil.copytree(source, project, ignore=shutil.ignore_patterns(".wain", "wain.lock", "__pycache__"))
            if isinstance(expected, str):
                refused(world, name, project, expected)
            else:
                check(world, registry, name, project, expected)
    table.finish()


if __name__ == "__main__":
    main()
