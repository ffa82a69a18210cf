from asgi_bench.reporting.run.phases import phases_words


def test_the_share_of_each_phase_is_told_in_the_order_of_a_run() -> None:
    """Load first, for that is what the rest is measured by; names unknown here are kept."""
    phases_s = {"prepare": 2.0, "start": 20.0, "load": 150.0, "between": 10.0, "dance": 18.0}
    assert phases_words(phases_s) == (
        "200 s: under load 75%, between slices 5.0%, preparing 1.0%, starting servers 10%, dance "
        "9.0%"
    )


def test_what_is_too_little_to_tell_is_told_together() -> None:
    """A phase of a thousandth of the time needs no word of its own."""
    phases_s = {"load": 990.0, "ask": 4.0, "calibrate": 4.0, "prepare": 2.0}
    assert phases_words(phases_s) == "1000 s: under load 99%, other 1.0%"
    assert phases_words({"load": 100.0, "ask": 0.1}) == "100 s: under load 100%"


def test_a_run_without_phases_took_no_time() -> None:
    """A run that was killed has none."""
    assert phases_words({}) == "0 s"
