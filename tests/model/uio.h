/* SPDX-License-Identifier: BSD-2-Clause */
/* A board with a signal processor for programs, in all the ways it can be connected; and a program. */
#ifndef TESTS_MODEL_UIO_H
#define TESTS_MODEL_UIO_H

#include "machine.h"

#include <berth/cma.h>
#include <berth/dma-mapping.h>
#include <berth/fs.h>
#include <berth/io.h>
#include <berth/mm.h>
#include <berth/of.h>
#include <berth/platform_device.h>
#include <berth/port.h>
#include <berth/slab.h>
#include <berth/test.h>
#include <berth/timer.h>
#include <berth/vm_area.h>

#include <berth/drivers/smmu-v3.h>
#include <berth/drivers/uio.h>

#include "fdt.h"

#define RAM 0x80000000u
#define MIB 0x100000u
#define DSP_REGS (RAM + 12 * MIB) /* outside the linear map */
#define SPARE (RAM + 13 * MIB)
#define SPARE_SIZE 0x4000u
#define BUS_OFFSET 0x40000000u /* physical addresses are that much higher */
#define DSP_IRQ 40u
#define DSP_PATH "/bus/dsp@80c00000"

enum { ID = 0x00, CONTROL = 0x04, STATUS = 0x08, IRQ_STATUS = 0x0c, IRQ_ENABLE = 0x10 };
enum { IRQ_ACK = 0x14, DOORBELL = 0x18, DONE = 0x1c, COMMAND = 0x20, LENGTH = 0x24 };
enum { SOURCE = 0x28, TARGET = 0x30, KEY = 0x38, RESULT = 0x3c, LOOKS = 0x40, HANG = 0x44 };
enum { COPY = 1, XOR, CHECKSUM, WRITE, STOP };
enum { RUNNING = 1, WRITING = 2, BUS_ERROR = 4, BAD_COMMAND = 8 };

/* How it is connected; all false: not coherent, at physical addresses. */
struct dsp_board {
	const char *compatible; /* besides the model's; NULL: "berth,uio-dmem" */
	bool is_offset, is_behind, is_coherent, is_cached, has_no_quiesce, has_spare,
		has_no_regions;
	void (*more)(struct fdt *fdt); /* further properties of the node; instead of the regions */
};

static const struct berth_driver uio_drivers[] = {
	BERTH_PLATFORM_DRIVER(&berth_smmu_v3_driver),
	BERTH_PLATFORM_DRIVER(&berth_uio_dmem_genirq_driver),
	BERTH_PLATFORM_DRIVER(&berth_uio_pmem_genirq_driver),
	BERTH_PLATFORM_DRIVER(&berth_uio_pdrv_genirq_driver),
	BERTH_NO_MORE_DRIVERS,
};

static inline void dsp_reservation(struct fdt *fdt, const char *name, uint32_t base, uint32_t size,
				   uint32_t phandle)
{
	fdt_begin(fdt, name);
	fdt_cells(fdt, "reg", 0, base, 0, size);
	fdt_cells(fdt, "phandle", phandle);
	fdt_flag(fdt, "no-map");
	fdt_end(fdt);
}

static inline void dsp_memory(struct fdt *fdt)
{
	fdt_begin(fdt, "memory@80000000");
	fdt_text(fdt, "device_type", "memory");
	fdt_cells(fdt, "reg", 0, RAM, 0, 16 * MIB);
	fdt_end(fdt);
	fdt_begin(fdt, "reserved-memory");
	fdt_cells(fdt, "#address-cells", 2);
	fdt_cells(fdt, "#size-cells", 2);
	fdt_flag(fdt, "ranges");
	fdt_begin(fdt, "pool");
	fdt_text(fdt, "compatible", "shared-dma-pool");
	fdt_cells(fdt, "size", 0, 4 * MIB);
	fdt_flag(fdt, "reusable");
	fdt_flag(fdt, "linux,cma-default");
	fdt_end(fdt);
	dsp_reservation(fdt, "dsp@80c00000", DSP_REGS, 0x1000, 2);
	dsp_reservation(fdt, "spare@80d00000", SPARE, SPARE_SIZE, 3);
	fdt_end(fdt);
}

