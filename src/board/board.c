/* SPDX-License-Identifier: BSD-2-Clause */
/* Start and stop: every floor in turn, upwards and downwards. */
#include <berth/berth.h>
#include <berth/dma-software.h>
#include <berth/memblock.h>
#include <berth/port.h>

#include "board/blob.h"
#include "board/board.h"
#include "dma-buf/dma-buf.h"
#include "dma/buffers.h"
#include "dma/internal.h"
#include "dmaengine/internal.h"
#include "fs/internal.h"
#include "iommu/internal.h"
#include "lib/device.h"
#include "lib/error.h"
#include "lib/start.h"
#include "mm/internal.h"
#include "mm/swap.h"
#include "mm/user.h"

/* How far berth_start() got; berth_stop() and a failed start go back from there. */
static enum {
	STOPPED,
	PORT_STARTED,
	MEMORY_STARTED,
	RUNNING,
} state;

static const struct berth_driver *drivers;

bool berth_running(void)
{
	return state == RUNNING;
}

const struct berth_driver *berth_drivers(void)
{
	static const struct berth_driver none = BERTH_NO_MORE_DRIVERS;

	return drivers ? drivers : &none;
}

/* One page of mapped RAM for the port's page tables. */
static phys_addr_t alloc_table_page(void)
{
	return memblock_phys_alloc_range(PAGE_SIZE, PAGE_SIZE, 0, MEMBLOCK_ALLOC_ANYWHERE);
}

static int add_range(struct berth_range *ranges, unsigned int *count, unsigned int max,
		     const struct berth_range *range)
{
	struct berth_range *last = *count ? &ranges[*count - 1] : NULL;

	if (last && last->base + last->size == range->base) {
		last->size += range->size;
		return 0;
	}
	if (*count == max)
		return berth_fail_limit(-ENOSPC, BERTH_REASON_TABLE_FULL, "memory ranges",
					*count + 1, max);
	ranges[(*count)++] = *range;
	return 0;
}

static int map_ram(void)
{
	static struct berth_range banks[BERTH_MAX_BANKS], mapped[4 * BERTH_MAX_BANKS];
	struct berth_port_ram ram = { banks, 0, mapped, 0, alloc_table_page };
	enum memblock_flags flags;
	struct berth_range range;
	int err = 0;

	for (unsigned int i = 0; !err && berth_memblock_next(false, i, &range, &flags); i++) {
		err = add_range(banks, &ram.nr_banks, ARRAY_SIZE(banks), &range);
		if (!err && !(flags & (MEMBLOCK_NOMAP | MEMBLOCK_HIGHMEM)))
			err = add_range(mapped, &ram.nr_mapped, ARRAY_SIZE(mapped), &range);
	}
	for (unsigned int i = 0; !err && i < berth_nr_left_out; i++)
		err = add_range(banks, &ram.nr_banks, ARRAY_SIZE(banks), &berth_left_out[i]);
	if (err)
		return err;
	err = berth_port_ram(&ram);
	if (err && !berth_last_error()->code) {
		/* Not every port says why. */
		struct berth_error *error =
			berth_error_set(err, BERTH_REASON_MAPPING, "RAM of the board");

		error->address = banks[0].base;
		error->length = memblock_phys_mem_size();
	}
	return err;
}

static int start_memory(const void *fdt, const struct berth_options *options)
{
	const char *bootargs = options->bootargs ? options->bootargs : berth_early_bootargs(fdt);
	int err = berth_early_scan(fdt, options);

	berth_iommu_read_bootargs(bootargs);
	if (!err)
		err = map_ram();
	if (!err)
		err = berth_swiotlb_reserve(berth_bootarg(bootargs, "swiotlb"));
	if (!err)
		err = berth_early_declare_areas();
	if (!err)
		err = berth_nodes_build(fdt);
	if (err)
		return err;
	state = MEMORY_STARTED;
	err = berth_mm_start();
	if (err)
		return err;
	berth_swiotlb_start();
	berth_dma_follow_trace(true);
	return 0;
}

