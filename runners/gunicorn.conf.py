"""No settings, on purpose: they stand in the runner files, each with its reason.

Given by `--config`, this file keeps gunicorn from reading a `gunicorn.conf.py` that lies in the
application's folder, which would apply to gunicorn alone.
"""
