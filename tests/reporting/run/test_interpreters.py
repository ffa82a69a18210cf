from asgi_bench.analysis.summary import summarize
from asgi_bench.reporting.document import Notes, Table
from asgi_bench.reporting.run.interpreters import interpreters_section
from asgi_bench.reporting.run.source import Source
from tests.synthetic_interpreters import interpreters_run
from tests.synthetic_run import synthetic_run


def test_a_server_stands_under_each_interpreter() -> None:
    """A row each, the first without a ratio to itself; what else differs is said below."""
    section = interpreters_section(Source(summarize(interpreters_run())))
    (table,) = [block for block in section.blocks if isinstance(block, Table)]
    assert len(table.rows) == 6 * 3
    (notes,) = [block for block in section.blocks if isinstance(block, Notes)]
    assert any("3.12 has other versions: uvloop 0.21.0" in text for text in notes.texts)
    assert any("default@3.14t/w1 ran without the GIL" in text for text in notes.texts)


def test_one_interpreter_makes_no_section() -> None:
    """Without another one there is nothing to compare."""
    section = interpreters_section(Source(summarize(synthetic_run(rounds=3))))
    assert not [block for block in section.blocks if isinstance(block, Table)]
