"""The local target: a supervisor on this machine that owns a port and switches server processes behind it."""
