# SPDX-License-Identifier: BSD-2-Clause
"""A server of tests/serve/server.c, and TAP."""
import json
import os
import pathlib
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
count = failed = 0


def ok(what, holds, output=""):
    global count, failed
    count += 1
    failed += not holds
    print(f"{'ok' if holds else 'not ok'} {count} - {what}", flush=True)
    if not holds:
        print("".join(f"# {line}\n" for line in str(output).splitlines()), end="", flush=True)


def done():
    print(f"1..{count}")
    sys.exit(failed > 0)


def until(holds, seconds=60):
    """Whether it holds, at last: how long that takes says nothing."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


class Server:
    def __init__(self, program, berth, *arguments):
        self.name = f"berth-test-{os.getpid()}-{id(self)}"
        self.berth = str(berth)
        self.program = program
        # The clients' sanitizers are not the server's.
        self.process = subprocess.Popen([program, self.name, *map(str, arguments)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, cwd=ROOT)
        self.first = self.process.stdout.readline()

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def stats(self):
        return json.loads(self.say("stats"))

    def command(self, *arguments, options=()):
        return [self.berth, "exec", "--name", self.name, *options, "--", *map(str, arguments)]

    def start(self, *arguments, options=(), **more):
        more = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, **more}
        return subprocess.Popen(self.command(*arguments, options=options), **more)

    def run(self, *arguments, options=(), **more):
        """The exit status, and what was printed."""
        process = self.start(*arguments, options=options, **more)
        try:
            text, _ = process.communicate(timeout=120)
        except subprocess.TimeoutExpired:
            process.kill()
            return -1, "no end: " + process.communicate()[0]
        return process.returncode, text

    def is_idle(self):
        stats = self.stats()
        return not stats["connections"] and not stats["opens"]

    def kill(self):
        self.process.kill()
        self.process.communicate()

    def clear(self):
        """Of one that was killed: the next one of its name takes away what it has left."""
        subprocess.run([self.program, self.name], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, cwd=ROOT, check=True)

    def stop(self):
        self.process.stdin.close()
        text = self.process.stdout.read()
        return self.process.wait(60), text
