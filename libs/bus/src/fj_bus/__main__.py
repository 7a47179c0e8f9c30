"""`python -m fj_bus`: create what is missing of all topics (FJ_KAFKA…, FJ_TOPIC_PREFIX). Safe to run again."""

import asyncio
import os
import sys

from fj_events import SERVICES

from fj_bus.topics import create_topics


def main() -> None:
    """Say what was created."""
    bootstrap, prefix = os.environ.get("FJ_KAFKA", "127.0.0.1:19092"), os.environ.get("FJ_TOPIC_PREFIX", "")
    for name in asyncio.run(create_topics(bootstrap, prefix, SERVICES)):
        sys.stdout.write(f"created {name}\n")


if __name__ == "__main__":
    main()
