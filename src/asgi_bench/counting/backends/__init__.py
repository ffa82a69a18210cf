"""What counts a server: each module is one backend, a `Counting`."""
