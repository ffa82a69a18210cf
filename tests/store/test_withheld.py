import json

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from asgi_bench.model import RunHeader, Scenario
from asgi_bench.store.runs import encode_header
from asgi_bench.store.withheld import names_without_value, with_values, without_values
from tests.synthetic_run import header_of, plan_of, planned_cells

HUSH = "hush-9f2c"
VARIABLES = st.dictionaries(
    st.sampled_from(["SHOP_TOKEN", "PGPASSWORD", "SHOP_REGION", "aws_secret_access_key"]),
    st.just(HUSH),
)
HEADERS = st.dictionaries(
    st.sampled_from(["Authorization", "cookie", "X-API-Key", "Accept"]), st.just(HUSH)
)


def header(env: dict[str, str], headers: dict[str, str]) -> RunHeader:
    """A run that sets these variables and sends these headers, with the command of it."""
    replace = msgspec.structs.replace
    scenario = Scenario("shop", app="shop:app", headers=headers)
    cells = tuple(replace(one, env=env) for one in planned_cells()[:2])
    plan = replace(plan_of(cells), scenarios=(scenario, replace(scenario, requests=(scenario,))))
    made = header_of(plan)
    words = ["run", "shop:app"]
    for name, value in env.items():
        words += ["--env", f"{name}={value}"]
    for name, value in headers.items():
        words += [f"--header={name}: {value}"]
    return replace(
        made,
        plan=plan,
        preparation=replace(made.preparation, scenarios=plan.scenarios),
        command_line=tuple(words),
    )


@given(VARIABLES, HEADERS)
def test_no_secret_reaches_the_file(env: dict[str, str], headers: dict[str, str]) -> None:
    """All names are there; a value only under a name that is not a secret's."""
    env.pop("SHOP_REGION", None)
    headers.pop("Accept", None)
    content = encode_header(header(env, headers)).decode()
    assert HUSH not in content
    assert all(name in content for name in (*env, *headers))


@given(VARIABLES, HEADERS)
def test_what_is_no_secret_stays(env: dict[str, str], headers: dict[str, str]) -> None:
    """A header without secrets is stored as it is, and once without them it changes no more."""
    whole = header(env, headers)
    stored = without_values(whole)
    assert without_values(stored) == stored
    if not (env.keys() - {"SHOP_REGION"} or headers.keys() - {"Accept"}):
        assert stored == whole
    told = json.loads(encode_header(whole))["plan"]["cells"][0]["env"]
    assert told.get("SHOP_REGION") == env.get("SHOP_REGION")


@given(VARIABLES, HEADERS)
def test_a_run_that_goes_on_has_its_values_again(
    env: dict[str, str], headers: dict[str, str]
) -> None:
    """From the plan that the same flags make; the command line says which of them it lacks."""
    whole = header(env, headers)
    stored = without_values(whole)
    assert with_values(stored.plan, whole.plan) == whole.plan
    lacking = names_without_value(stored.command_line)
    assert set(lacking) == (env.keys() | headers.keys()) - {"SHOP_REGION", "Accept"}
