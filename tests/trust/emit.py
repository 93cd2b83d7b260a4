#!/usr/bin/env python3
"""What `wain emit` writes, given to the programs that it is for.

Releases, tame and hostile, become files for Compose, Kubernetes and Helm. Two readers of YAML (1.1 and 1.2) have to find the
very values of the release in them; Docker Compose 2, podman-compose, the schema of docker-compose 1.29, kubectl,
kubernetes-validate for four versions of Kubernetes, and Helm have to accept them; and what Helm makes of a chart has to be
what was written for Kubernetes.

usage: emit.py [--short]    `sh tests/run.sh` installs the programs; a row whose program is missing says SKIPPED, and fails where CI=true
"""

import copy
import json
import os
import random
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from common import ROOT, Table, wain, workshop

TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
TOOLS = (TARGET if TARGET.is_absolute() else ROOT / TARGET) / "test-tools"

try:
    import yaml
    from ruamel.yaml import YAML
except ImportError:
    python = TOOLS / "bin/python"
    if not python.is_file() or Path(sys.prefix).resolve() == TOOLS.resolve():
        sys.exit("there is no PyYAML or ruamel.yaml in target/test-tools; `sh tests/run.sh` installs what the tests need")
    os.execv(python, [python, *sys.argv])

SHORT = "--short" in sys.argv[1:]
VERSIONS = ["1.25", "1.37"] if SHORT else ["1.25", "1.29", "1.33", "1.37"]
DIGEST = "sha256:" + "0123456789abcdef" * 4

# Texts that some reader of YAML takes for something else, or that a template could trip over.
TEXTS = """ |  a|a |~|null|Null|NULL|true|True|yes|Yes|no|on|off|y|n|Y|N|0|-0|+1|007|0o7|0x1f|0b1|1_000|1.5|1e3|1E3|.5|5.|.inf|-.INF|.nan|1:30|190:20:30|
2001-01-01|2001-12-14t21:59:43.10-05:00|=|<<|-|--|---|...|- a|? a|: a|a: b|a:|a #b|#a|&a|*a|!a|!!int 1|%a|@a|`a|>|"|'|''|\\|\\n|[a]|{a: b}|[|{|
,a|a,b|$|$$|$a|${a}|${a:-b}|$(a)|$$(a)|{{ .Values }}|{{|}}|{{- fail "x" -}}|a{{/*|%s%d|a\tb|\t|NaN|Infinity|undefined|!|&|<script>|</script>|\x01|\x1b[31m|
\x7f|\x80|\x85|a\x85b|\x9f|\xa0|\xad|\u200b|\u202e|\u2028|a\u2029b|\ufeff|\ufeffa|\ufffd|\ufffe|\uffff|\U0001f600|\U0010ffff|\ue000|ä|日本""".replace("\n", "").split("|")
UNREAD = re.compile("[\x7f-\x9f\ufeff\ufffe\uffff]")
TEXTS += ["", "\n", "a\n", "a\nb", "a\n\n b\n", "\r\n", "a\rb", "a\n---\nb", "\n---\n", "a\n...\n", "|", "x" * 5000, "a\n# b: c\n", " \n ", "\\u0041", "it's", '"q"', "a" * 130 + " b"]


def component(name: str, **changes) -> dict:
    host = name.lower().replace("_", "-").strip("-")
    part = {
        "name": name, "service": host, "kind": "agent", "type": "llm",
        "image": {"repository": f"registry.example:5000/team/x-{host}", "digest": DIGEST, "tag": None},
        "platforms": [], "port": 8080, "user": 10001,
    }
    return part | changes


def release(*parts: dict, services: tuple = (), **changes) -> dict:
    whole = {"schema": 1, "project": "demo", "version": "1.0", "namespace": None, "bus": "http", "profile": "production"}
    return whole | {"components": list(parts), "services": list(services)} | changes


