/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: Zephyr - the data cache calls, for a driver under the checker
 *
 * A driver is compiled with ``-I .../berth/front/zephyr`` in front of Zephyr's own, and linked with libberth-check;
 * docs/check-raw.md is the guide. As on Cortex-M and Xtensa, an invalidate drops each line that it touches.
 */
#ifndef BERTH_FRONT_ZEPHYR_CACHE_H
#define BERTH_FRONT_ZEPHYR_CACHE_H

#include <stddef.h>

#include <berth/types.h>

BERTH_BEGIN_DECLS

/** sys_cache_data_enable() - on, with nothing in it, if it was off. It is on after berth_start(). Any context. */
void sys_cache_data_enable(void) __asm__("berth_zephyr_data_enable");
/** sys_cache_data_disable() - all is written back, and it is off: devices see what the CPU sees. Any context. */
void sys_cache_data_disable(void) __asm__("berth_zephyr_data_disable");
/** sys_cache_data_flush_all() - all is written back. Any context. Return: 0. */
int sys_cache_data_flush_all(void) __asm__("berth_zephyr_data_flush_all");
/** sys_cache_data_invd_all() - what is dirty is lost. Any context. Return: 0. */
int sys_cache_data_invd_all(void) __asm__("berth_zephyr_data_invd_all");
/** sys_cache_data_flush_and_invd_all() - all is written back and dropped. Any context. Return: 0. */
int sys_cache_data_flush_and_invd_all(void) __asm__("berth_zephyr_data_flush_and_invd_all");
/** sys_cache_data_flush_range() - write the lines of a range back. Any context. Return: 0. */
int sys_cache_data_flush_range(void *addr, size_t size) __asm__("berth_zephyr_data_flush_range");
/** sys_cache_data_invd_range() - drop each line that the range touches. Any context. Return: 0. */
int sys_cache_data_invd_range(void *addr, size_t size) __asm__("berth_zephyr_data_invd_range");
/** sys_cache_data_flush_and_invd_range() - write back, and drop. Any context. Return: 0. */
int sys_cache_data_flush_and_invd_range(void *addr, size_t size) __asm__(
	"berth_zephyr_data_flush_and_invd_range");
/** sys_cache_data_line_size_get() - bytes of a line of this machine. Any context. */
size_t sys_cache_data_line_size_get(void) __asm__("berth_zephyr_data_line_size_get");

BERTH_END_DECLS

#endif
