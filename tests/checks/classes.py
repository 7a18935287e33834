#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""classes.py: docs/bug-classes.md says of each class what the checker's corpus has: its rules, and of how many of its drivers
dma-debug tells. A class that is a stack's own names a test that is there."""
import re

from common import ROOT, Tap, files

MISTAKE = re.compile(r"\b(?:MISTAKE\w*|RAW)\((\w+), (\d+)")
DRIVER = re.compile(r"^static void (\w+)\(")
ROW = re.compile(r"^\| (\d+) \|[^|]*\|[^|]*\|([^|]*)\|([^|]*)\|([^|]*)\|$", re.M)
TEST = re.compile(r"`(\w+)` in `(\w+/\w+)`")

told = {}
for line in (ROOT / "tests/check/dma-debug.txt").read_text().splitlines():
    if not line.startswith("#"):
        number, name, mistake, twin = line.split()
        told[name] = mistake == "yes" and twin == "no"

rules, names = {}, {}
for path in files(".c", under="tests/check"):
    source = (ROOT / path).read_text()
    classes = {name: int(number) for name, number in MISTAKE.findall(source) if number != "0"}
    driver = None
    for line in source.splitlines():
        if found := DRIVER.match(line):
            driver = found.group(1)
        if driver in classes and (mark := re.search(r"/\* BUG ([\w-]+)", line)):
            rules.setdefault(classes[driver], set()).add(mark.group(1))
            names.setdefault(classes[driver], set()).add(driver)

tap = Tap()
seen = set()
for number, what, of_doc, counted in ROW.findall((ROOT / "docs/bug-classes.md").read_text()):
    number = int(number)
    seen.add(number)
    problems = []
    if own := TEST.search(what):
        test, path = own.groups()
        source = ROOT / "tests" / f"{path}.c"
        if not source.exists() or f"static void {test}(" not in source.read_text():
            problems.append(f"{path} has no {test}()")
    elif number in rules:
        documented = set(re.findall(r"`([\w-]+)`", of_doc))
        if documented != rules[number]:
            problems.append(f"the corpus has {', '.join(sorted(rules[number]))}")
        unknown = sorted(name for name in names[number] if name not in told)
        if unknown:
            problems.append(f"bench/peers/dma-debug --record is older than {', '.join(unknown)}")
        count = f"{sum(told.get(name, False) for name in names[number])} of {len(names[number])}"
        if counted.strip() != count:
            problems.append(f"dma-debug tells of {count}")
    elif not re.search(r"`check/\w+`", what):
        problems.append("no driver of the corpus has it")
    tap.ok(f"class {number}", problems)
tap.ok("every class of the corpus is there", [f"class {number} is missing" for number in sorted(set(rules) - seen)])
tap.done()