def releases() -> dict[str, dict]:
    sample = json.loads((ROOT / "fixtures/releases/support.json").read_text())
    chance = random.Random(7)
    letters = "".join(sorted(set("".join(TEXTS)))) + " ab:#-?!&*'\"%@`$\\{}[]|>,\n"
    noise = ["".join(chance.choice(letters) for _ in range(chance.randrange(40))) for _ in range(300)]
    # kubectl kustomize reads these back as something else, or not at all: refused for Kubernetes, carried by the others.
    control = release(component("one", environment={f"V{index}": text for index, text in enumerate(TEXTS + noise)}))
    texts, noise = ([text for text in some if not UNREAD.search(text)] for some in (TEXTS, noise))
    hostile = release(
        component("Support_Agent", environment={f"V{index}": text for index, text in enumerate(texts)},
                  health=["probe", *texts]),
        component("NULL", environment={"null": "1", "yes": "2", "y": "3", "No": "4", "A" * 253: "5", "_": "6", "e3": "7"},
                  needs=["on"]),
        component("on", environment={f"N{index}": text for index, text in enumerate(noise)}),
        component("a" * 63, secrets=["y", "NULL", "A" * 253], needs=["Support_Agent", "NULL", "o" * 52]),
        component("o" * 52, volumes={"/$data/ä b'\"": "1Gi", "/{{x}}": "1"}, writable=["/a b", "/#tmp", "/-"]),
        services=({"name": "true", "service": "true", "image": "redis:7.4", "port": 6379, "health": TEXTS[-1:] + ["- x"],
                   "environment": {"N": "NO"}, "user": 999},),
        project="My.Demo_2", version="1!2.0rc1+local.001",
    )
    plain = release(component("one"))
    full = copy.deepcopy(sample)
    full |= {"namespace": "help-desk"}
    full["components"][4] |= {"autoscale": {"min": 1, "max": 3, "cpu": 50}, "replicas": 1, "platforms": ["linux/arm/v7"]}
    shop = json.loads((ROOT / "fixtures/releases/shop.json").read_text())
    every = {"sample": sample, "full": full, "plain": plain, "shop": shop, "projects": projects(), "hostile": hostile, "control": control}
    return {name: what for name, what in every.items() if not SHORT or name in ("full", "projects", "hostile")}


def projects() -> dict:
    """Images of projects: with and without ports, health, volumes, a group of their own, a registry."""

    def application(name: str, **changes) -> dict:
        return {key: value for key, value in component(name, kind="application", http=None, port=None).items() if key != "type"} | changes

    local = {"repository": None, "digest": DIGEST, "tag": "team/keeper:latest", "loaded": True}
    return release(
        application("web", port=8000, ports=[9000, "8000/udp"], published=8000, group=0, read_only=False, stop_grace_period=90,
                    http={"health": "/healthz?full=1", "ready": "/ready", "port": 9000}, health=["python", "-c", "x"],
                    timing={"interval": 3, "timeout": 2, "retries": 5, "start_period": 31}, needs=["dns", "idle", "keeper"]),
        application("silent", port=8001, needs=["web", "worker"]),
        application("checked", health=["true"], timing={"interval": 60}),
        application("worker", replicas=2, writable=["/tmp"], stop_signal="SIGINT"),
        application("keeper", image=local, volumes={"/data": "1Gi"}),
        services=({"name": "dns", "service": "dns", "image": "acme/dns:1", "port": "53/udp", "ports": [53], "user": 999, "group": 998},
                  {"name": "search", "service": "search", "image": "acme/search:1", "port": 9200, "user": 999,
                   "http": {"health": "/"}, "timing": {"start_period": 0}},
                  {"name": "idle", "service": "idle", "image": "acme/idle:1", "user": 999}),
        bus=None,
    )


class World:
    def __init__(self, folder: Path, table: Table):
        self.folder, self.table, self.program = folder, table, wain()
        self.folder.joinpath("home").mkdir()

    def run(self, *words, env=None, cwd=None) -> subprocess.CompletedProcess:
        env = {"HOME": str(self.folder / "home"), "PATH": os.environ["PATH"]} | (env or {})
        words = [str(word) for word in words]
        return subprocess.run(words, env=env, cwd=cwd or self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=900)

    def emit(self, name: str, what: dict, format: str, *words) -> Path:
        file = self.folder / f"{name}.json"
        file.write_text(json.dumps(what))
        place = self.folder / name / format
        done = self.run(self.program, "emit", format, "-o", place, "--release", file, *words)
        if done.returncode:
            raise SystemExit(f"{name}: wain emit {format}: {done.stderr}")
        return place


def tool(name: str) -> Path | None:
    """A program of the tests' own, or one on the PATH."""
    own = TOOLS / "bin" / name
    found = shutil.which(name)
    return own if own.is_file() else Path(found) if found else None


def read(text: str) -> list:
    """The documents of a text, as both readers see them."""
    old = [document for document in yaml.safe_load_all(text) if document is not None]
    reader = YAML(typ="safe", pure=True)
    new = [document for document in reader.load_all(text) if document is not None]
    if old != new:
        raise ValueError("the readers of YAML 1.1 and 1.2 disagree")
    return old


def parts(what: dict) -> list[dict]:
    return what["components"] + what["services"]


def secrets(what: dict) -> list[str]:
    within = {made["secret"] for part in parts(what) for made in part.get("prefixed", {}).values()}
    return sorted(within | {name for part in parts(what) for name in part.get("secrets", [])})


