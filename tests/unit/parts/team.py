"""A team of one: the parts of a film are encoded one after the other, without a store and without a ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workers.context.team import TeamWork
from workers.parts import cut, encode, film, join

if TYPE_CHECKING:
    from collections.abc import Callable

    from workers.context.work import Work


class Alone:
    """Takes every film that can be split."""

    from_seconds = 0.001
    used = False

    def __init__(self, parts_wanted: int = 4) -> None:
        self.parts_wanted = parts_wanted

    def encode(self, work: Work, made: Any, meanwhile: Callable[[], None]) -> TeamWork:
        cut.run(work, made.file, made.stream, made.cut_plan(work.folder))
        meanwhile()
        for one in made.parts:
            source = work.folder / film.source_name(one.number, made.recipe.picture.codec)
            encode.run(work, made.recipe, source, work.folder / join.encoded_name(one.number), one.number)
        self.used = True
        return TeamWork(len(made.parts), 1, 0, 0, [])

    def forget(self) -> None:
        """Nothing is stored."""
