from importlib.metadata import version

from asgi_bench.conformance.candidates import candidates, matrix_plan
from asgi_bench.definitions.selection import Selection


def test_a_pinned_version_is_a_server_of_its_own() -> None:
    """It is checked under its own name, made of the same distributions as the plain one."""
    pinned = f"uvicorn=={version('uvicorn')}"
    asked = Selection(servers=("uvicorn", pinned))
    found, left_out = candidates(asked, matrix_plan(asked))
    assert left_out == []
    assert [one.server for one in found] == ["uvicorn", pinned]
    assert found[0].packages == found[1].packages