def undoubled(text: str) -> str:
    return text.replace("$$", "$")


def environment_of_compose(services: dict, what: dict, undo=undoubled) -> bool:
    def found(part):
        all_ = services[part["service"]].get("environment") or {}
        others = [*part.get("secrets", []), *part.get("optional", []), *part.get("prefixed", {})]
        return {name: undo(value) for name, value in all_.items() if name not in others}

    return all(found(part) == part.get("environment", {}) for part in parts(what))


def as_published(service: dict, part: dict) -> bool:
    """Whether Compose gets the port, the times, the user and the grace period of a part."""
    published, timing = part.get("published"), part.get("timing", {})
    ports = [] if published is None else [f"127.0.0.1:{published}:{ports_of(part)[0][0]}"]
    check = service.get("healthcheck", {})
    times = {"interval": 5, "timeout": 5, "start_period": 30} | {key: value for key, value in timing.items() if key != "retries"}
    rules = [
        [port.removesuffix("/udp") for port in service.get("ports", [])] == ports,
        bool(check) == bool(part.get("health")),
        not check or {key: check[key] for key in times} == {key: f"{value}s" for key, value in times.items()},
        not check or check["retries"] == timing.get("retries", 6),
        service["user"] == f"{part['user']}:{part.get('group', part['user'])}",
        service["stop_grace_period"] == f"{part.get('stop_grace_period', 30)}s",
        service["read_only"] == part.get("read_only", True),
    ]
    return all(rules)


def compose(world: World, name: str, what: dict) -> None:
    table = world.table
    place = world.emit(name, what, "docker-compose")
    text = (place / "compose.yaml").read_text()
    [document] = read(text)
    same = environment_of_compose(document["services"], what) and "version" not in document
    probes = all(
        [undoubled(word) for word in document["services"][part["service"]]["healthcheck"]["test"]] == ["CMD", *part["health"]]
        for part in parts(what) if part.get("health")
    )
    table.row(name, "compose", "PyYAML, ruamel.yaml", ok=same and probes)
    wrong = [part["service"] for part in parts(what) if not as_published(document["services"][part["service"]], part)]
    table.row(name, "compose", "ports, checks, users", ok=not wrong, detail=" ".join(wrong))

    given = dict.fromkeys(secrets(what), "value")
    if (program := tool("docker-compose")) is None:
        table.skip(name, "compose", "Docker Compose 2", why="there is no docker-compose")
    else:
        file = ["--file", place / "compose.yaml", "config"]
        done = world.run(program, *file, "--format", "json", env=given)
        services = json.loads(done.stdout)["services"] if done.returncode == 0 else {}
        # What it prints could be read again: it doubles each `$` anew.
        ok = done.returncode == 0 and environment_of_compose(services, what)
        table.row(name, "compose", "Docker Compose 2", ok=ok, detail=done.stderr)
        for part in parts(what):
            for variable, made in part.get("prefixed", {}).items():
                found = services.get(part["service"], {}).get("environment", {})
                ok = found.get(variable) == made["prefix"] + "value" and made["secret"] not in found
                table.row(name, "compose", f"{variable} is made of {made['secret']}", ok=ok, detail=str(found))
        for missing in given:
            done = world.run(program, *file, "--quiet", env=given | {missing: ""})
            ok = done.returncode != 0 and f"set {missing} in the environment" in done.stderr
            table.row(name, "compose", f"refuses without {missing[:20]}", ok=ok, detail=done.stderr)
    if (program := tool("podman-compose")) is None:
        table.skip(name, "compose", "podman-compose", why="there is no podman-compose")
    else:
        done = world.run(program, "--file", place / "compose.yaml", "config", env=given)
        table.row(name, "compose", "podman-compose", ok=done.returncode == 0 and "services:" in done.stdout, detail=done.stderr)
    schema = TOOLS / "share/compose-1.29.json"
    if not schema.is_file():
        table.skip(name, "compose", "schema of docker-compose 1.29", why="it is not there")
    else:
        import jsonschema

        place = world.emit(f"{name}-old", what, "docker-compose", "--compose-compat", "1.29")
        [document] = read((place / "compose.yaml").read_text())
        errors = [error.message for error in jsonschema.Draft7Validator(json.loads(schema.read_text())).iter_errors(document)]
        table.row(name, "compose", "schema of docker-compose 1.29", ok=not errors, detail="\n".join(errors[:5]))


