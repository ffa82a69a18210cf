"""An application below a module's attribute, as `shop:container.app`: `$ASGI_BENCH_ATTRIBUTE`.

Not every server follows the dots; this way each of them is told to serve
`asgi_bench_attribute:app`. The object is the user's own: nothing stands between it and the server.
"""

import importlib
import operator
import os

_module, _, _attribute = os.environ["ASGI_BENCH_ATTRIBUTE"].partition(":")

app = operator.attrgetter(_attribute)(importlib.import_module(_module))
