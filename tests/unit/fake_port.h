/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A port for the unit tests of src/mm/: RAM at chosen physical addresses and nothing else. The
 * space between the banks is mapped without access, so that a wrong address is a crash.
 */
#ifndef BERTH_TESTS_FAKE_PORT_H
#define BERTH_TESTS_FAKE_PORT_H

#include <berth/mm.h>

/* What kmalloc() sees; set before fake_start(). 64 at first. */
extern unsigned int fake_line_size;

/* ns by which the clock goes on whenever it is looked at; 0, at first: it is the host's. */
extern uint64_t fake_clock_step;

/* What is done to clean a range of memory; NULL, at first: nothing. */
extern void (*fake_cache_clean)(phys_addr_t phys, uint64_t size);

/* Pages of red zone and free memory can be told apart from others only in such a build. */
static inline bool fake_has_asan(void)
{
	return BERTH_FAKE_ASAN;
}

/* Whether a sanitizer would report an access to this byte; false without one. */
bool fake_is_poisoned(const void *byte);

/* A machine with these banks: memblock knows them, the linear map is there. */
void fake_ram(const struct berth_range *banks, unsigned int nr);

/* After fake_ram(): that much of the last bank is high memory. berth_mm_start() comes next. */
void fake_high(uint64_t size);

/* fake_ram() and berth_mm_start(), which must succeed. */
void fake_start(const struct berth_range *banks, unsigned int nr);

/* berth_mm_stop(), and the RAM is gone. No lock is held and interrupts are on, or it aborts. */
void fake_stop(void);

/* Ranges that are reserved, and pages that are mapped there. */
extern unsigned int fake_ranges;
extern uint64_t fake_range_pages;

/* A repeatable stream of numbers: the next one, below @below. */
uint32_t fake_random(uint32_t below);
void fake_seed(uint64_t seed);

/*
 * Check the free lists against everything that must hold of them: links, counters, alignment,
 * nothing that could be merged, one migrate type per page block. Aborts with a message otherwise.
 */
void fake_check_zones(void);

/* A hash of which blocks are free, for "as it was before". */
uint64_t fake_free_hash(void);

#endif
