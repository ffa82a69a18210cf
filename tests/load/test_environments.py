from pathlib import Path

from asgi_bench.load.environments import load_environment


def test_what_sets_up_load_is_left_out(tmp_path: Path) -> None:
    """Settings of Locust, gevent, Python and proxies don't reach our load; paths do."""
    paths = {"PATH": "/bin", "PYTHONPATH": "/src", "PYTHONUSERBASE": "/base"}
    settings = (
        *("LOCUST_TAGS", "GEVENT_LOOP", "GEVENTARES_SERVERS", "COVERAGE_PROCESS_START", "NETRC"),
        *("PYTHONWARNINGS", "PYTHONTRACEMALLOC", "PYTHONDEVMODE", "http_proxy", "ALL_PROXY"),
    )
    given = {**paths, **dict.fromkeys(settings, "1"), "HOME": "/somewhere"}
    assert load_environment(given, home=tmp_path) == {**paths, "HOME": str(tmp_path)}