static inline void dsp_smmu(struct fdt *fdt)
{
	static const char names[] = "eventq\0priq\0cmdq-sync\0gerror";

	fdt_begin(fdt, "smmu@20000000");
	fdt_text(fdt, "compatible", "arm,smmu-v3");
	fdt_cells(fdt, "reg", 0, 0x20000000, 0, 0x20000);
	fdt_cells(fdt, "interrupts", 0, 72, 1, 0, 73, 1, 0, 74, 1, 0, 75, 1);
	fdt_property(fdt, "interrupt-names", sizeof(names));
	fdt_bytes(fdt, names, sizeof(names));
	fdt_cells(fdt, "#iommu-cells", 1);
	fdt_cells(fdt, "phandle", 1);
	fdt_end(fdt);
}

static inline void dsp_node(struct fdt *fdt, const struct dsp_board *board)
{
	const char *own = board->compatible ? board->compatible : "berth,uio-dmem";
	char compatible[64] = "berth,model-dsp";
	const size_t at = strlen(compatible) + 1;

	fdt_begin(fdt, "dsp@80c00000");
	strcpy(compatible + at, own);
	fdt_property(fdt, "compatible", at + strlen(own) + 1);
	fdt_bytes(fdt, compatible, at + strlen(own) + 1);
	fdt_cells(fdt, "reg", 0, DSP_REGS, 0, 0x100);
	fdt_cells(fdt, "interrupts", 0, DSP_IRQ, 4);
	if (board->is_behind)
		fdt_cells(fdt, "iommus", 1, 7);
	if (board->is_coherent)
		fdt_flag(fdt, "dma-coherent");
	if (board->is_cached)
		fdt_flag(fdt, "berth,cached");
	if (!board->has_no_quiesce)
		fdt_cells(fdt, "berth,quiesce", 0, CONTROL, 0, STATUS, RUNNING, 0, 5);
	if (board->has_spare)
		fdt_cells(fdt, "memory-region", 3);
	if (board->more)
		board->more(fdt);
	else if (!board->has_no_regions)
		fdt_cells(fdt, "linux,uio-dynamic-region-sizes", 0x4000, 100, 0x1000);
	fdt_end(fdt);
}

static inline const void *dsp_tree(const struct dsp_board *board)
{
	static struct fdt fdt;

	fdt_start(&fdt, 2, 2);
	fdt_cells(&fdt, "interrupt-parent", 9);
	fdt_begin(&fdt, "interrupt-controller@8001000");
	fdt_text(&fdt, "compatible", "arm,gic-400");
	fdt_flag(&fdt, "interrupt-controller");
	fdt_cells(&fdt, "#interrupt-cells", 3);
	fdt_cells(&fdt, "reg", 0, 0x8001000, 0, 0x1000);
	fdt_cells(&fdt, "phandle", 9);
	fdt_end(&fdt);
	dsp_memory(&fdt);
	if (board->is_behind)
		dsp_smmu(&fdt);
	fdt_begin(&fdt, "bus");
	fdt_text(&fdt, "compatible", "simple-bus");
	fdt_cells(&fdt, "#address-cells", 2);
	fdt_cells(&fdt, "#size-cells", 2);
	fdt_flag(&fdt, "ranges");
	if (board->is_offset)
		fdt_cells(&fdt, "dma-ranges", 0, RAM - BUS_OFFSET, 0, RAM, 0, 16 * MIB);
	dsp_node(&fdt, board);
	fdt_end(&fdt);
	return fdt_finish(&fdt);
}

/* With that device as /dev/uio0. */
static inline void dsp_start_with(const struct dsp_board *board, const char *bootargs)
{
	must_start(dsp_tree(board), uio_drivers, bootargs);
	berth_clear_error();
}

static inline void dsp_start(const struct dsp_board *board)
{
	dsp_start_with(board, NULL);
}

static inline struct platform_device *dsp_device(void)
{
	struct platform_device *pdev = of_find_device_by_node(of_find_node_by_path(DSP_PATH));

	assert_non_null(pdev);
	return pdev;
}

/* What a program has of an open device. */
struct dsp_user {
	struct file *file;
	struct vm_area_struct regs, a, b;
	uint64_t bus_a, bus_b;
};

static inline uint64_t dsp_attr(const char *name)
{
	char text[4096], *end;
	uint64_t value;

	assert_true(berth_node_show("uio0", name, text) > 0);
	value = strtoull(text, &end, 0);
	assert_string_equal(end, "\n");
	return value;
}

