/* SPDX-License-Identifier: BSD-2-Clause */
/* What drivers of tests/check/ have from a libc; on bare metal the port has it. */
#ifndef TESTS_BOARDS_LIBC_STRING_H
#define TESTS_BOARDS_LIBC_STRING_H

#include <stddef.h>

void *memcpy(void *to, const void *from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *to, int byte, size_t size);
int memcmp(const void *a, const void *b, size_t size);

#endif