def profile(world: World, what: dict) -> None:
    """Services in a profile start on demand, and nobody waits for them otherwise."""
    place = world.emit("profile", what, "docker-compose", "--services-profile", "services")
    if (program := tool("docker-compose")) is None:
        world.table.skip("profile", "compose", "Docker Compose 2", why="there is no docker-compose")
        return
    given = dict.fromkeys(secrets(what), "value")
    names = [{part["service"] for part in some} for some in (what["components"], parts(what))]
    for words, expected in zip(([], ["--profile", "services"]), names, strict=True):
        done = world.run(program, "--file", place / "compose.yaml", *words, "config", "--services", env=given)
        ok = done.returncode == 0 and set(done.stdout.split()) == expected
        world.table.row("profile", "compose", " ".join(words) or "no profile", ok=ok, detail=done.stderr)


def by_name(documents: list) -> dict:
    found = {(document["kind"], document["metadata"]["name"]): document for document in documents}
    if len(found) != len(documents):
        raise ValueError("two objects have one name")
    return found


def environment_of_objects(objects: dict, what: dict) -> bool:
    def found(part):
        return objects.get(("ConfigMap", part["service"]), {}).get("data", {})

    return all(found(part) == part.get("environment", {}) for part in parts(what))


def made_in_pod(objects: dict, host: str, variable: str, made: dict) -> bool:
    """Whether a variable is a text and then a secret, which stands before it and is replaced as Kubernetes replaces it."""
    for kind in ("Deployment", "StatefulSet"):
        if (kind, host) in objects:
            [container] = objects[kind, host]["spec"]["template"]["spec"]["containers"]
    keys, texts = {}, {}
    for one in container["env"]:
        if "valueFrom" in one:
            keys[one["name"]] = one["valueFrom"]["secretKeyRef"]["key"]
        else:
            texts[one["name"]] = re.sub(r"\$\((\w+)\)", lambda name: f"<{keys[name[1]]}>", one["value"])
    # What begins with NEO4J_ would be a setting of the server.
    strays = [name for name in keys if name.startswith("NEO4J_")]
    return texts == {variable: f"{made['prefix']}<{made['secret']}>"} and not strays


def ports_of(part: dict) -> list[tuple[int, str]]:
    """Ports and protocols, the main one first, each once."""
    main = [part["port"]] if part.get("port") is not None else []
    texts = [str(port).partition("/") for port in [*main, *part.get("ports", [])]]
    return list(dict.fromkeys((int(number), (protocol or "tcp").upper()) for number, _, protocol in texts))


def http_of(part: dict) -> dict | None:
    """The paths that say whether a part is well: components of workflows, which have a type, need not name theirs."""
    usual = {"health": "/health", "ready": "/ready"} if "type" in part else None
    return part.get("http", usual)


def is_asked(part: dict) -> bool:
    """Whether there is anything to ask: of images of others, a connection is enough."""
    is_tcp = ports_of(part)[:1] != [] and ports_of(part)[0][1] == "TCP"
    return http_of(part) is not None or bool(part.get("health")) or ("kind" not in part and is_tcp)


def listening(objects: dict, what: dict) -> list[str]:
    """What is wrong about ports and probes."""
    wrong = []
    for part in parts(what):
        host, ports, http = part["service"], ports_of(part), http_of(part)
        pod = next(objects[kind, host] for kind in ("Deployment", "StatefulSet") if (kind, host) in objects)["spec"]["template"]["spec"]
        [container] = pod["containers"]
        service = objects.get(("Service", host))
        served = [(port["port"], port["protocol"]) for port in (service or {"spec": {}})["spec"].get("ports", [])]
        ingress = objects["NetworkPolicy", host]["spec"]["ingress"]
        users = [other["service"] for other in parts(what) if {part["name"], host} & set(other.get("needs", []))]
        is_reached = bool(ports) and (part.get("published") is not None or bool(users))
        rules = {
            "ports of the container": [(port["containerPort"], port["protocol"]) for port in container.get("ports", [])] == ports,
            "ports of the Service": served == ports,
            "a Service where there is none": (service is not None) == bool(ports or part.get("volumes")),
            "who is let in": bool(ingress) == is_reached and all(rule.get("ports") for rule in ingress),
        }
        if http is not None:
            paths = {"startupProbe": http["health"], "livenessProbe": http["health"], "readinessProbe": http.get("ready", http["health"])}
            numbers = {port["name"]: port["containerPort"] for port in container["ports"]}
            for probe, path in paths.items():
                asked = container[probe]["httpGet"]
                port = numbers.get(asked["port"], asked["port"])
                rules[probe] = (asked["path"], port) == (path, http.get("port", ports[0][0]))
        if is_asked(part):
            given = {"interval": 10, "timeout": 5, "retries": 3} | part.get("timing", {})
            found = container["livenessProbe"]
            rules["when it is asked"] = [found["periodSeconds"], found["timeoutSeconds"], found["failureThreshold"]] == [
                given["interval"], given["timeout"], given["retries"]]
            start = container["startupProbe"]
            least = given["start_period"] + given["interval"] * given["retries"] if "start_period" in given else 300
            rules["time to start"] = 0 <= start["periodSeconds"] * start["failureThreshold"] - least < start["periodSeconds"]
        group = part.get("group", part["user"])
        rules["user and group"] = (pod["securityContext"]["runAsUser"], pod["securityContext"]["runAsGroup"]) == (part["user"], group)
        rules["grace period"] = pod["terminationGracePeriodSeconds"] == part.get("stop_grace_period", 30)
        wrong += [f"{host}: {rule}" for rule, holds in rules.items() if not holds]
    return wrong


