"""`knowledge_base chroma`: the passages of the project's texts whose meaning is nearest to a question, by OpenAI's embeddings.

The embeddings are kept in a small SQLite file of our own in the folder `path`, so that they are paid for once; where that cannot be
written they are kept in memory. Databases that Chroma made are not read: everything comes from `file_to_embed`.
"""

from __future__ import annotations

import hashlib
import math
import os
import threading
from array import array
from operator import mul
from typing import Any, Dict, List, Optional

from .. import log
from ..config import Part
from ..errors import StartError
from ..world import World
from . import passages
from .knowledge import FOUND, Knowledge
from .openai import OpenAI
from .vendor import Vendor

MODEL = "text-embedding-3-small"
MOST = 5000
AT_ONCE = 64
FILE = "embeddings.sqlite3"


class Chroma(Knowledge):
    """Passages are embedded when the first question comes."""

    def __init__(self, part: Part, world: World):
        super().__init__(part, world)
        self._key = self.options.secret("api_key")
        self._model = self.options.text("embedding_model", MODEL)
        told = world.environment.get(OpenAI.url_variable or "", "")
        self._url = self.options.text("base_url", told or OpenAI.default_url).rstrip("/") + "/embeddings"
        self._vendor = Vendor(OpenAI.vendor_name, part, world, world.settings.model_time)
        self._folder = world.path(self.options.text("path", ".woodwork/chroma"))
        if os.path.exists(os.path.join(self._folder, "chroma.sqlite3")):
            raise StartError(
                f"{part}: {self._folder} is a database of Chroma, which this runtime does not read; give its texts to `file_to_embed`"
            )
        self._passages = (
            passages.read(world, part, self.options.text("file_to_embed")) if self.options.has("file_to_embed") else []
        )
        if len(self._passages) > MOST:
            raise StartError(f"{part}: `file_to_embed` makes {len(self._passages)} passages; {MOST} are possible")
        self._vectors: Optional[List["array[float]"]] = None
        self._lock = threading.Lock()

    def search(self, question: str) -> List[str]:
        vectors = self._embedded()
        if not vectors:
            return []
        (wanted,) = self._embed([question or " "])
        nearness = [(sum(map(mul, wanted, vector)), index) for index, vector in enumerate(vectors)]
        best = sorted(nearness, key=lambda item: (-item[0], item[1]))[:FOUND]
        return [self._passages[index] for _, index in best]

    def _embedded(self) -> List["array[float]"]:
        with self._lock:
            if self._vectors is None:
                store = _Store(os.path.join(self._folder, FILE))
                keys = [
                    hashlib.sha256(f"{self._model}\n{self._url}\n{text}".encode("utf-8", "replace")).hexdigest()
                    for text in self._passages
                ]
                known = store.read(keys)
                missing = [index for index, key in enumerate(keys) if key not in known]
                for start in range(0, len(missing), AT_ONCE):
                    some = missing[start : start + AT_ONCE]
                    made = dict(zip((keys[index] for index in some), self._embed([self._passages[index] for index in some])))
                    store.write(made)
                    known.update(made)
                if len({len(vector) for vector in known.values()}) > 1:
                    raise self._vendor.failure("sent embeddings of different lengths")
                self._vectors = [known[key] for key in keys]
                log.info("passages are embedded", new=len(missing), all=len(keys))
            return self._vectors

    def _embed(self, texts: List[str]) -> List["array[float]"]:
        reply = self._vendor.ask(self._url, {"Authorization": f"Bearer {self._key}"}, {"model": self._model, "input": texts})
        data = self._vendor.json(reply).get("data")
        try:
            ordered = sorted(data, key=lambda item: int(item["index"]))  # type: ignore[arg-type]
            vectors = [_normal(item["embedding"]) for item in ordered]
        except (KeyError, TypeError, ValueError, OverflowError):
            raise self._vendor.failure("sent something that is not embeddings") from None
        if len(vectors) != len(texts):
            raise self._vendor.failure(f"sent {len(vectors)} embeddings for {len(texts)} texts")
        self._vendor.succeeded()
        return vectors


def _normal(numbers: Any) -> "array[float]":
    """The vector at length one, so that a product says how near two are."""
    length = math.sqrt(sum(number * number for number in numbers))
    if not numbers or not math.isfinite(length) or length == 0:
        raise ValueError("no direction")
    return array("f", (number / length for number in numbers))


class _Store:
    """Vectors by their texts' digests, in a file if that can be."""

    def __init__(self, path: str):
        self._database: Any = None
        try:
            import sqlite3

            os.makedirs(os.path.dirname(path), exist_ok=True)
            self._database = sqlite3.connect(path, timeout=5, check_same_thread=False)
            self._database.execute("CREATE TABLE IF NOT EXISTS vectors (key TEXT PRIMARY KEY, vector BLOB) WITHOUT ROWID")
        except Exception as problem:  # A folder that cannot be written, a damaged file, a Python without SQLite.
            self._give_up(problem)

    def read(self, keys: List[str]) -> Dict[str, "array[float]"]:
        """The vectors that are known."""
        found: Dict[str, "array[float]"] = {}
        try:
            for key in keys if self._database is not None else []:
                row = self._database.execute("SELECT vector FROM vectors WHERE key = ?", (key,)).fetchone()
                if row is not None:
                    found[key] = array("f", row[0])
        except Exception as problem:
            self._give_up(problem)
            return {}
        return found

    def write(self, vectors: Dict[str, "array[float]"]) -> None:
        """Keeps vectors."""
        try:
            if self._database is not None:
                rows = [(key, vector.tobytes()) for key, vector in vectors.items()]
                self._database.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?)", rows)
                self._database.commit()
        except Exception as problem:
            self._give_up(problem)

    def _give_up(self, problem: BaseException) -> None:
        self._database = None
        log.info("embeddings are kept in memory only", reason=problem)
