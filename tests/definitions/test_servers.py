from pathlib import Path

import pytest

from asgi_bench.definitions.servers import Server, fill, load_server, load_servers
from asgi_bench.errors import UsageError


def _load(folder: Path, text: str, name: str = "mine") -> Server:
    path = folder / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    return load_server(path)


def test_only_the_command_is_required(tmp_path: Path) -> None:
    """A file with a command alone gives one variant, `default`, and the documented defaults."""
    server = _load(tmp_path, 'command = ["serve", "{port}"]')
    assert server.name == "mine"
    assert server.here == str(tmp_path)
    assert server.workers == "single"
    assert server.supports == ("asgi3",)
    assert list(server.variants) == ["default"]
    assert server.variants["default"].args == ()
    assert server.distribution is None


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        ('command = ["serve", "{port}"]', "single"),
        ('command = ["serve", "{port}", "-w{workers}"]', "native"),
        ('command = ["serve", "{fd}"]\nworkers = "shared-socket"', "shared-socket"),
        ('command = ["serve", "{port}", "-w{workers}"]\nworkers = "single"', "single"),
        (
            'command = ["serve"]\nworkers = "native"\nvariants.a.args = ["{workers}"]',
            "native",
        ),
        ('command = ["serve"]\nvariants.a.args = ["{workers}"]', "native"),
        ('command = ["s"]\nvariants.a.args = ["{workers}"]\nvariants.b.args = []', "single"),
    ],
)
def test_the_workers_mode_follows_the_command(tmp_path: Path, text: str, mode: str) -> None:
    """`native` is the default where `{workers}` is used; what the file states wins."""
    assert _load(tmp_path, text).workers == mode


def test_all_keys_arrive(tmp_path: Path) -> None:
    """Every documented key of a runner file is read."""
    server = _load(
        tmp_path,
        """
        homepage = "https://example.org"
        requires = ["mine[fast]>=2"]
        version_command = ["{here}/serve", "-V"]
        supports = ["asgi3", "tls"]
        command = ["{python}", "{app}", "{app_dir}", "{host}", "{port}", "{workers}", "{here}"]
        env = { A = "1" }
        [variants.quick]
        args = ["--quick"]
        requires = ["quick"]
        env = { B = "2" }
        description = "the quick one"
        """,
    )
    assert server.homepage == "https://example.org"
    assert server.requires == ("mine[fast]>=2",)
    assert server.version_command == ("{here}/serve", "-V")
    assert server.supports == ("asgi3", "tls")
    assert server.env == {"A": "1"}
    (variant,) = server.variants.values()
    assert (variant.name, variant.args, variant.requires) == ("quick", ("--quick",), ("quick",))
    assert (variant.env, variant.description) == ({"B": "2"}, "the quick one")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "missing required key command"),
        ("command = []", "command: must name a program"),
        ('command = "serve"', "command: expected array, got str"),
        ('command = ["serve", 1]', "command[1]: expected str, got int"),
        (
            'command = ["s"]\ncolour = 1',
            "unknown key 'colour'; allowed: bind, command, count, distribution",
        ),
        ('command = ["s"]\nname = "x"', "unknown key 'name'; allowed:"),
        ('command = ["s"]\nenv = { A = 1 }', "env: expected str, got int"),
        ('command = ["s", "{prot}"]', "command: unknown placeholder {prot}; allowed: {python} "),
        ('command = ["s", "{Port}"]', "command: unknown placeholder {Port}; allowed: {python} "),
        (
            'command = ["s"]\nversion_command = ["s", "{port}"]',
            "version_command: unknown placeholder {port}; allowed: {python} {here}",
        ),
        (
            'command = ["s"]\ndistribution = "s"\nversion_command = ["s"]',
            "give either distribution or version_command, not both",
        ),
        ('command = ["s"]\n[count]\narg = []', "count: unknown key 'arg'; allowed: args"),
        (
            'command = ["s"]\n[count]\nargs = ["{port}"]',
            "count: args: unknown placeholder {port}; allowed: {python} {here}",
        ),
        (
            'command = ["s", "{bind}"]\n[bind]\nudp = []',
            "bind: unknown key 'udp'; allowed: tcp, tls, unix",
        ),
        (
            'command = ["s", "{http}"]\n[http]\n3 = []',
            "http: unknown key '3'; allowed: 1, 1+tcp",
        ),
        (
            'command = ["s"]\n[bind]\ntls = []',
            "{bind} in the command and the table [bind] belong together",
        ),
        (
            'command = ["s", "--at={bind}"]\n[bind]\ntcp = []',
            "command: {bind} must be a word of its own",
        ),
        (
            'command = ["s", "{bind}"]\n[bind]\ntcp = ["{app}"]',
            "bind: tcp: unknown placeholder {app}; allowed: {host} {port}",
        ),
        (
            'command = ["s"]\nsupports = ["asgi3", "quic"]',
            "supports: unknown value 'quic'; allowed: asgi2, asgi3,",
        ),
        (
            'command = ["s"]\nworkers = "many"',
            "workers: unknown value 'many'; allowed: native, shared-socket, single",
        ),
        ('command = ["s"]\nworkers = 2', "workers: expected str, got int"),
        (
            'command = ["s"]\nworkers = "native"',
            "[variants.default]: workers = 'native' needs {workers} in the command",
        ),
        ('command = ["s", "{fd}"]', "workers = 'shared-socket' and {fd} in the command belong"),
        (
            'command = ["s"]\nworkers = "shared-socket"',
            "workers = 'shared-socket' and {fd} in the command belong",
        ),
        ('command = ["s"]\nrequires = ["a b"]', "requires: 'a b' is not a requirement such"),
        ('command = ["s"]\npins = ["a b"]', "pins: 'a b' is not a requirement such"),
        (
            'command = ["s"]\nenvironment = "own"\npins = ["a>=2"]',
            "pins: 'a>=2' must look like 'fastest==2.1'",
        ),
        (
            'command = ["s"]\nenvironment = "own"\npins = ["a[b]==2"]',
            "pins: 'a[b]==2' must look like 'fastest==2.1'",
        ),
        ('command = ["s"]\npins = ["a==2"]', "pins need environment = 'own'"),
        ('command = ["s"]\nvariants = 1', "variants: expected tables such as [variants.default]"),
        ('command = ["s"]\nvariants.a = 1', "[variants.a]: expected a table"),
        ('command = ["s"]\nvariants.a.arg = []', "[variants.a]: unknown key 'arg'; allowed: args,"),
        ('command = ["s"]\nvariants.a.args = [1]', "[variants.a]: args[0]: expected str, got int"),
        ('command = ["s"]\nvariants.a.args = ["{x}"]', "[variants.a]: args: unknown placeholder"),
        ('command = ["s"]\nvariants.a.requires = [""]', "[variants.a]: requires: ''"),
        (
            'command = ["s"]\nvariants.a.proves = { lop = "x" }',
            "[variants.a]: proves: unknown key 'lop'; allowed: loop, parser, protocol, transport",
        ),
        ('command = ["s"]\nvariants.a.proves = { loop = 1 }', "proves: expected str, got int"),
        ('command = ["s"]\nvariants."a/b".args = []', "[variants.a/b]: the name 'a/b' may contain"),
    ],
)
def test_a_mistake_is_one_line_with_file_key_and_what_is_allowed(
    tmp_path: Path, text: str, words: str
) -> None:
    """Nothing in a runner file is ignored: each mistake is found when the file is read."""
    with pytest.raises(UsageError) as caught:
        _load(tmp_path, text)
    message = str(caught.value)
    assert message.startswith(str(tmp_path / "mine.toml"))
    assert words in message
    assert "\n" not in message


