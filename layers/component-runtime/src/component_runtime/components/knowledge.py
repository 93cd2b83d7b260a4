"""`knowledge_base text_file`: the passages of a file of text that have the most words in common with a question."""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import Any, List, Tuple

from ..config import Part
from ..world import World
from . import passages
from .base import OneTool

FOUND = 4
_WORD = re.compile(r"\w{2,}")


class Knowledge(OneTool):
    """What can be searched."""

    def search(self, question: str) -> List[str]:
        """The passages that fit best, the best first."""
        raise NotImplementedError

    def tool(self) -> Tuple[str, str, str]:
        return "search", f"Searches {self.part.name} for passages.", "query"

    def use(self, text: str) -> Any:
        return self.search(text)


class TextFile(Knowledge):
    """Passages are weighed by how rare the words are that they share with the question."""

    def __init__(self, part: Part, world: World):
        super().__init__(part, world)
        self._passages = passages.read(world, part, self.options.text("path"))
        self._words = [Counter(_WORD.findall(passage.lower())) for passage in self._passages]
        self._spread = Counter(word for words in self._words for word in words)

    def search(self, question: str) -> List[str]:
        wanted = set(_WORD.findall(question.lower()))
        scored = [(self._score(words, wanted), index) for index, words in enumerate(self._words)]
        best = sorted((item for item in scored if item[0] > 0), key=lambda item: (-item[0], item[1]))
        return [self._passages[index] for _, index in best[:FOUND]]

    def _score(self, words: "Counter[str]", wanted: "set[str]") -> float:
        shared = wanted & set(words)
        rarity = sum((1 + math.log(words[word])) * math.log(1 + len(self._words) / self._spread[word]) for word in shared)
        return rarity / math.sqrt(1 + sum(words.values()))
