"""`knowledge_base text_file`: the passages of a file of text that have the most words in common with a question."""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import Any, Dict, List

from ..config import Part
from ..errors import StartError, ToolError
from ..world import World
from .base import Base

MAX_FILE = 32 << 20
LONGEST_PASSAGE = 1500
PASSAGES = 4
_WORD = re.compile(r"\w{2,}")


class TextFile(Base):
    """Passages are weighed by how rare the words are that they share with the question."""

    def __init__(self, part: Part, world: World):
        super().__init__(part, world)
        path = self.options.text("path")
        try:
            with open(world.path(path), encoding="utf-8", errors="replace") as file:
                text = file.read(MAX_FILE)
        except OSError as problem:
            raise StartError(f"{part}: {path} cannot be read: {problem.strerror or problem}") from None
        self._passages = _passages(text)
        self._words = [Counter(_WORD.findall(passage.lower())) for passage in self._passages]
        self._spread = Counter(word for words in self._words for word in words)

    def search(self, question: str) -> List[str]:
        """The passages that fit best, the best first."""
        wanted = set(_WORD.findall(question.lower()))
        scored = [(self._score(words, wanted), index) for index, words in enumerate(self._words)]
        best = sorted((item for item in scored if item[0] > 0), key=lambda item: (-item[0], item[1]))
        return [self._passages[index] for _, index in best[:PASSAGES]]

    def tools(self) -> List[Dict[str, Any]]:
        parameters = {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]}
        return [
            {"name": "search", "description": f"Searches {self.options.text('path')} for passages.", "parameters": parameters}
        ]

    def call(self, name: str, arguments: Dict[str, Any]) -> Any:
        if name != "search" or not isinstance(arguments.get("query"), str):
            raise ToolError("there is one tool, `search`, with a text `query`")
        return self.search(arguments["query"])

    def _score(self, words: "Counter[str]", wanted: "set[str]") -> float:
        shared = wanted & set(words)
        rarity = sum((1 + math.log(words[word])) * math.log(1 + len(self._words) / self._spread[word]) for word in shared)
        return rarity / math.sqrt(1 + sum(words.values()))


def _passages(text: str) -> List[str]:
    """Paragraphs, short ones joined and long ones cut."""
    passages: List[str] = []
    for paragraph in re.split(r"\n\s*\n", text):
        whole = paragraph.strip()
        for start in range(0, len(whole), LONGEST_PASSAGE):
            piece = whole[start : start + LONGEST_PASSAGE]
            if passages and len(passages[-1]) + len(piece) < LONGEST_PASSAGE // 3:
                passages[-1] += "\n\n" + piece
            else:
                passages.append(piece)
    return passages
