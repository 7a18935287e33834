/* SPDX-License-Identifier: BSD-2-Clause */
/* Movable memory: what its calls promise, and what happens when they fail. */
#include "machine.h"

#include <berth/anon.h>
#include <berth/mm.h>
#include <berth/test.h>

#include "gate.h"

#define MIB (1ul << 20)

static bool start(void **state)
{
	const char *gate = *state;

	setenv("BERTH_GATE", gate, 1);
	must_start(tree_minimal, NULL, NULL);
	if (!strcmp(berth_port_gate_name(), gate))
		return true;
	must_stop();
	return false;
}

static void memory_is_zero_and_keeps_its_bytes(void **state)
{
	struct berth_anon_stats stats;
	uint8_t *memory;

	if (!start(state))
		skip();
	memory = berth_anon_alloc(5 * MIB);
	assert_non_null(memory);
	berth_anon_stats(&stats);
	assert_int_equal(stats.pages, 0);
	for (size_t i = 0; i < 5 * MIB; i += 1000)
		assert_int_equal(memory[i], 0);
	for (size_t i = 0; i < 5 * MIB; i += 1000)
		memory[i] = (uint8_t)(i / 1000);
	for (size_t i = 0; i < 5 * MIB; i += 1000)
		assert_int_equal(memory[i], (uint8_t)(i / 1000));
	berth_anon_stats(&stats);
	assert_int_equal(stats.pages, 5 * MIB / PAGE_SIZE);
	berth_anon_free(memory + 4096);
	assert_reason(BERTH_REASON_NOT_OWNED);
	assert_int_equal(berth_anon_populate(memory, 6 * MIB), -EINVAL);
	assert_int_equal(berth_anon_populate(&stats, 1), -EINVAL);
	berth_anon_free(memory);
	berth_anon_free(NULL);
	berth_anon_stats(&stats);
	assert_int_equal(stats.pages, 0);
	must_stop();
}

static void every_allocation_may_fail(void **state)
{
	struct berth_memory_info before, after;

	if (!start(state))
		skip();
	berth_anon_free(berth_anon_alloc(1)); /* what is kept from the first time on */
	berth_memory_info(&before);
	for (uint64_t n = 1;; n++) {
		bool has_failed;
		void *virt;

		berth_test_fail_nth(n);
		virt = berth_anon_alloc(3 * MIB);
		if (virt && berth_anon_populate(virt, 3 * MIB))
			assert_reason(BERTH_REASON_OUT_OF_MEMORY);
		has_failed = berth_test_failed();
		berth_test_fail_nth(0);
		berth_anon_free(virt);
		berth_memory_info(&after);
		assert_memory_equal(&before, &after, sizeof(before));
		if (!has_failed)
			break;
		if (n > 20)
			n += 50;
	}
	must_stop();
}

#define BOTH(test)                                                               \
	{ #test ", uffd", test, NULL, NULL, (void *)(uintptr_t) "uffd" },        \
	{                                                                        \
#test ", signal", test, NULL, NULL, (void *)(uintptr_t) "signal" \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(memory_is_zero_and_keeps_its_bytes),
		BOTH(every_allocation_may_fail),
	};

	return cmocka_run_group_tests_name("anon", tests, NULL, NULL);
}
