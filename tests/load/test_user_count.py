"""How many users make up a number of connections."""

import pytest
from locust import User, task

from asgi_bench.errors import UsageError
from asgi_bench.load import FastUser
from asgi_bench.load.user_count import user_count


class Fast(FastUser):
    """A user with connections of its own."""

    connections = 4


class Plain(User):
    """Anyone's user."""

    weight = 2

    @task
    def rest(self) -> None:
        """Do nothing."""


class Single(Plain):
    """One that there is only once."""

    fixed_count = 1


class Empty(FastUser):
    """A mistake."""

    connections = 0


@pytest.mark.parametrize("connections", [4, 8, 64])
def test_fast_users_bring_connections_of_their_own(connections: int) -> None:
    """As many as hold them together are started, not one for each."""
    assert user_count(connections, [Fast]) == connections // 4


@pytest.mark.parametrize("connections", [1, 7])
def test_of_other_users_each_is_a_connection(connections: int) -> None:
    """As many are started as there are to be connections."""
    assert user_count(connections, [Plain]) == connections


def test_of_several_kinds_locusts_own_order_counts() -> None:
    """Users with a fixed count first, the others by weight: 1, then 4 and twice 1 in a turn."""
    assert user_count(1, [Fast, Single]) == 1
    assert user_count(9, [Fast, Single]) == 3
    assert user_count(12, [Fast, Plain]) == 6


@pytest.mark.parametrize(
    ("connections", "classes", "told"),
    [
        (2, [Fast], "2 connections together: 1 has 4"),
        (10, [Fast], "10 connections together: 2 have 8, 3 have 12"),
        (3, [Single], "3 connections together: 1 has 1"),
        (2, [Empty], "2 connections together: 1 has 0, 2 have 0"),
    ],
)
def test_what_no_number_of_users_has_is_refused(
    connections: int, classes: list[type[User]], told: str
) -> None:
    """The line names the flag, and what the nearest numbers of users have."""
    with pytest.raises(
        UsageError, match=f"^--connections: no number of the locustfile's users has {told}$"
    ):
        user_count(connections, classes)
