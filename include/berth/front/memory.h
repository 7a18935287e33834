/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * memcpy() and its like of a program under the checker, seen as the loads and stores that they are. No compiler of
 * ours does that for -fsanitize=kernel-address: it is put in front of all by ``-include berth/front/memory.h``, as
 * clang takes a name for a function only before its first use. Not for C++.
 */
#ifndef BERTH_FRONT_MEMORY_H
#define BERTH_FRONT_MEMORY_H

/* Its inline functions would be called instead. */
#undef _FORTIFY_SOURCE

#ifndef __cplusplus
#include <stddef.h>

#ifdef __GNUC__
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wredundant-decls"
#endif
void *memcpy(void *to, const void *from, size_t size) __asm__("__asan_memcpy");
void *memmove(void *to, const void *from, size_t size) __asm__("__asan_memmove");
void *memset(void *to, int byte, size_t size) __asm__("__asan_memset");
int memcmp(const void *a, const void *b, size_t size) __asm__("berth_checked_memcmp");
#ifdef __GNUC__
#pragma GCC diagnostic pop
#endif
#endif

#endif
