"""Whatever the fuzzer found that we accept, Python's zipfile reads as the same files.

    python3 tests/fuzz/agree.py [FOLDER]    target/fuzz/corpus/zip, unless another folder is named

The inputs are judged as `greet-1.0-py3-none-any.whl`, which is what the fuzzer feeds them as.
"""

import json
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "trust"))

from common import ROOT, wain, workshop
from popular import compare

NAME = "greet-1.0-py3-none-any.whl"
AT_ONCE = 500


def main() -> None:
    corpus = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "target" / "fuzz" / "corpus" / "zip"
    inputs = sorted(path for path in corpus.glob("*") if path.is_file())
    if not inputs:
        sys.exit(f"{corpus} holds no inputs; run `sh tests/fuzz/run.sh zip 60` first")
    program = wain()
    accepted, wrong = 0, 0
    # zipfile speaks of names that stand twice; we refuse those.
    warnings.simplefilter("ignore")
    with workshop() as folder:
        for start in range(0, len(inputs), AT_ONCE):
            batch = {}
            for number, path in enumerate(inputs[start : start + AT_ONCE]):
                place = folder / str(start + number) / NAME
                place.parent.mkdir()
                place.write_bytes(path.read_bytes())
                batch[str(place)] = path
            ran = subprocess.run([program, "check", "--json", *batch], capture_output=True, text=True, check=False)
            told = [json.loads(line) for line in ran.stdout.splitlines()]
            if len(told) != len(batch):
                sys.exit(f"wain check ended with {ran.returncode} after {len(told)} of {len(batch)} files\n{ran.stderr}")
            for said in told:
                if said["verdict"] != "ok":
                    continue
                accepted += 1
                try:
                    differences = compare(Path(said["file"]), said)
                except (OSError, ValueError, KeyError, StopIteration, RuntimeError, zipfile.BadZipFile) as error:
                    differences = [f"zipfile: {error!r}"]
                if differences:
                    wrong += 1
                    print(f"{batch[said['file']]}:", *differences[:5], sep="\n    ")
    print(f"{len(inputs)} inputs, {accepted} accepted, {wrong} of those are something else to zipfile")
    sys.exit(1 if wrong or not accepted else 0)


if __name__ == "__main__":
    main()
