import msgspec

from asgi_bench.model.calibration import AAFloor, Calibration, LatencyFigures, SliceLoss
from asgi_bench.reporting.calibrations import calibration_document
from asgi_bench.reporting.render.terminal import render_terminal
from tests.synthetic_calibration import full_calibration, quick_calibration


def said(calibration: Calibration) -> str:
    """The calibration's words, however they are laid out."""
    return " ".join(render_terminal(calibration_document(calibration)).split())


def with_floor(mean: float, half_width: float | None) -> Calibration:
    """A calibration with such an A/A floor."""
    floor = AAFloor("uvicorn/default", 8, 0.75, mean, half_width, None)
    return msgspec.structs.replace(full_calibration(), aa_floor=floor)


def test_full_text_says_what_was_found() -> None:
    """Every stage has its figures and what they mean, in units that fit."""
    text = said(full_calibration())
    for words in (
        "Calibration (full) of bench, Some Processor, 2 CPUs 2026-11-22 19:00 UTC, 5 s",
        "servers on CPU 0, load on CPU 1",
        "64 100,000 10.0 2.0",
        "above 80% of this",
        "p50 15.0 µs, p99 60.0 µs",
        "at 500/s: p50 60.0 µs, p99 120 µs, max 400 µs",
        "200 slices of 20.0 ms of uvicorn/default scatter by 12 %",
        "autocorrelation 0.45",
        "differ by 0.20 % ±1.1 % (95 %)",
        "1.2 % (0.40 to 3.0 %, standard deviation)",
        "of which due to the length -10 % (-12 to -8.0 %): beyond 1.0 %",
        "-0.10 % (-2.0 to 2.0 %): neither shown to be within 1.0 % nor beyond it",
        "-0.20 % (-0.40 to 0.10 %): the same within 1.0 %",
        "Every slice loses 3.00 ms of granian/default (2.10 to 4.20 ms), whatever its length.",
        "Shortest usable slice: 100 ms.",
        "this machine is busy",
    ):
        assert words in text, words


def test_quick_text_leaves_out_what_was_not_measured() -> None:
    """A quick calibration speaks of the ceiling and the timer alone."""
    text = said(quick_calibration())
    assert "Ceiling" in text and "Timer" in text
    for word in ("Noise", "A/A", "Slices", "Notes", "nothing"):
        assert word not in text


def test_unfair_floor_is_said() -> None:
    """A floor that keeps 0 outside its bounds asks for a second look; one around 0 does not."""
    assert "0 is outside" in said(with_floor(-0.02, 0.01))
    assert "differ by -2.0 %" in said(with_floor(-0.02, 0.01))
    assert "0 is outside" not in said(with_floor(0.01, 0.02))


def test_floor_without_bounds() -> None:
    """Under three blocks there is a difference without a bound."""
    assert "too few blocks for a bound" in said(with_floor(0.01, None))


def test_autocorrelation_is_put_in_words() -> None:
    """Neighbours that are alike mean phases; independent ones don't; unknown says nothing."""
    full = full_calibration()
    assert full.slice_noise is not None
    texts = []
    for correlation in (0.6, 0.05, None):
        noise = msgspec.structs.replace(full.slice_noise, lag1_autocorrelation=correlation)
        texts.append(said(msgspec.structs.replace(full, slice_noise=noise)))
    assert "slow and fast phases" in texts[0]
    assert "nearly independent" in texts[1]
    assert "autocorrelation" not in texts[2]


def test_what_is_not_known_is_not_invented() -> None:
    """A loss, an effect or a percentile without bounds or without a figure is told as it is."""
    full = full_calibration()
    assert full.slice_lengths is not None and full.latency_bias is not None
    first, *others = full.slice_lengths.lengths
    bare = msgspec.structs.replace(
        full,
        slice_lengths=msgspec.structs.replace(
            full.slice_lengths,
            lengths=(msgspec.structs.replace(first, change_lower=None, change_upper=None), *others),
            losses=(SliceLoss("granian/default", 0.003, None, None),),
        ),
        latency_bias=msgspec.structs.replace(
            full.latency_bias, response_time_s=LatencyFigures(5, 60e-6, None, None, 400e-6)
        ),
    )
    text = said(bare)
    assert "-10 %: beyond 1.0 %" in text
    assert "Every slice loses 3.00 ms of granian/default, whatever its length." in text
    assert "p50 60.0 µs, max 400 µs" in text