def restricted(objects: dict, what: dict) -> list[str]:
    """What breaks the restricted Pod Security Standard, or our own rules."""
    wrong, known = [], {part["service"]: part for part in parts(what)}
    for (kind, name), thing in objects.items():
        selector = thing.get("spec", {}).get("selector")
        if "version" in json.dumps(selector or {}):
            wrong.append(f"{kind} {name}: its selector knows a version")
        if kind not in ("Deployment", "StatefulSet"):
            continue
        pod = thing["spec"]["template"]["spec"]
        [container] = pod["containers"]
        security, outer = container["securityContext"], pod["securityContext"]
        rules = {
            "runs as root": outer.get("runAsNonRoot") is True and outer.get("runAsUser", 1) > 0,
            "no seccomp of the pod": outer["seccompProfile"] == {"type": "RuntimeDefault"},
            "no seccomp of the container": security["seccompProfile"] == {"type": "RuntimeDefault"},
            "may gain privileges": security["allowPrivilegeEscalation"] is False,
            "has capabilities": security["capabilities"] == {"drop": ["ALL"]},
            "has a token": pod["automountServiceAccountToken"] is False,
            "lists services": pod["enableServiceLinks"] is False,
            "has a path of the host": "hostPath" not in json.dumps(pod),
            "no digest and no version": container["imagePullPolicy"] == "Never"
            or re.search(r"(@sha256:[0-9a-f]{64}|:(?!latest$)[^:/]+)$", container["image"]),
            "lacks a probe, or has one": ({"startupProbe", "readinessProbe", "livenessProbe"} & set(container))
            == ({"startupProbe", "readinessProbe", "livenessProbe"} if is_asked(known[name]) else set()),
            "is pulled, or not": (container["imagePullPolicy"] == "Never") == known[name]["image"].get("loaded", False)
            if isinstance(known[name]["image"], dict) else container["imagePullPolicy"] == "IfNotPresent",
            "an emptyDir without a limit": all("sizeLimit" in volume["emptyDir"] for volume in pod.get("volumes", [])),
            "replicas beside an autoscaler": ("replicas" in thing["spec"]) != (("HorizontalPodAutoscaler", name) in objects),
            "no policy": ("NetworkPolicy", name) in objects,
        }
        wrong += [f"{kind} {name}: {rule}" for rule, holds in rules.items() if not holds]
    return wrong


def validate(world: World, name: str, format: str, file: Path, count: int) -> None:
    program = TOOLS / "bin/kubernetes-validate"
    for version in VERSIONS:
        row = [name, format, f"kubernetes-validate --strict {version}"]
        if not program.is_file():
            world.table.skip(*row, why="it is not there")
            continue
        done = world.run(program, "--strict", "-k", version, file)
        said = done.stdout + done.stderr
        world.table.row(*row, ok=done.returncode == 0 and said.count(" passed ") == count, detail=said[-2000:])


