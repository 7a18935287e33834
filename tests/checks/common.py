# SPDX-License-Identifier: BSD-2-Clause
"""What the checks share: TAP, the project's files, and running a command."""
import json
import os
import pathlib
import shlex
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
NOT_OURS = {".git", "build", "upstream", "__pycache__", ".cache"}


class Tap:
    """Prints one result per ok(); done() prints the plan and ends the program."""

    def __init__(self):
        self.count = self.failed = 0

    def ok(self, what, problems=()):
        """One test: it has passed if there are no problems, each a text of one line or more."""
        problems = list(problems)
        self.count += 1
        self.failed += bool(problems)
        print(f"{'not ok' if problems else 'ok'} {self.count} - {what}")
        for problem in problems:
            print("".join(f"# {line}\n" for line in problem.rstrip().splitlines()), end="")

    def done(self):
        print(f"1..{self.count}")
        sys.exit(self.failed > 0)


def files(*suffixes, under="."):
    """The project's own files with one of these suffixes (of any name without), relative to the root."""
    found = []
    for folder, folders, names in os.walk(ROOT / under):
        folders[:] = sorted(set(folders) - NOT_OURS)
        for name in sorted(names):
            if not suffixes or name.endswith(suffixes):
                found.append((pathlib.Path(folder) / name).relative_to(ROOT))
    return found


def output_of(command, **options):
    """Runs a command. Returns whether it succeeded, and what it printed."""
    result = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, cwd=ROOT, **options)
    return result.returncode == 0, result.stdout


def attempt(command, **options):
    """Runs a command. Returns the problems: none, or one that is what the command printed."""
    succeeded, text = output_of(command, **options)
    return [] if succeeded else [shlex.join(str(part) for part in command) + "\n" + text]


def warnings(build):
    """The warning flags that a build gives to the files of src/."""
    commands = json.loads((pathlib.Path(build) / "compile_commands.json").read_text())
    command = next(c["command"] for c in commands if "libberth_core.a.p" in c["command"])
    return [flag for flag in shlex.split(command) if flag.startswith("-W") and not flag.startswith("-Wl,")]