static inline volatile uint32_t *dsp_reg(const struct dsp_user *user, unsigned int reg)
{
	return (volatile uint32_t *)(user->regs.vm_start + reg);
}

static inline uint32_t dsp_get(const struct dsp_user *user, unsigned int reg)
{
	uint32_t value = __atomic_load_n(dsp_reg(user, reg), __ATOMIC_ACQUIRE);

	rmb();
	return value;
}

static inline void dsp_set(const struct dsp_user *user, unsigned int reg, uint32_t value)
{
	wmb();
	__atomic_store_n(dsp_reg(user, reg), value, __ATOMIC_RELEASE);
}

static inline void dsp_set_address(const struct dsp_user *user, unsigned int reg, uint64_t bus)
{
	dsp_set(user, reg, (uint32_t)bus);
	dsp_set(user, reg + 4, (uint32_t)(bus >> 32));
}

/* Of virtual time, in which the device looks. */
static inline void dsp_wait(const struct dsp_user *user, unsigned int reg, uint32_t mask,
			    uint32_t value)
{
	for (unsigned int i = 0; i < 100 && (dsp_get(user, reg) & mask) != value; i++)
		usleep_range(100, 200);
	assert_int_equal(dsp_get(user, reg) & mask, value);
}

static inline uint8_t *dsp_bytes(const struct vm_area_struct *vma)
{
	return (uint8_t *)vma->vm_start;
}

static inline void dsp_open(struct dsp_user *user)
{
	user->file = berth_filp_open("/dev/uio0", BERTH_O_RDWR);
	assert_false(IS_ERR(user->file));
	assert_int_equal(berth_file_mmap(user->file, &user->regs, 0x1000, 0), 0);
	assert_int_equal(berth_file_mmap(user->file, &user->a, 0x4000, 1), 0);
	assert_int_equal(berth_file_mmap(user->file, &user->b, 0x1000, 2), 0);
	user->bus_a = dsp_attr("maps/map1/addr");
	user->bus_b = dsp_attr("maps/map2/addr");
	dsp_wait(user, ID, UINT32_MAX, 0x44535031);
	dsp_set(user, CONTROL, 1);
	dsp_set(user, IRQ_ENABLE, 3);
}

static inline void dsp_unmap(struct dsp_user *user)
{
	berth_vma_release(&user->b);
	berth_vma_release(&user->a);
	berth_vma_release(&user->regs);
}

static inline void dsp_close(struct dsp_user *user)
{
	dsp_unmap(user);
	fput(user->file);
}

/* Start a command on @length bytes at @from and @to. */
static inline void dsp_command(const struct dsp_user *user, uint32_t command, uint64_t from,
			       uint64_t to, uint32_t length, uint32_t key)
{
	dsp_set(user, COMMAND, command);
	dsp_set(user, LENGTH, length);
	dsp_set_address(user, SOURCE, from);
	dsp_set_address(user, TARGET, to);
	dsp_set(user, KEY, key);
	dsp_set(user, DOORBELL, dsp_get(user, DONE) + 1);
}

/* Wait for its interrupt, let the device lower it, let the next one come. Return: the count of events. */
static inline uint32_t dsp_interrupt(const struct dsp_user *user)
{
	uint32_t count, on = 1;

	assert_int_equal(berth_file_read(user->file, &count, 4), 4);
	dsp_set(user, IRQ_ACK, 3);
	dsp_wait(user, IRQ_ACK, UINT32_MAX, 0);
	dsp_wait(user, IRQ_STATUS, UINT32_MAX, 0);
	assert_int_equal(berth_file_write(user->file, &on, 4), 4);
	return count;
}

static inline void dsp_sync(const struct dsp_user *user, uint32_t map, uint32_t flags)
{
	struct berth_uio_sync sync = { map, flags, 0, map == 1 ? 0x4000 : 100 };

	assert_int_equal(berth_file_ioctl(user->file, BERTH_UIO_SYNC, &sync), 0);
}

/* All ways to connect it. */
static inline struct dsp_board nth_board(unsigned int i)
{
	return (struct dsp_board){
		.is_offset = i & 1,
		.is_behind = i & 2,
		.is_coherent = i & 4,
		.is_cached = i & 8,
	};
}

#endif