def kubernetes(world: World, name: str, what: dict) -> dict:
    table = world.table
    place = world.emit(name, what, "kubernetes")
    [kustomization] = read((place / "kustomization.yaml").read_text())
    documents = [document for file in kustomization["resources"] for document in read((place / file).read_text())]
    objects = by_name(documents)
    table.row(name, "kubernetes", "PyYAML, ruamel.yaml", ok=environment_of_objects(objects, what))
    for part in parts(what):
        for variable, made in part.get("prefixed", {}).items():
            ok = made_in_pod(objects, part["service"], variable, made)
            table.row(name, "kubernetes", f"{variable} is made of {made['secret']}", ok=ok)
    wrong = restricted(objects, what)
    table.row(name, "kubernetes", "restricted, and our rules", ok=not wrong, detail="\n".join(wrong))
    wrong = listening(objects, what)
    table.row(name, "kubernetes", "ports, probes, users", ok=not wrong, detail="\n".join(wrong))
    listed = {"kustomization.yaml", "secrets.example.yaml", ".wain-emit"} | set(kustomization["resources"])
    there = {str(path.relative_to(place)) for path in place.rglob("*") if path.is_file()}
    example = place / "secrets.example.yaml"
    values = set(read(example.read_text())[0]["stringData"].values()) if example.is_file() else {"REPLACE_ME"}
    ok = there <= listed and values == {"REPLACE_ME"} and not any(kind == "Secret" for kind, _ in objects)
    table.row(name, "kubernetes", "no secret but an example", ok=ok and example.is_file() == bool(secrets(what)))
    file = place.parent / "kubernetes.yaml"
    file.write_text("---\n".join((place / path).read_text() for path in kustomization["resources"]))
    validate(world, name, "kubernetes", file, len(objects))
    if (program := tool("kubectl")) is None:
        table.skip(name, "kubernetes", "kubectl kustomize", why="there is no kubectl")
    else:
        done = world.run(program, "kustomize", place)
        # What it writes is plain where PyYAML sees a type; as texts both have to be the same.
        found = by_name(list(yaml.load_all(done.stdout, yaml.BaseLoader)))
        same = done.returncode == 0 and found == by_name(list(yaml.load_all(file.read_text(), yaml.BaseLoader)))
        table.row(name, "kubernetes", "kubectl kustomize", ok=same, detail=done.stderr)
    return objects


def refused(world: World, name: str, what: dict) -> None:
    file = world.folder / f"{name}.json"
    file.write_text(json.dumps(what))
    done = world.run(world.program, "emit", "kubernetes", "-o", "nowhere", "--release", file)
    ok = done.returncode == 1 and "kubectl" in done.stderr and not (world.folder / "nowhere").exists()
    world.table.row(name, "kubernetes", "refused: control characters", ok=ok, detail=done.stderr)


def alike(thing):
    """An object without what tells who manages it."""
    if isinstance(thing, dict):
        thing = {key: alike(value) for key, value in thing.items() if key not in ("helm.sh/chart", "namespace")}
        return thing | ({"app.kubernetes.io/managed-by": ""} if "app.kubernetes.io/managed-by" in thing else {})
    return [alike(item) for item in thing] if isinstance(thing, list) else thing


def helm(world: World, name: str, what: dict, objects: dict | None) -> None:
    table = world.table
    chart = world.emit(name, what, "helm")
    [values] = read((chart / "values.yaml").read_text())
    found = values["components"] | values["services"]
    same = all(found[part["service"]]["environment"] == part.get("environment", {}) for part in parts(what))
    table.row(name, "helm", "PyYAML, ruamel.yaml", ok=same and len(found) == len(parts(what)))
    if (program := tool("helm")) is None:
        table.skip(name, "helm", "helm", why="there is no helm")
        return
    done = world.run(program, "lint", "--strict", chart)
    table.row(name, "helm", "helm lint --strict", ok=done.returncode == 0 and "1 chart(s) linted, 0" in done.stdout,
              detail=done.stdout + done.stderr)
    project = what["project"].lower().replace(".", "-").replace("_", "-")
    space = what["namespace"] or "space"

    def template(*words):
        return world.run(program, "template", project, chart, "--namespace", space, *words)

    done = template()
    rendered = by_name([thing for thing in yaml.safe_load_all(done.stdout) if thing]) if done.returncode == 0 else {}
    file = chart.parent / "helm.yaml"
    file.write_text(done.stdout)
    expected = rendered if objects is None else objects
    wanted = {key: alike(thing) for key, thing in expected.items() if key[0] != "Namespace"}
    given = {key: alike(thing) for key, thing in rendered.items()}
    differ = [f"{kind} {part}" for kind, part in set(wanted) | set(given) if wanted.get((kind, part)) != given.get((kind, part))]
    ok = rendered and environment_of_objects(rendered, what) and not differ and {thing["metadata"]["namespace"] for thing in rendered.values()} == {space}
    table.row(name, "helm", "helm template, as for kubernetes", ok=ok, detail=done.stderr + "\n".join(differ))
    validate(world, name, "helm", file, len(rendered))

    first = what["components"][0]["service"]
    refused = {
        "a tag for a component": ["--set", f"components.{first}.image.tag=1.0"],
        "no digest": ["--set", f"components.{first}.image.digest=null"],
        "a tag beside a digest, local": ["--set", f"components.{first}.image.tag=1.0,components.{first}.image.local=true"],
        "a digest that is none": ["--set", f"components.{first}.image.digest=sha256:12"],
        "an unknown key": ["--set", f"components.{first}.replica=2"],
        "a number for a text": ["--set", f"components.{first}.environment.PORT=8080"],
        "a name that is none": ["--set-json", 'components={"A b":{}}'],
    }
    for case, words in refused.items():
        done = template(*words)
        ok = done.returncode != 0 and "schema" in done.stderr and not done.stdout
        table.row(name, "helm", f"refuses {case}", ok=ok, detail=done.stderr)
    done = template("--set", f"components.{first}.image.digest=null,components.{first}.image.tag=a,components.{first}.image.local=true",
                    "--set", f"components.{first}.image.repository=team/x")
    ok = done.returncode == 0 and 'image: "team/x:a"\n          imagePullPolicy: Never' in done.stdout
    table.row(name, "helm", "an image that was loaded", ok=ok, detail=done.stderr)
    # What the user gives is data, too.
    texts = {f"V{index}": text for index, text in enumerate(TEXTS)}
    file = chart.parent / "overrides.yaml"
    file.write_text(yaml.safe_dump({"components": {first: {"environment": texts}}}, default_style='"'))
    one = f"components.{first}"
    done = template("--values", file, "--set", f"{one}.autoscale=null,{one}.user=2147483647")
    things = by_name([thing for thing in yaml.safe_load_all(done.stdout) if thing]) if done.returncode == 0 else {}
    data = things.get(("ConfigMap", first), {}).get("data", {})
    pod = next((things[key]["spec"]["template"]["spec"] for key in things if key[1] == first and "template" in things[key].get("spec", {})), {})
    ok = {key: data.get(key) for key in texts} == texts and pod["securityContext"]["runAsUser"] == 2147483647
    table.row(name, "helm", "hostile values of the user", ok=ok, detail=done.stderr)


