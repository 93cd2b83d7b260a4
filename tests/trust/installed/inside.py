"""Runs in an image, with its Python: do metadata and files agree, and can everything be imported? Prints JSON."""

import hashlib
import importlib
import importlib.metadata
import json
import os
import signal
import sys
import sysconfig
from base64 import urlsafe_b64encode

SITE = sysconfig.get_path("purelib")
# Long enough for a processor that is emulated.
PATIENCE = 900


def main() -> None:
    packages = list(importlib.metadata.distributions(path=[SITE]))
    owned, broken = {}, []
    for package in packages:
        for file in package.files or []:
            path = os.path.realpath(os.path.dirname(file.locate())) + "/" + file.name
            owned.setdefault(path, []).append(package.name)
            fault = wrong(path, file)
            if fault:
                broken.append(f"{package.name}: {file}: {fault}")
    there = [os.path.join(here, name) for here, _, files in os.walk(sys.prefix) for name in files]
    answer = {
        "versions": sorted(f"{normal(package.name)}=={package.version}" for package in packages),
        "rows": sum(len(package.files or []) for package in packages),
        "broken": broken,
        "unowned": sorted(os.path.relpath(path, sys.prefix) for path in there if path not in owned),
        "imports": {module: outcome(module) for module in modules(owned)},
    }
    json.dump(answer, sys.stdout)


def normal(name: str) -> str:
    return "-".join(part for part in name.lower().replace(".", "-").replace("_", "-").split("-") if part)


def wrong(path: str, file: importlib.metadata.PackagePath) -> str | None:
    """What is wrong with a row of RECORD; its own row and those of signatures have no hash."""
    try:
        with open(path, "rb") as opened:
            content = opened.read()
    except OSError as error:
        return str(error)
    if file.hash is None:
        return None if file.name in ("RECORD", "RECORD.jws", "RECORD.p7s") else "the row has no hash"
    if file.size is not None and file.size != len(content):
        return f"{len(content)} bytes"
    found = urlsafe_b64encode(hashlib.new(file.hash.mode, content).digest()).rstrip(b"=").decode()
    return None if found == file.hash.value.rstrip("=") else f"{file.hash.mode} {found}"


def modules(owned: dict) -> list[str]:
    """Modules at the top, and packages that lie in no other package: those of namespaces are deeper."""
    files = [os.path.relpath(path, SITE) for path in owned if path.startswith(SITE + "/")]
    packages = {os.path.dirname(path) for path in files if os.path.basename(path) == "__init__.py"} - {""}
    top = {path for path in packages if not any(above in packages for above in folders(path))}
    names = {path.replace("/", ".") for path in top}
    names |= {path.split(".")[0] for path in files if "/" not in path and path.endswith((".py", ".so"))}
    return sorted(name for name in names if all(part.isidentifier() for part in name.split(".")))


def folders(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]


def outcome(module: str) -> str:
    """Imports a module in a process of its own, and says how that ended."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        quiet = os.open(os.devnull, os.O_RDWR)
        for number in range(3):
            os.dup2(quiet, number)
        signal.alarm(PATIENCE)
        try:
            importlib.import_module(module)
            text = "ok"
        except ImportError as error:
            text = f"{type(error).__name__}: {error}"
        except BaseException as error:
            text = type(error).__name__
        os.write(writing, text.encode()[:4000])
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        text = pipe.read().decode(errors="replace")
    _, status = os.waitpid(child, 0)
    return text or f"ended with status {status}"


main()
