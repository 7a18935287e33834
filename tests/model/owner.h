/* SPDX-License-Identifier: BSD-2-Clause */
/* An owner of movable memory, for tests: gives a page at the first access to it. */
#ifndef TESTS_MODEL_OWNER_H
#define TESTS_MODEL_OWNER_H

#include "move.h"

#define PAGES 32u

/* The thread sanitizer does not know that a fault comes before its handler, and after what it sees. */
#define GET(x) __atomic_load_n(&(x), __ATOMIC_SEQ_CST)
#define SET(x, value) __atomic_store_n(&(x), value, __ATOMIC_SEQ_CST)

/* An owner of a range: page n shows frame n, filled at the first access. */
static struct owner {
	pthread_mutex_t locks[PAGES];
	enum berth_port_access access[PAGES];
	uint8_t *virt;
	/* How often it was; one access may ask more than once. */
	uint32_t given[PAGES], given_to_write[PAGES];
	uint32_t running, most;
	unsigned int delay_us;
	bool is_mean; /* refuses */
	bool is_deep; /* touches the next page first */
} owner;

static inline uint8_t byte_of(unsigned int page, size_t offset)
{
	return (uint8_t)(page * 13 + offset * 3 + 1);
}

static inline void fill_frame(unsigned int page)
{
	uint8_t *bytes = soc_virt(FRAME(page));

	for (size_t i = 0; i < PAGE; i++)
		bytes[i] = byte_of(page, i);
}

static inline int give(unsigned int page, bool is_write)
{
	enum berth_port_access access = is_write ? BERTH_ACCESS_WRITE : BERTH_ACCESS_READ;

	if (GET(owner.access[page]) >= access)
		return 0;
	if (GET(owner.access[page]) == BERTH_ACCESS_NONE)
		fill_frame(page);
	SET(owner.access[page], access);
	__atomic_fetch_add(is_write ? &owner.given_to_write[page] : &owner.given[page], 1,
			   __ATOMIC_SEQ_CST);
	if (access == BERTH_ACCESS_WRITE && page % 2)
		return berth_port_user_protect(GET(owner.virt) + page * PAGE, PAGE, access) &&
		       berth_port_user_map(GET(owner.virt) + page * PAGE, FRAME(page), PAGE,
					   access);
	return berth_port_user_map(GET(owner.virt) + page * PAGE, FRAME(page), PAGE, access);
}

static inline int on_fault(void *data, uint64_t offset, bool is_write)
{
	struct owner *me = data;
	unsigned int page = (unsigned int)(offset / PAGE);
	uint32_t running = __atomic_add_fetch(&me->running, 1, __ATOMIC_RELAXED);
	int ret;

	if (running > __atomic_load_n(&me->most, __ATOMIC_RELAXED))
		__atomic_store_n(&me->most, running, __ATOMIC_RELAXED);
	if (GET(me->delay_us))
		usleep(GET(me->delay_us));
	if (GET(me->is_mean))
		ret = -EFAULT;
	else if (GET(me->is_deep) && page + 1 < PAGES)
		ret = ((volatile uint8_t *)GET(me->virt))[(page + 1) * PAGE] == 0;
	else
		ret = 0;
	pthread_mutex_lock(&me->locks[page]);
	if (!ret)
		ret = give(page, is_write);
	pthread_mutex_unlock(&me->locks[page]);
	__atomic_fetch_sub(&me->running, 1, __ATOMIC_RELAXED);
	return ret;
}

static struct berth_user_range range;

static inline void own(void)
{
	for (unsigned int i = 0; i < PAGES; i++) {
		pthread_mutex_init(&owner.locks[i], NULL);
		SET(owner.access[i], BERTH_ACCESS_NONE);
		SET(owner.given[i], 0);
		SET(owner.given_to_write[i], 0);
	}
	SET(owner.most, 0);
	SET(owner.delay_us, 0);
	SET(owner.is_mean, false);
	SET(owner.is_deep, false);
	SET(owner.virt, reserve(PAGES));
	range = (struct berth_user_range){
		.virt = owner.virt,
		.size = PAGES * PAGE,
		.fault = on_fault,
		.data = &owner,
	};
	assert_int_equal(berth_user_range_register(&range), 0);
}

static inline void disown(void)
{
	berth_user_range_unregister(&range);
	berth_port_user_release(owner.virt, PAGES * PAGE);
	gate_stop();
}

static inline bool is_page_right(unsigned int page)
{
	for (size_t i = 0; i < PAGE; i++)
		if (((volatile uint8_t *)owner.virt)[page * PAGE + i] != byte_of(page, i))
			return false;
	return true;
}

#endif
