"""The small server with the app of the checks, and its starts as checks see them."""

import gc
import runpy
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from asgi_bench.conformance.check import StartName
from asgi_bench.conformance.journal import Journal
from asgi_bench.conformance.servers import JOURNAL, LIFESPAN
from asgi_bench.conformance.start import Patience, Start
from asgi_bench.definitions.folders import shipped_apps
from asgi_bench.model import Endpoint
from asgi_bench.serving.places import Certificate, make_certificate
from tests.conformance.good_server import App, Faults, Server, running

# A machine that stands still for two seconds must not make the server look bad.
PATIENT = Patience(answer_s=20.0, quiet_s=0.2)
# Where it is bad on purpose, whatever comes late is bad too.
IMPATIENT = Patience(answer_s=0.25, quiet_s=0.05)
FEATURES = frozenset(("websocket", "lifespan", "http2"))

Begin = Callable[..., dict[StartName, Start]]


@pytest.fixture(scope="module")
def swept() -> Iterator[None]:
    """Whatever a module's servers have left open is collected in that module."""
    yield
    gc.collect()


@pytest.fixture(scope="session")
def app() -> App:
    """The app that servers are checked with."""
    found: App = runpy.run_path(str(shipped_apps() / "conformance.py"))["app"]
    return found


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A certificate of this machine's loopback."""
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Journal:
    """A journal that the app writes."""
    path = tmp_path / "journal.jsonl"
    monkeypatch.setenv(JOURNAL, str(path))
    monkeypatch.setenv(LIFESPAN, "")
    return Journal(path)


@pytest.fixture
def begin(app: App, journal: Journal, certificate: Certificate, tmp_path: Path) -> Iterator[Begin]:
    """Start the server with faults; its starts by their names."""
    with ExitStack() as stack:

        def begin(faults: Faults, patience: Patience) -> dict[StartName, Start]:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate.chain, certificate.key)
            context.set_alpn_protocols(["http/1.1"] if "no-alpn" in faults else ["h2", "http/1.1"])
            path = str(tmp_path / "s")
            server = stack.enter_context(running(app, faults, path, context))
            return starts_of(server, journal, patience, str(certificate.authority))

        yield begin


def starts_of(
    server: Server, journal: Journal, patience: Patience, authority: str = ""
) -> dict[StartName, Start]:
    """The ways to reach a server that is up."""
    tls = Endpoint(("127.0.0.1", server.tls_port), "tls", ca_file=authority)
    endpoints: dict[StartName, Endpoint] = {
        "http": Endpoint.local(server.port),
        "unix": Endpoint(server.path, "unix"),
        "tls": tls,
        "http2": tls,
        "h2c": Endpoint.local(server.port),
    }
    how: dict[str, Any] = {"features": FEATURES, "log": server.log, "patience": patience}
    return {name: Start(endpoint, journal, **how) for name, endpoint in endpoints.items()}
