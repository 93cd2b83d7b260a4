"""Texts of the project cut into passages, for knowledge bases."""

from __future__ import annotations

import importlib
import os
import re
from typing import Iterator, List

from ..config import Part
from ..errors import StartError
from ..world import World

MAX_BYTES = 32 << 20
MAX_FILES = 2000
LONGEST = 1500


def read(world: World, part: Part, path: str) -> List[str]:
    """The passages of a file, or of all files of text in a folder: paragraphs, short ones joined and long ones cut."""
    whole = world.path(path)
    passages: List[str] = []
    size = 0
    for number, file in enumerate(_files(whole)):
        try:
            text = _text(file)
        except OSError as problem:
            raise StartError(f"{part}: {path} cannot be read: {problem.strerror or problem}") from None
        except ImportError:
            raise StartError(
                f"{part}: {path} is a PDF; add pypdf to the `requirements` of the component to have it read"
            ) from None
        except Exception as problem:  # What pypdf makes of a damaged file may be anything.
            raise StartError(f"{part}: {file} cannot be read: {type(problem).__name__}") from None
        size += len(text)
        if size > MAX_BYTES or number >= MAX_FILES:
            raise StartError(f"{part}: {path} is more than {MAX_BYTES} characters or {MAX_FILES} files")
        passages += cut(text)
    return passages


def cut(text: str) -> List[str]:
    """The passages of a text."""
    passages: List[str] = []
    for paragraph in re.split(r"\n\s*\n", text):
        whole = paragraph.strip()
        for start in range(0, len(whole), LONGEST):
            piece = whole[start : start + LONGEST]
            if passages and len(passages[-1]) + len(piece) < LONGEST // 3:
                passages[-1] += "\n\n" + piece
            else:
                passages.append(piece)
    return passages


def _files(path: str) -> Iterator[str]:
    if not os.path.isdir(path):
        yield path
        return
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (os.path.join(folder, name) for name in sorted(names) if not name.startswith("."))


def _text(path: str) -> str:
    if path.lower().endswith(".pdf"):
        pages = importlib.import_module("pypdf").PdfReader(path).pages
        return "\n\n".join(page.extract_text() for page in pages)
    with open(path, "rb") as file:
        data = file.read(MAX_BYTES + 1)
    return "" if b"\0" in data[:8192] else data.decode("utf-8", "replace")
