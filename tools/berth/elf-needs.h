/* SPDX-License-Identifier: BSD-2-Clause */
/* What the loader will do with a program. */
#ifndef TOOL_ELF_NEEDS_H
#define TOOL_ELF_NEEDS_H

#include <stddef.h>

enum elf_kind {
	ELF_DYNAMIC,
	ELF_STATIC,
	ELF_FOREIGN, /* for another machine or word size */
	ELF_NONE, /* a script, or nothing that can be read */
};

/*
 * Which sanitizers' runtimes a program needs, by the names that the loader knows them by, with blanks between
 * them; "" if none.
 */
enum elf_kind elf_needs(const char *path, char *runtimes, size_t size);

#endif
