import os
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "apps" / "factory"


def test_the_factory_is_called_once(tmp_path: Path) -> None:
    """`app` is what `module:attribute` gives when it's called, a dotted attribute too."""
    (tmp_path / "shop.py").write_text(
        "class Makers:\n"
        "    @staticmethod\n"
        "    def make():\n"
        "        print('made')\n"
        "        return 'the app'\n"
    )
    code = "from asgi_bench_factory import app; import asgi_bench_factory; print(app)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={
            **os.environ,
            "ASGI_BENCH_FACTORY": "shop:Makers.make",
            "PYTHONPATH": f"{tmp_path}{os.pathsep}{FOLDER}",
        },
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert done.stdout.split("\n") == ["made", "the app", ""]
