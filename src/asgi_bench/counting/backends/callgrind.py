"""Instructions by shared object and C function: callgrind, three times slower than cachegrind.

It says where a difference is; the verdict comes from cachegrind's counts.
"""

from pathlib import Path

from asgi_bench.counting.backends.valgrind import COUNTS, Valgrind, told
from asgi_bench.counting.callgrind import BadProfile, merged, read_profile
from asgi_bench.model.counts import Backend, Counter, Tally
from asgi_bench.serving.faults import ServerFault


class Callgrind(Valgrind):
    """Counts instructions in user mode by the function that contains them."""

    backend: Backend = "callgrind"
    counter: Counter = "placed_instructions"
    tool = "callgrind"
    patience = 30.0

    def tally(self, folder: Path) -> Tally:
        """Read the counts of all processes; raises ServerFault."""
        profiles = []
        for file in sorted(folder.glob(f"{COUNTS}*")):
            try:
                profiles.append(read_profile(file.read_text(errors="replace")))
            except BadProfile as fault:
                raise ServerFault(f"callgrind's output can't be read: {fault}") from None
        if not profiles:
            raise ServerFault("callgrind wrote no counts")
        whole = merged(profiles)
        parts = {kind: told(named, whole.total) for kind, named in whole.parts().items()}
        return Tally(whole.total, parts, len(profiles))
