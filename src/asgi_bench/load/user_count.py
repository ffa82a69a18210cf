"""How many Locust users make up the requested connections."""

from collections.abc import Iterator, Sequence
from itertools import islice

from locust import User
from locust.dispatch import UsersDispatcher
from locust.runners import WorkerNode

from asgi_bench.errors import UsageError
from asgi_bench.load.user import FastUser


def user_count(connections: int, user_classes: Sequence[type[User]]) -> int:
    """Return how many users, started in Locust's own order, have this many connections together.

    A FastUser has as many as its class says, any other user one.

    Raises:
        UsageError: no number of users adds up to that; the text says what the nearest have.
    """
    each_has = {each.__name__: _connections_of(each) for each in user_classes}
    # What none, the first, the first two, ... have together.
    sums = [0]
    for name in islice(_starting_order(user_classes), connections):
        if name is None or sums[-1] >= connections:
            break
        sums.append(sums[-1] + each_has[name])
    users = len(sums) - 1
    if sums[-1] == connections:
        return users
    nearest = ", ".join(
        f"{number} {'has' if number == 1 else 'have'} {sums[number]}"
        for number in range(max(users - 1, 1), users + 1)
    )
    raise UsageError(
        f"--connections: no number of the locustfile's users has {connections} connections "
        f"together: {nearest}"
    )


def _connections_of(user_class: type[User]) -> int:
    return user_class.connections if issubclass(user_class, FastUser) else 1


def _starting_order(user_classes: Sequence[type[User]]) -> Iterator[str | None]:
    """Yield, user by user, the name of its class; None where no more are started.

    The dispatcher's own way of asking takes the time in which it starts them.
    """
    yield from UsersDispatcher([WorkerNode("local")], list(user_classes))._user_gen()
