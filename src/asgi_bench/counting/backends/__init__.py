"""What counts a server's life: each module is one backend, a `Counting`."""
