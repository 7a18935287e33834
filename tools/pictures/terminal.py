#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""terminal.py PICTURE.svg TITLE COMMAND...: runs a command on a terminal, and draws what it prints below a prompt.

The title is what stands behind the prompt: the command as a person would type it.
"""
import os
import pty
import re
import sys
from xml.sax.saxutils import escape

WIDTH, HEIGHT, MARGIN = 7.8, 18, 16  # of a character, of a line, around all of it, in pixels
COLOURS = {"": "#24292f", "31": "#c4291c", "33": "#9a6700", "36": "#1b7c83"}
GREY = "#6e7781"
SGR = re.compile(r"\x1b\[(\d*)m")


def run(command):
    """What a command prints on a terminal, colours and all."""
    chunks = []

    def read(fd):
        data = os.read(fd, 4096)
        chunks.append(data)
        return data

    saved = os.dup(1)
    with open(os.devnull, "w") as null:
        os.dup2(null.fileno(), 1)
        status = os.waitstatus_to_exitcode(pty.spawn(command, read))
    os.dup2(saved, 1)
    if status > 1:
        sys.exit(f"{command[0]}: exit status {status}")
    return b"".join(chunks).decode().replace("\r", "").rstrip("\n").split("\n")


def spans(line):
    """A line as an SVG text: pieces with a colour each."""
    colour, at = "", 0
    for match in [*SGR.finditer(line), None]:
        piece = line[at:match.start() if match else len(line)]
        if piece:
            yield f'<tspan fill="{COLOURS[colour]}">{escape(piece)}</tspan>' if colour else escape(piece)
        if match:
            colour, at = match.group(1).lstrip("0"), match.end()


def text(y, body, length, colour=COLOURS[""]):
    return (f'<text x="{MARGIN}" y="{y:.1f}" fill="{colour}" textLength="{length * WIDTH:.0f}" '
            f'lengthAdjust="spacingAndGlyphs" xml:space="preserve">{body}</text>')


def main():
    picture, title, command = sys.argv[1], sys.argv[2], sys.argv[3:]
    lines = run(command)
    plain = [SGR.sub("", line) for line in lines]
    width = 2 * MARGIN + max(map(len, [title + "$ ", *plain])) * WIDTH
    height = 2 * MARGIN + (len(lines) + 2) * HEIGHT
    body = [text(MARGIN + HEIGHT * 0.8, "$ " + escape(title), len(title) + 2, GREY)]
    for number, line in enumerate(lines, 2):
        if plain[number - 2]:
            body.append(text(MARGIN + HEIGHT * (number + 0.8), "".join(spans(line)), len(plain[number - 2])))
    with open(picture, "w") as out:
        print(f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
              f'viewBox="0 0 {width:.0f} {height:.0f}" font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" '
              'font-size="13">', file=out)
        print(f'<rect width="100%" height="100%" rx="8" fill="#f6f8fa" stroke="#d0d7de"/>', *body, "</svg>",
              sep="\n", file=out)


main()
