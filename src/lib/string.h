/* SPDX-License-Identifier: BSD-2-Clause */
/* The few string functions that berth needs; the mem* functions are the port's. */
#ifndef BERTH_LIB_STRING_H
#define BERTH_LIB_STRING_H

#include <berth/types.h>

void *memcpy(void *dst, const void *src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int byte, size_t n);
int memcmp(const void *a, const void *b, size_t n);

size_t berth_strlen(const char *s);
/* The length of @s, or @max if no terminator is within @max bytes. */
size_t berth_strnlen(const char *s, size_t max);
int berth_strcmp(const char *a, const char *b);
/* Copies what fits, always terminated if @size > 0; returns the length of @src. */
size_t berth_strlcpy(char *dst, const char *src, size_t size);
/* A number with optional 0x and K, M, G suffix, as in boot arguments; *@end is behind it. */
uint64_t berth_memparse(const char *s, const char **end);

#endif
