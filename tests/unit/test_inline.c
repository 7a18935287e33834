/* SPDX-License-Identifier: BSD-2-Clause */
/* The arithmetic that the public headers do by themselves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <berth/dma-buf.h>
#include <berth/dma-fence.h>
#include <berth/dma-resv.h>
#include <berth/dmaengine.h>
#include <berth/io-pgtable.h>
#include <berth/iommu.h>
#include <berth/iova.h>
#include <berth/uio.h>

static void cookies_count_and_wrap(void **state)
{
	(void)state;
	assert_int_equal(berth_dma_cookie_next(DMA_MIN_COOKIE), 2);
	assert_int_equal(berth_dma_cookie_next(INT32_MAX - 1), INT32_MAX);
	assert_int_equal(berth_dma_cookie_next(INT32_MAX), DMA_MIN_COOKIE);
	assert_int_equal(dma_submit_error(DMA_MIN_COOKIE), 0);
	assert_int_equal(dma_submit_error(-12), -12);
}

/* Complete are those that were given out up to @done; @used was the last one. */
static void check_around(dma_cookie_t done, unsigned int under_way)
{
	dma_cookie_t used = done;
	dma_cookie_t cookie = done;

	for (unsigned int i = 0; i < under_way; i++)
		used = berth_dma_cookie_next(used);
	assert_int_equal(dma_async_is_complete(done, done, used), DMA_COMPLETE);
	for (unsigned int i = 0; i < under_way; i++) {
		cookie = berth_dma_cookie_next(cookie);
		assert_int_equal(dma_async_is_complete(cookie, done, used), DMA_IN_PROGRESS);
	}
	cookie = berth_dma_cookie_next(cookie);
	assert_int_equal(dma_async_is_complete(cookie, done, used), DMA_COMPLETE);
}

static void completion_is_right_across_the_wrap(void **state)
{
	(void)state;
	for (int32_t before = 0; before < 6; before++)
		for (unsigned int under_way = 0; under_way < 10; under_way++)
			check_around(INT32_MAX - before, under_way);
	check_around(DMA_MIN_COOKIE, 0);
	check_around(DMA_MIN_COOKIE, 3);
	check_around(1000, 3);
}

static void capabilities_are_a_set(void **state)
{
	dma_cap_mask_t mask;

	(void)state;
	dma_cap_zero(mask);
	dma_cap_set(DMA_MEMCPY, mask);
	dma_cap_set(DMA_LOAD_EOT, mask);
	assert_true(dma_has_cap(DMA_MEMCPY, mask));
	assert_true(dma_has_cap(DMA_LOAD_EOT, mask));
	assert_false(dma_has_cap(DMA_SLAVE, mask));
	dma_cap_clear(DMA_MEMCPY, mask);
	assert_false(dma_has_cap(DMA_MEMCPY, mask));
	assert_true(dma_has_cap(DMA_LOAD_EOT, mask));
}

static void tx_state_may_be_left_out(void **state)
{
	struct dma_tx_state st = { 0 };

	(void)state;
	dma_set_tx_state(NULL, 1, 2, 3);
	dma_set_tx_state(&st, 5, 7, 4096);
	assert_int_equal(st.last, 5);
	assert_int_equal(st.used, 7);
	assert_int_equal(st.residue, 4096);
}

static void fences_are_ordered_across_the_wrap(void **state)
{
	(void)state;
	assert_true(berth_dma_fence_seqno_later(2, 1, false));
	assert_false(berth_dma_fence_seqno_later(1, 2, false));
	assert_false(berth_dma_fence_seqno_later(7, 7, false));
	assert_true(berth_dma_fence_seqno_later(0, 0xffffffffu, false));
	assert_true(berth_dma_fence_seqno_later(0x7fffffffu, 0, false));
	assert_false(berth_dma_fence_seqno_later(0x80000000u, 0, false));
	/* 32 bits count, whatever is above them. */
	assert_true(berth_dma_fence_seqno_later(0x100000000u, 0xffffffffu, false));
	assert_false(berth_dma_fence_seqno_later(0x100000001u, 1, false));

	assert_true(berth_dma_fence_seqno_later(0x100000001u, 1, true));
	assert_false(berth_dma_fence_seqno_later(0, UINT64_MAX, true));
	assert_false(berth_dma_fence_seqno_later(7, 7, true));
}

