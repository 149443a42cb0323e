"""The program of a bot that a test plays: what the server tells it goes to the test, what the test writes is said to
the server. Nothing but the standard library, so that it starts in a few hundredths of a second.

python -S -I puppet.py PORT [stubborn]

It goes when it is told to leave, or when nobody tells it anything any more, unless it is stubborn.
"""

import os
import socket
import sys
import threading
import time


def main() -> None:
    """Join the two until either ends."""
    wire = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    wire.sendall(f"{os.getpid()}\n".encode())
    threading.Thread(target=speak, args=(wire,), daemon=True).start()
    for line in sys.stdin.buffer:
        wire.sendall(line)
        if line == b'{"type":"leave"}\n' and "stubborn" not in sys.argv:
            break
    while "stubborn" in sys.argv:
        time.sleep(60)
    os._exit(0)


def speak(wire: socket.socket) -> None:
    """Say what the test writes, on standard output; lines that begin with `!` are for this program: `!exit 3`, `!log
    text` (to standard error)."""
    for line in wire.makefile("rb"):
        if line.startswith(b"!exit"):
            os._exit(int(line.split()[1]))
        elif line.startswith(b"!log"):
            os.write(2, line[5:])
        else:
            os.write(1, line)
    os._exit(0)


if __name__ == "__main__":
    main()