/* Take everything down from wherever it got. Return: bytes that users had not given back. */
static uint64_t go_down(void)
{
	uint64_t leaked = 0;

	if (state >= MEMORY_STARTED) {
		berth_driver_unbind_all();
		berth_dma_follow_trace(false);
		berth_dma_software_stop();
		berth_dmaengine_stop();
		berth_platform_remove_all();
		berth_sw_sync_reset();
		berth_dma_heaps_reset();
		berth_fds_reset();
		leaked = berth_dma_stop();
		berth_swiotlb_stop();
		leaked += berth_mm_leaked();
		berth_anon_reset();
		berth_swap_reset();
		berth_filecache_reset();
		berth_fs_reset();
	}
	if (state >= PORT_STARTED) {
		berth_timers_reset();
		berth_interrupts_reset();
		berth_tasklets_reset();
		berth_mm_stop();
		berth_port_stop();
	}
	berth_of_dma_reset();
	berth_iommu_reset();
	berth_devices_reset();
	berth_nodes_reset();
	berth_early_reset();
	berth_memblock_reset();
	drivers = NULL;
	state = STOPPED;
	return leaked;
}

int berth_check_tree(const void *board)
{
	struct berth_blob_damage damage;

	if (berth_blob_check(board, &damage))
		return 0;
	return berth_fail_at(-EINVAL, BERTH_REASON_TREE, damage.node ? damage.node : damage.what,
			     (uint64_t)damage.offset);
}

/* Before the drivers of its clients. */
static void start_software_dma(const void *fdt, const struct berth_options *options)
{
	const char *bootargs = options->bootargs ? options->bootargs : berth_early_bootargs(fdt);
	const char *arg = berth_bootarg(bootargs, "dma.software");

	if (arg)
		berth_dma_software_boot(arg);
}

static int go_up(const void *board, const struct berth_options *options)
{
	const void *given = board;
	int err;

	/* A machine may read the tree by itself: nobody is handed a damaged one. */
	err = board ? berth_check_tree(board) : 0;
	if (err)
		return err;
	err = berth_port_start(&board, options->machine, options->machine_config);
	if (err && !berth_last_error()->code)
		berth_fail_at(err, BERTH_REASON_ARGUMENT, "board or machine", (uintptr_t)given);
	if (err)
		return err;
	state = PORT_STARTED;
	err = given ? 0 : berth_check_tree(board);
	if (!err)
		err = start_memory(board, options);
	if (!err)
		err = berth_reserved_set_default();
	if (!err)
		err = berth_platform_populate();
	if (err)
		return err;
	berth_dma_start(berth_platform_any_noncoherent());
	berth_of_dma_start();
	state = RUNNING;
	start_software_dma(board, options);
	berth_platform_bind(drivers);
	return 0;
}

int berth_start_abi(const void *board, const struct berth_driver *list,
		    const struct berth_options *options, unsigned int abi)
{
	static const struct berth_options defaults;
	struct berth_error why;
	int err;

	if (abi != berth_abi()) {
		struct berth_error *error =
			berth_error_set(-EINVAL, BERTH_REASON_ABI, "berth_start");

		error->address = abi;
		error->limit = berth_abi();
		return -EINVAL;
	}
	if (state != STOPPED)
		return berth_fail(-EBUSY, BERTH_REASON_STATE, "berth is running already");
	if (berth_board_is_open())
		return berth_fail(-EBUSY, BERTH_REASON_STATE, "a board is open");
	if (!options)
		options = &defaults;
	drivers = list;
	berth_verbose = options->verbose;
	berth_memblock_reset();
	why = *berth_last_error();
	berth_clear_error();
	err = go_up(board, options);
	if (!err) {
		/* Of a start that goes well only a driver's failure is told. */
		if (berth_last_error()->reason != BERTH_REASON_DRIVER)
			*berth_port_error() = why;
		return 0;
	}
	why = *berth_last_error();
	go_down();
	*berth_port_error() = why;
	return err;
}

int berth_stop(void)
{
	uint64_t leaked;

	if (state != RUNNING)
		return berth_fail(-EINVAL, BERTH_REASON_STATE, "berth is not running");
	leaked = go_down();
	if (leaked)
		return berth_fail_limit(-EBUSY, BERTH_REASON_LEAK, "berth_stop", leaked, 0);
	return 0;
}
