/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The port conformance suite: whether a port does what include/berth/port.h says. It uses nothing
 * else of berth's: it is linked with the port alone, and has its own berth_irq_handle(),
 * berth_timer_handle() and berth_fault_handle(). A port comes with a small program, main-PORT.c, that describes the machine
 * in a struct conformance_env and calls conformance_run().
 */
#ifndef CONFORMANCE_H
#define CONFORMANCE_H

#include <berth/errno.h>
#include <berth/port.h>

struct conformance_test {
	const char *name;
	void (*run)(void);
};

/**
 * struct conformance_env - the machine that the port runs on
 * @fdt: handed to berth_port_start(); NULL for the port's own
 * @machine: the same
 * @config: the same
 * @banks: all RAM, sorted
 * @nr_banks: how many, at least 1
 * @nomap: RAM that is to be left out of the linear map, sorted, whole pages; may be none
 * @nr_nomap: how many
 * @registers: registers of some device whose first 32 bits can be read without effect; 0 if there
 *	are none
 * @registers_size: bytes
 * @registers_value: what the first 32 bits read as
 * @run_on_other_cpu: have another CPU or thread call @fn, and return at once: 0 or an error. NULL:
 *	there is none, and the tests that need one are skipped
 * @join_other_cpu: wait until that function has returned
 * @own: tests that the port adds, run after those of the suite
 * @nr_own: how many
 */
struct conformance_env {
	const void *fdt;
	const struct berth_machine *machine;
	const void *config;
	const struct berth_range *banks;
	unsigned int nr_banks;
	const struct berth_range *nomap;
	unsigned int nr_nomap;
	phys_addr_t registers;
	uint64_t registers_size;
	uint32_t registers_value;
	int (*run_on_other_cpu)(void (*fn)(void *), void *arg);
	void (*join_other_cpu)(void);
	const struct conformance_test *own;
	unsigned int nr_own;
};

/* Runs all tests and prints TAP. Return: how many failed. */
int conformance_run(const struct conformance_env *env);

/* For tests: RAM of the linear map that nobody else uses, whole pages, until the test ends. */
void *conformance_pages(unsigned int nr);
phys_addr_t conformance_phys(const void *virt);
void *conformance_virt(phys_addr_t phys);

/* How many pages of berth_table_alloc() the port has, and how many more it can have; UINT32_MAX: all. */
uint32_t conformance_tables(void);
void conformance_tables_limit(uint32_t more);

/* What berth_irq_handle() counts. Set @irq before it is unmasked: others are not taken. */
struct conformance_irq {
	unsigned int irq;
	uint32_t count;
	/* Called by berth_irq_handle() to make a level triggered device calm, if not NULL. */
	void (*acknowledge)(void);
};
extern struct conformance_irq conformance_irq;

/* A test fails if a check does; it goes on, and says what it saw. Return: whether it held. */
#define CHECK(condition) \
	conformance_check(!!(condition), __FILE__, __LINE__, #condition, NULL, NULL)
#define CHECK_EQUAL(a, b)                                                                \
	({                                                                               \
		uint64_t a_ = (uint64_t)(a), b_ = (uint64_t)(b);                         \
		conformance_check(a_ == b_, __FILE__, __LINE__, #a " == " #b, &a_, &b_); \
	})
bool conformance_check(bool holds, const char *file, int line, const char *what, const uint64_t *a,
		       const uint64_t *b);
/* This test cannot be run here. */
void conformance_skip(const char *why);

#endif
