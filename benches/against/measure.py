"""Runs a command and says what it cost."""

import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")


@dataclass
class Cost:
    """What one run took: seconds on the clock, seconds of processors, bytes of the largest process."""

    seconds: float
    cpu: float
    memory: int


def median(costs: list[Cost]) -> Cost:
    """The median of every number by itself, but the largest memory."""
    return Cost(
        statistics.median(cost.seconds for cost in costs),
        statistics.median(cost.cpu for cost in costs),
        max(cost.memory for cost in costs),
    )


def quiet(*command: str | Path, **options) -> str:
    """Runs a command that is not measured; its output, or the end of this program."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)
    if done.returncode != 0:
        sys.exit(f"failed ({done.returncode}): {' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout.strip()


def measure(
    *command: str | Path, log: Path, memory: bool = True, daemon: int | None = None, **options
) -> Cost:
    """Runs a command and measures it with all its children; the memory only if asked for, which costs a millisecond.

    A command that has a daemon do the work is measured together with that daemon (its process id) and everything the
    daemon starts; the memory is then the daemon's own.
    """
    os.sync()  # What the run before left to be written is not this one's to pay.
    before = daemon_cpu(daemon) if daemon else 0.0
    if daemon:
        Path(f"/proc/{daemon}/clear_refs").write_text("5")
    with open(log, "wb") as out:
        # Between the command and us stands a small program: Linux counts what a process was forked from as its memory.
        watch = ["/usr/bin/time", "--quiet", "--format", "%M", "--output", f"{log}.memory"]
        words = [*(watch if memory and not daemon else []), *map(str, command)]
        start = time.monotonic()
        child = subprocess.Popen(words, stdout=out, stderr=out, **options)
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.monotonic() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        text = log.read_text(errors="replace")[-4000:]
        sys.exit(f"failed ({child.returncode}): {' '.join(map(str, command))}\n{text}")
    cpu = usage.ru_utime + usage.ru_stime + (daemon_cpu(daemon) - before if daemon else 0.0)
    if daemon:
        return Cost(seconds, cpu, peak_memory(daemon))
    return Cost(seconds, cpu, int(Path(f"{log}.memory").read_text()) * 1024 if memory else 0)


def daemon_cpu(pid: int) -> float:
    """Seconds that a process, its living descendants, and those it has waited for have used."""
    parents, ticks = {}, {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                fields = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents[int(entry)] = int(fields[1])
            ticks[int(entry)] = sum(map(int, fields[11:15]))

    def is_below(process: int) -> bool:
        while process > 1:
            if process == pid:
                return True
            process = parents.get(process, 0)
        return False

    return sum(count for process, count in ticks.items() if is_below(process)) / TICK


def peak_memory(pid: int) -> int:
    """The most memory a process has had since its mark was reset."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0
