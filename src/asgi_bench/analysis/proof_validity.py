"""Was it shown that a server is what its variant states? A finding where it wasn't."""

from collections.abc import Mapping

from asgi_bench.model import PlannedCell, Proof, Reason


def proof_findings(planned: PlannedCell, proofs: Mapping[str, Proof]) -> tuple[Reason, ...]:
    """The finding on a cell whose variant states what runs, where nothing could be told of it.

    `proofs` are the run's by setting; none at all is an older run's, and says nothing. What was
    told and differs has failed before it was measured. The figures stand: they are of the server
    under this command line, whatever it really runs.
    """
    proof = proofs.get(planned.cell.setting)
    if not planned.proves or proof is None or proof.unproven is None:
        return ()
    stated = ", ".join(f"{part} {pattern}" for part, pattern in planned.proves.items())
    text = (
        f"not proven to be what its name says ({stated}): {proof.unproven}; it was measured all "
        f"the same"
    )
    return (Reason("unproven", "valid", None, None, text),)
