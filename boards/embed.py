#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""embed.py NAME HEADER BINARY OUTPUT: a file as a C array, aligned for 64-bit reads."""
import pathlib
import sys

name, header, binary, output = sys.argv[1:]
data = pathlib.Path(binary).read_bytes()
rows = (data[i:i + 16] for i in range(0, len(data), 16))
body = "".join("\t" + ", ".join(f"0x{byte:02x}" for byte in row) + ",\n" for row in rows)
pathlib.Path(output).write_text(
    f"/* Made by boards/embed.py. */\n#include \"{header}\"\n\n"
    f"const _Alignas(8) unsigned char {name}[] = {{\n{body}}};\nconst size_t {name}_size = sizeof({name});\n")