def test_a_users_folder_adds_and_replaces(tmp_path: Path) -> None:
    """A later folder adds its servers; one of the same name takes the earlier one's place."""
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for folder, names in ((ours, ("a", "b")), (theirs, ("b", "c"))):
        folder.mkdir()
        for name in names:
            (folder / f"{name}.toml").write_text(f'command = ["{folder.name}"]')
    servers = load_servers([ours, theirs])
    assert {name: server.command[0] for name, server in servers.items()} == {
        "a": "ours",
        "b": "theirs",
        "c": "theirs",
    }
    assert servers["b"].here == str(theirs)


def test_a_folder_without_runner_files_is_an_error(tmp_path: Path) -> None:
    """A mistyped or empty folder is said, not passed over."""
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(UsageError, match="runner file"):
            load_servers([folder])


WAYS = """
command = ["serve", "{bind}", "{http}", "{app}"]
[bind]
tcp = ["-p", "{port}"]
unix = ["-u", "{socket}"]
tls = ["-p", "{port}", "-c", "{cert}", "-k", "{key}"]
[http]
1 = []
"2+tls" = ["--h2"]
"""


def test_a_file_tells_how_each_way_is_switched_on(tmp_path: Path) -> None:
    """What its tables hold stands in the command; what they don't, it can't, and says why."""
    server = _load(tmp_path, WAYS)
    default = server.variants["default"]
    assert server.argv(default, "1", "unix") == ("serve", "-u", "{socket}", "{app}")
    secret = ("-p", "{port}", "-c", "{cert}", "-k", "{key}")
    assert server.argv(default, "2", "tls") == ("serve", *secret, "--h2", "{app}")
    assert server.lack("2", "tls") is server.lack("1", "unix") is None
    assert server.lack("2", "tcp") == "speaks HTTP/2 only over TLS"
    assert set(server.features) == {"asgi3", "http2", "tls", "unix-socket"}


def test_a_file_without_a_word_is_http1_over_tcp(tmp_path: Path) -> None:
    """As files have been all along."""
    server = _load(tmp_path, 'command = ["serve", "{port}"]')
    assert server.argv(server.variants["default"], "1", "tcp") == ("serve", "{port}")
    assert server.lack("1", "tcp") is None
    assert server.lack("1", "tls") == "its runner file gives no way to bind to TLS"
    assert server.lack("2", "tcp") == "does not speak HTTP/2"


def test_filling_leaves_what_is_not_known_yet() -> None:
    """A value that looks like a placeholder isn't filled again; `{port}` waits for its trial."""
    argv = ("{python}", "--bind", "{host}:{port}", "{{app}}", '{"json": 1}')
    values = {"python": "/opt/{host}/python", "host": "::1", "app": "m:app"}
    assert fill(argv, values) == (
        "/opt/{host}/python",
        "--bind",
        "::1:{port}",
        "{m:app}",
        '{"json": 1}',
    )
