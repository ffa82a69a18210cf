"""`python -m asgi_bench`: the command line, without the need of its script on the PATH."""

from asgi_bench.cli.main import main

if __name__ == "__main__":
    main()