def development(world: World) -> None:
    """Sources are mounted from the project, by relative paths; what is only in Docker goes to Compose alone."""
    table = world.table
    project = world.folder / "project"
    (project / ".wain").mkdir(parents=True)
    (project / "hooks").mkdir()
    local = {"repository": None, "digest": DIGEST, "tag": "demo-one:1"}
    what = release(component("one", sources=["hooks"], image=local), profile="development")
    (project / ".wain/release.json").write_text(json.dumps(what))
    done = world.run(world.program, "emit", "docker-compose", "-o", "deploy/compose", cwd=project)
    text = (project / "deploy/compose/compose.yaml").read_text()
    [document] = read(text)
    one = document["services"]["one"]
    ok = (one["image"], one["pull_policy"], one["volumes"][0]["source"]) == ("demo-one:1", "never", "../../hooks")
    table.row("development", "compose", "relative mounts, local image", ok=ok and str(world.folder) not in text, detail=done.stderr)
    if (program := tool("docker-compose")) is None:
        table.skip("development", "compose", "Docker Compose 2", why="there is no docker-compose")
    else:
        done = world.run(program, "--file", "deploy/compose/compose.yaml", "config", "--format", "json", cwd=project)
        ok = done.returncode == 0 and json.loads(done.stdout)["services"]["one"]["volumes"][0]["source"] == str(project / "hooks")
        table.row("development", "compose", "Docker Compose 2", ok=ok, detail=done.stderr)
    for format in ("kubernetes", "helm"):
        done = world.run(world.program, "emit", format, "-o", "deploy", cwd=project)
        ok = done.returncode == 1 and "the images of `one` are not in a registry" in done.stderr and "--registry" in done.stderr
        table.row("development", format, "refused: in files alone", ok=ok, detail=done.stderr)
    (project / ".wain/release.json").write_text(json.dumps(release(component("one", user=None, http=None, port=None))))
    for format, code in {"docker-compose": 0, "kubernetes": 1, "helm": 1}.items():
        done = world.run(world.program, "emit", format, "-o", "root", cwd=project)
        ok = done.returncode == code and (code == 0 or "runs as root" in done.stderr)
        table.row("root", format, "the image's own user" if code == 0 else "refused: root", ok=ok, detail=done.stderr)
    [document] = read((project / "root/compose.yaml").read_text())
    table.row("root", "compose", "no user is set", ok="user" not in document["services"]["one"])


