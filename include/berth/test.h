/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: test - tests of drivers, and making berth fail on purpose
 *
 * A program for ``berth check`` describes itself with BERTH_TEST_PROGRAM(): its drivers, its tests, its board, and devices of
 * its own for the modelled SoC. docs/check-guide.md writes one. What is here can be called in every build.
 */
#ifndef BERTH_TEST_H
#define BERTH_TEST_H

#include <berth/abi.h>
#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

struct berth_driver;
struct berth_model_device_type;

/**
 * struct berth_test - a test
 * @name: for people and for ``--test``
 * @run: called when berth has started and the drivers are bound. Return: 0, or a negative errno value: it has failed
 * @board: as in &struct berth_test_program, for this test alone; NULL: the program's
 *
 * Each runs in a process of its own, once for each seed.
 */
struct berth_test {
	const char *name;
	int (*run)(void);
	const char *board;
};

/* Entries of a list of tests, and its end. */
#define BERTH_TEST(function)                \
	{                                   \
#function, (function), NULL \
	}
#define BERTH_TEST_ON(function, board)       \
	{                                    \
#function, (function), board \
	}
#define BERTH_NO_MORE_TESTS      \
	{                        \
		NULL, NULL, NULL \
	}

/**
 * struct berth_test_program - what ``berth check`` looks for in a PROGRAM.so; see BERTH_TEST_PROGRAM()
 * @abi: the headers it was built with
 * @tests: ends with BERTH_NO_MORE_TESTS
 * @drivers: as for berth_start(); NULL: none
 * @devices: kinds of devices for the modelled SoC (berth/model-device.h), NULL at the end; NULL: none
 * @board: a device tree: its source, which begins with "/dts-v1/"; or the name of a .dts or .dtb, from the program's
 *	folder. NULL: 64 MiB of RAM, and a node for each of @devices, with 4 KiB of registers and an interrupt: for "acme,nic" it
 *	is nic@10000000, and for those after it 0x10000 more each
 */
struct berth_test_program {
	uint32_t abi;
	const struct berth_test *tests;
	const struct berth_driver *drivers;
	const struct berth_model_device_type *const *devices;
	const char *board;
};

extern const struct berth_test_program berth_test_program;

/* BERTH_TEST_PROGRAM(.tests = tests, .drivers = drivers); once in a program. */
#define BERTH_TEST_PROGRAM(...)                                \
	const struct berth_test_program berth_test_program = { \
		.abi = BERTH_ABI | BERTH_ABI_CHECKED,          \
		__VA_ARGS__,                                   \
	}

/** berth_test_seed() - of the machine that the test runs on; 0 outside of ``berth check``. Any context. */
uint64_t berth_test_seed(void);

/**
 * berth_test_failure() - something is not as the test wants it
 * @file: where
 * @line: where
 * @format: what, as for printf(), without a newline
 *
 * Any context. Return: -EIO, for the test to return.
 */
int berth_test_failure(const char *file, unsigned int line, const char *format, ...)
	BERTH_PRINTF(3, 4);

/**
 * berth_test_begin() - who is told of failures, for those who run tests; berth_check_run() does it
 * @seed: what berth_test_seed() says from now on
 * @on_failure: called in the context of berth_test_failure(); NULL: a line on the console
 * @data: handed to it
 */
void berth_test_begin(uint64_t seed,
		      void (*on_failure)(void *data, const char *file, unsigned int line,
					 const char *text),
		      void *data);

/* In a function that returns 0 or a negative errno value: go on only if it is so. */
#define BERTH_TEST_ASSERT(condition)                                                               \
	do {                                                                                       \
		if (!(condition))                                                                  \
			return berth_test_failure(__FILE__, __LINE__, "%s is not so", #condition); \
	} while (0)
/* The same for two numbers that have to be equal. */
#define BERTH_TEST_EQUAL(actual, expected)                                                         \
	do {                                                                                       \
		const long long berth_actual_ = (long long)(actual);                               \
		const long long berth_expected_ = (long long)(expected);                           \
		if (berth_actual_ != berth_expected_)                                              \
			return berth_test_failure(__FILE__, __LINE__, "%s is %lld, not %s (%lld)", \
						  #actual, berth_actual_, #expected,               \
						  berth_expected_);                                \
	} while (0)

/**
 * berth_test_fail_nth() - make one allocation fail
 * @nth: the @nth allocation of any kind from now on fails as if memory were out; 0: none
 *
 * Pages, kmalloc(), CMA, memblock and page tables count. Any context.
 */
void berth_test_fail_nth(uint64_t nth);

/** berth_test_failed() - whether the failure asked for has happened. Any context. */
bool berth_test_failed(void);

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
