"""Starts one command, and says on file descriptor FD what it cost: `launch.py FD COMMAND...`.

A process inherits the peak memory of the one that starts it (Linux, exec_mmap), so this one is
small: it imports nothing but os, sys and time.
"""

from __future__ import annotations

import os
import sys
import time


def main(told: int, command: list[str]) -> int:
    """Run a command and write wall seconds, CPU seconds, peak RSS in KiB and its exit code."""
    os.set_inheritable(told, False)  # noqa: FBT003 - it takes no keywords
    begun = time.perf_counter()
    process = os.posix_spawnp(command[0], command, os.environ)
    # Only wait4 tells what this one process and its children cost.
    _, status, usage = os.wait4(process, 0)
    wall = time.perf_counter() - begun
    code = os.waitstatus_to_exitcode(status)
    cpu = usage.ru_utime + usage.ru_stime
    os.write(told, f"{wall} {cpu} {usage.ru_maxrss} {code}".encode())
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
