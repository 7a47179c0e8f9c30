"""`python -m fj_testing up FILE` starts servers for many test runs (`FJ_TEST_STACK=FILE`); `down FILE` removes them."""

import sys
from pathlib import Path

from fj_local.home import Home
from fj_local.ports import SERVER_PORTS, Claim

from fj_testing.stack import Stack, new_folder


def main(verb: str, file: Path) -> None:
    """Do it."""
    if verb == "up":
        stack = Stack(Home(new_folder()), Claim().take_all(SERVER_PORTS))
        stack.servers.start()
        stack.save(file)
    else:
        Stack.load(file).stop()
        file.unlink()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