def rootfs(folder: Path) -> Path:
    """busybox and what it needs: a shell, a server and a client of HTTP."""
    program = Path(shutil.which("busybox"))
    found = subprocess.run(["ldd", program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False).stdout
    for path in [program, *map(Path, re.findall(r"/\S+", found))]:
        target = folder / ("bin/busybox" if path == program else str(path)[1:])
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    for name, text in {"app/hooks/file": "of the image", "app/data/": "", "tmp/": ""}.items():
        path = folder / name
        (path if name.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
        if text:
            path.write_text(text)
    os.chown(folder / "app/data", 10001, 10001)
    folder.joinpath("tmp").chmod(0o1777)
    return folder


def running(world: World) -> None:
    """Two components under a Docker daemon: one asks the other, and each writes where it may and nowhere else."""
    row = ["running", "compose", "Docker"]
    program = tool("docker-compose")
    missing = [name for name in ("dockerd", "docker", "busybox", "tar") if shutil.which(name) is None]
    if os.geteuid() != 0 or program is None or missing:
        world.table.skip(*row, why=f"it takes root, Docker Compose 2, and {', '.join(missing) or 'all that is here'}")
        return
    project = world.folder / "running"
    (project / ".wain").mkdir(parents=True)
    (project / "hooks").mkdir()
    (project / "hooks/file").write_text("of the project")
    code = "echo kept > /app/data/a; echo gone > /tmp/a; echo never > /app/a; cd /tmp; exec busybox httpd -f -p 8080"
    settings = ["ENV PATH=/bin", "USER 10001", f'ENTRYPOINT ["/bin/busybox","sh","-c","{code}"]']
    odd = "$A ${B} \"q\"\nline"
    common = {
        "image": {"repository": None, "digest": DIGEST, "tag": "running:1"}, "writable": ["/tmp"], "secrets": ["SOME_KEY"],
        "health": ["busybox", "wget", "-q", "-O", "-", "http://127.0.0.1:8080/a"], "volumes": {"/app/data": "1Gi"},
        "resources": {"memory_limit": "64Mi"}, "environment": {"ODD": odd},
    }
    one = component("One", needs=["two"], sources=["hooks"], **common)
    (project / ".wain/release.json").write_text(json.dumps(release(one, component("two", **common), profile="development")))
    place = world.folder / "docker"
    place.mkdir()
    socket = f"unix://{place}/sock"
    words = ["dockerd", "--iptables=false", "--ip6tables=false", "--bridge=none", "--storage-driver=vfs", f"--data-root={place}/data",
             f"--exec-root={place}/exec", f"--pidfile={place}/pid", f"--host={socket}"]
    with (place / "log").open("wb") as log:
        daemon = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    env = {"DOCKER_HOST": socket, "SOME_KEY": "secret"}

    def run(*words):
        return world.run(*words, env=env, cwd=project)

    def in_one(*words):
        return run("docker", "exec", "demo-one-1", "busybox", *words)

    compose = [program, "--file", "deploy/compose.yaml"]
    try:
        for _ in range(300):
            if daemon.poll() is not None or run("docker", "version").returncode == 0:
                break
            time.sleep(1)
        tar = subprocess.Popen(["tar", "-C", rootfs(world.folder / "rootfs"), "-c", "."], stdout=subprocess.PIPE)
        changes = [word for setting in settings for word in ("--change", setting)]
        made = subprocess.run(["docker", "import", *changes, "-", "running:1"], stdin=tar.stdout, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, env=os.environ | env, timeout=900)
        tar.stdout.close()
        tar.wait()
        run(world.program, "emit", "docker-compose", "-o", "deploy")
        up = run(*compose, "up", "--detach", "--wait")
        world.table.row(*row[:2], "starts, and is healthy", ok=up.returncode == 0, detail=made.stderr + up.stderr)
        answers = {
            "reaches what it needs": (in_one("wget", "-q", "-O", "-", "http://two:8080/a"), "gone\n"),
            "has the project's sources": (in_one("cat", "/app/hooks/file"), "of the project"),
            "writes to its volume": (in_one("cat", "/app/data/a"), "kept\n"),
            "gets a secret": (in_one("sh", "-c", 'printf %s "$SOME_KEY"'), "secret"),
            "gets odd values as they are": (in_one("sh", "-c", 'printf %s "$ODD"'), odd),
        }
        for case, (done, expected) in answers.items():
            world.table.row(*row[:2], case, ok=done.stdout == expected, detail=done.stdout + done.stderr)
        done = run("docker", "logs", "demo-one-1")
        ok = "can't create /app/a: Read-only file system" in done.stderr and in_one("id", "-u").stdout == "10001\n"
        world.table.row(*row[:2], "writes nowhere else, is not root", ok=ok, detail=done.stderr)
        run(*compose, "down", "--volumes", "--timeout", "1")
    finally:
        daemon.terminate()
        daemon.wait(60)


def main() -> None:
    table = Table(("release", 12), ("format", 10), ("asked", 36))
    with workshop() as folder:
        world = World(folder, table)
        for name, what in releases().items():
            compose(world, name, what)
            if name == "control":
                refused(world, name, what)
                helm(world, name, what, None)
            else:
                helm(world, name, what, kubernetes(world, name, what))
        profile(world, releases()["full"])
        development(world)
        running(world)
    table.finish()


if __name__ == "__main__":
    main()
