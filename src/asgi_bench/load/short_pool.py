"""The pool of connections that live for some requests: each is closed after its last response."""

from asgi_bench.load.answers import Taken
from asgi_bench.load.mix import Tally
from asgi_bench.load.pool import Pool
from asgi_bench.load.target import Target


class ShortPool(Pool):
    """Slots whose connections the client closes after this many responses, and reopens."""

    def __init__(self, target: Target) -> None:
        # Before `super`: it is at the limit of attributes with this one.
        self._answered: dict[int, int] = {}
        super().__init__(target)

    def _finish(
        self,
        slot: int,
        tally: Tally,
        right_bytes: int,
        *,
        closes: bool = False,
        is_right: bool = True,
    ) -> Taken:
        taken = super()._finish(slot, tally, right_bytes, closes=closes, is_right=is_right)
        if slot in self.partial:
            self._answered[slot] = self._answered.get(slot, 0) + 1
            if self._answered[slot] == self.target.conversations:
                self._part(slot)
        return taken

    def _drop(self, slot: int) -> None:
        self._answered.pop(slot, None)
        super()._drop(slot)
