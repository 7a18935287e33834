/* SPDX-License-Identifier: BSD-2-Clause */
/* Formatting without libc. */
#ifndef BERTH_LIB_PRINTK_H
#define BERTH_LIB_PRINTK_H

#include <stdarg.h>

#include <berth/types.h>

/*
 * A subset of C's snprintf(): flags '-' and '0', width and precision (also '*'), lengths hh h l ll
 * z j t, conversions d i u x X c s p %. The result is always terminated if @size > 0; the return
 * value is the length of the whole text.
 */
int berth_vsnprintf(char *buf, size_t size, const char *format, va_list args);
int berth_snprintf(char *buf, size_t size, const char *format, ...) BERTH_PRINTF(3, 4);

/* One line on the console. The newline is the caller's. Any context. */
void berth_printk(const char *format, ...) BERTH_PRINTF(1, 2);

#endif
