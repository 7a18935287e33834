/* SPDX-License-Identifier: BSD-2-Clause */
/* The SMMUv3 driver's invalidations, against what the specification says that each command covers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../drivers/iommu/smmu-v3.h"

static uint64_t state = 1;

static uint64_t below(uint64_t limit)
{
	state = state * 6364136223846793005ull + 1442695040888963407ull;
	return (state >> 24) % limit;
}

static uint64_t field(uint64_t word, unsigned int high, unsigned int low)
{
	return word >> low & ((2ull << (high - low)) - 1);
}

/* Bytes that a command covers, from *@start on; 0: it is of those that are not legal. */
static uint64_t covered(const struct smmu_command *command, const struct smmu_range *range,
			uint64_t *start)
{
	uint64_t num = field(command->low, 16, 12), scale = field(command->low, 24, 20);
	uint64_t tg = field(command->high, 11, 10), ttl = field(command->high, 9, 8);

	*start = command->high & ~0xfffull;
	assert_int_equal(field(command->low, 7, 0), 0x12);
	assert_int_equal(field(command->low, 63, 48), range->asid);
	assert_int_equal(field(command->low, 47, 32), 0);
	assert_int_equal(field(command->high, 0, 0), range->is_leaf);
	if (!tg) {
		assert_true(!num && !scale && !ttl);
		return range->is_leaf ? range->pgsize : 1ull << range->tg_shift;
	}
	assert_true(range->has_ril);
	assert_int_equal(10 + 2 * tg, range->tg_shift);
	if (!num && !scale && !ttl)
		return 0;
	/* The last level has 3: the one above it blocks that are a table's worth of pages. */
	assert_true(range->is_leaf ? range->pgsize == 1ull << (range->tg_shift +
							       (3 - ttl) * (range->tg_shift - 3))
				   : !ttl);
	return (num + 1) << scale << range->tg_shift;
}

static void check(const struct smmu_range *range)
{
	struct smmu_command commands[MAX_BATCH + 1];
	uint64_t at = range->iova, start, bytes;
	unsigned int nr;

	memset(commands, 0xa5, sizeof(commands));
	nr = berth_smmu_encode(range, commands);
	assert_in_range(nr, 1, MAX_BATCH);
	assert_true(commands[nr].low == 0xa5a5a5a5a5a5a5a5ull);
	if (CMD_OPCODE(commands[0].low) == 0x11) {
		assert_int_equal(nr, 1);
		assert_int_equal(commands[0].low, 0x11 | (uint64_t)range->asid << 48);
		bytes = range->has_ril	 ? (1ull << 31 << range->tg_shift) - 1
			: range->is_leaf ? MAX_BATCH * range->pgsize
					 : (uint64_t)MAX_BATCH << range->tg_shift;
		assert_true(range->last - range->iova >= bytes);
		return;
	}
	for (unsigned int i = 0; i < nr; i++) {
		bytes = covered(&commands[i], range, &start);
		assert_true(bytes);
		assert_true(start == at);
		at += bytes;
	}
	assert_true(at == range->last + 1);
}

static const unsigned int shifts[][3] = { { 12, 21, 30 }, { 14, 25, 25 }, { 16, 29, 29 } };

static void any_range_is_covered(void **unused)
{
	(void)unused;
	for (unsigned int i = 0; i < 200000; i++) {
		const unsigned int *shift = shifts[below(3)];
		unsigned int size = shift[below(3)];
		uint64_t nr = 1 + below(1ull << below(20)), top = 1ull << (48 - size);
		struct smmu_range range = {
			.pgsize = 1ull << size,
			.asid = (unsigned int)below(65536),
			.tg_shift = shift[0],
			.is_leaf = below(2),
			.has_ril = below(2),
		};

		if (nr > top)
			nr = top;
		range.iova = below(top - nr + 1) << size;
		range.last = range.iova + (nr << size) - 1;
		if (!range.is_leaf)
			range.pgsize = 1ull << range.tg_shift;
		check(&range);
	}
}

/* What is most frequent takes one command. */
static void powers_of_two_take_one(void **unused)
{
	struct smmu_command commands[MAX_BATCH];

	(void)unused;
	for (unsigned int nr = 1; nr <= 32; nr++)
		for (unsigned int by = 0; by < 16; by++) {
			const struct smmu_range range = {
				.iova = 0x1000,
				.last = 0x1000 + ((uint64_t)nr << by << 12) - 1,
				.pgsize = 4096,
				.tg_shift = 12,
				.is_leaf = true,
				.has_ril = true,
			};

			assert_int_equal(berth_smmu_encode(&range, commands), 1);
			check(&range);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_range_is_covered),
		cmocka_unit_test(powers_of_two_take_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
