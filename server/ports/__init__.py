"""What the service needs from outside, as Protocols; their docstrings are the contracts."""