static void who_waits_for_whom(void **state)
{
	(void)state;
	assert_int_equal(dma_resv_usage_rw(true), DMA_RESV_USAGE_READ);
	assert_int_equal(dma_resv_usage_rw(false), DMA_RESV_USAGE_WRITE);
	assert_true(DMA_RESV_USAGE_KERNEL < DMA_RESV_USAGE_WRITE);
	assert_true(DMA_RESV_USAGE_WRITE < DMA_RESV_USAGE_READ);
	assert_true(DMA_RESV_USAGE_READ < DMA_RESV_USAGE_BOOKKEEP);
}

static void iova_pages(void **state)
{
	const struct iova_domain small = { .granule = 0x4000 }, large = { .granule = 0x10000 };
	const struct iova iova = { .pfn_lo = 0x1234500000, .pfn_hi = 0x1234500002 };

	(void)state;
	assert_int_equal(iova_shift(&small), 14);
	assert_int_equal(iova_pfn(&small, 0x12347fff), 0x48d1);
	assert_int_equal(iova_offset(&small, 0x7fff), 0x3fff);
	assert_int_equal(iova_align(&small, 0x4001), 0x8000);
	assert_int_equal(iova_dma_addr(&large, &iova), 0x12345000000000);
	assert_int_equal(iova_size(&iova), 3);
	assert_int_equal(berth_iova_pages(12, 0x1000, 0), 0);
	assert_int_equal(berth_iova_pages(12, 0x1fff, 0), 0);
	assert_int_equal(berth_iova_pages(12, 0x1000, 1), 1);
	assert_int_equal(berth_iova_pages(12, 0x1000, 0x1000), 1);
	assert_int_equal(berth_iova_pages(12, 0x1001, 0x1000), 2);
	assert_int_equal(berth_iova_pages(12, 0x1fff, 2), 2);
	assert_int_equal(berth_iova_pages(16, 0xfffff, 0x10001), 2);
}

/* Programs and hardware know these by number. */
static void numbers_are_those_of_linux(void **state)
{
	(void)state;
	assert_int_equal(DMA_SLAVE, 10);
	assert_int_equal(DMA_TX_TYPE_END, 16);
	assert_int_equal(DMA_OUT_OF_ORDER, 4);
	assert_int_equal(DMA_PREP_LOAD_EOT, 0x200);
	assert_int_equal(DMA_TRANS_NONE, 4);
	assert_int_equal(IOMMU_PRIV, 0x20);
	assert_int_equal(IOMMU_DOMAIN_BLOCKED, 0);
	assert_int_equal(IOMMU_DOMAIN_UNMANAGED, 1);
	assert_int_equal(IOMMU_DOMAIN_DMA, 3);
	assert_int_equal(IOMMU_DOMAIN_IDENTITY, 4);
	assert_int_equal(IOMMU_DOMAIN_DMA_FQ, 11);
	assert_int_equal(IOMMU_RESV_SW_MSI, 4);
	assert_int_equal(ARM_64_LPAE_S1, 2);
	assert_int_equal(DMA_FENCE_FLAG_USER_BITS, 3);
	assert_int_equal(DMA_BUF_SYNC_RW, 3);
	assert_int_equal(DMA_BUF_SYNC_START, 0);
	assert_int_equal(DMA_BUF_SYNC_VALID_FLAGS_MASK, 7);
	assert_int_equal(UIO_IRQ_CUSTOM, -1);
	assert_int_equal(UIO_MEM_IOVA, 4);
	assert_int_equal(UIO_PORT_OTHER, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cookies_count_and_wrap),
		cmocka_unit_test(completion_is_right_across_the_wrap),
		cmocka_unit_test(capabilities_are_a_set),
		cmocka_unit_test(tx_state_may_be_left_out),
		cmocka_unit_test(fences_are_ordered_across_the_wrap),
		cmocka_unit_test(who_waits_for_whom),
		cmocka_unit_test(iova_pages),
		cmocka_unit_test(numbers_are_those_of_linux),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
