// SPDX-License-Identifier: BSD-2-Clause
/* The board's RAM: a file that the emulator maps, and we do. Devices and the process see the same. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "qemu/internal.h"

/* Of the reservations: the page size of the address sanitizer's shadow, and of large pages. */
#define ALIGNMENT (1ull << 21)

#define TREE_MAGIC 0xd00dfeedu

int berth_qemu_ram_create(uint64_t size)
{
	board.ram.fd = memfd_create("berth-qemu-ram", MFD_CLOEXEC);
	board.ram.file_size = size;
	if (board.ram.fd < 0 || ftruncate(board.ram.fd, (off_t)size))
		return berth_port_fail(-ENOMEM, BERTH_REASON_OUT_OF_MEMORY, "QEMU's RAM", 0, size);
	return 0;
}

static uint32_t big_endian(const uint8_t *bytes)
{
	return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 |
	       bytes[3];
}

int berth_qemu_read_tree(uint64_t offset)
{
	uint8_t header[8];
	uint32_t size;

	if (pread(board.ram.fd, header, sizeof(header), (off_t)offset) != sizeof(header) ||
	    big_endian(header) != TREE_MAGIC)
		return berth_port_fail(-EINVAL, BERTH_REASON_ARGUMENT, "board", 0, 0);
	size = big_endian(header + 4);
	if (size < 40 || size > board.ram.file_size - offset || size > (16u << 20))
		return berth_port_fail(-EINVAL, BERTH_REASON_TREE, "QEMU's tree", 4, 0);
	board.tree = malloc(size);
	if (!board.tree)
		return berth_port_fail(-ENOMEM, BERTH_REASON_OUT_OF_MEMORY, "tree", 0, size);
	if (pread(board.ram.fd, board.tree, size, (off_t)offset) != (ssize_t)size)
		return berth_port_fail(-EIO, BERTH_REASON_IO, "QEMU's RAM", 0, size);
	return 0;
}

/* The bytes from @phys on that are in one range of the list, at most @size; 0: none. */
static uint64_t run(const struct berth_range *list, unsigned int nr, phys_addr_t phys,
		    uint64_t size)
{
	for (unsigned int i = 0; i < nr; i++) {
		uint64_t inside = phys - list[i].base;

		if (phys < list[i].base || inside >= list[i].size)
			continue;
		return list[i].size - inside < size ? list[i].size - inside : size;
	}
	return 0;
}

static bool is_ram(phys_addr_t phys, uint64_t size)
{
	return size && run(board.ram.banks, board.ram.nr_banks, phys, size) == size;
}

bool berth_qemu_is_linear(phys_addr_t phys, uint64_t size)
{
	for (unsigned int i = 0; i < board.ram.nr_mapped; i++)
		if (phys < board.ram.mapped[i].base + board.ram.mapped[i].size &&
		    phys + size > board.ram.mapped[i].base)
			return true;
	return false;
}

/* Banks lie in the file one behind the other. */
static uint64_t file_offset(phys_addr_t phys)
{
	uint64_t file = 0;

	for (unsigned int i = 0; i < board.ram.nr_banks; i++) {
		if (phys - board.ram.banks[i].base < board.ram.banks[i].size)
			return file + (phys - board.ram.banks[i].base);
		file += board.ram.banks[i].size;
	}
	return UINT64_MAX;
}

static struct berth_range *copy_list(const struct berth_range *list, unsigned int nr)
{
	struct berth_range *copy = calloc(nr + 1, sizeof(*copy));

	if (copy && nr)
		memcpy(copy, list, nr * sizeof(*copy));
	return copy;
}

/* The ranges of the list, which lie in the banks, in an area of addresses for the whole extent. */
static uint8_t *map_area(unsigned int which, const struct berth_range *list, unsigned int nr)
{
	void *area = mmap(NULL, board.ram.area_size, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uint8_t *start;

	if (area == MAP_FAILED)
		return NULL;
	board.ram.area[which] = area;
	start = (uint8_t *)(((uintptr_t)area + ALIGNMENT - 1) & ~(uintptr_t)(ALIGNMENT - 1));
	for (unsigned int i = 0; i < nr; i++) {
		uint64_t offset = file_offset(list[i].base);

		if (offset == UINT64_MAX ||
		    mmap(start + (list[i].base - board.ram.base), list[i].size,
			 PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED | MAP_NORESERVE,
			 board.ram.fd, (off_t)offset) == MAP_FAILED)
			return NULL;
	}
	return start;
}

static int map_ram(const struct berth_port_ram *given)
{
	struct qemu_ram *ram = &board.ram;
	const struct berth_range *last = &given->banks[given->nr_banks - 1];
	uint64_t extent = last->base + last->size - given->banks[0].base;

	ram->banks = copy_list(given->banks, given->nr_banks);
	ram->mapped = copy_list(given->mapped, given->nr_mapped);
	ram->uncached = extent >> 46 ? NULL : calloc(extent / QEMU_PAGE / 8 + 1, 1);
	if (!ram->banks || !ram->mapped || !ram->uncached)
		return -ENOMEM;
	ram->nr_banks = given->nr_banks;
	ram->nr_mapped = given->nr_mapped;
	ram->base = given->banks[0].base;
	ram->area_size = extent + ALIGNMENT;
	ram->linear = map_area(0, ram->mapped, ram->nr_mapped);
	ram->all = map_area(1, ram->banks, ram->nr_banks);
	return ram->linear && ram->all ? 0 : -ENOMEM;
}

int berth_qemu_ram_start(const struct berth_port_ram *given, struct berth_port_linear *linear)
{
	const struct berth_range *first = given->mapped, *last = first + given->nr_mapped - 1;
	uint64_t total = 0;
	int ret;

	for (unsigned int i = 0; i < given->nr_banks; i++)
		total += given->banks[i].size;
	if (!given->nr_banks || !given->nr_mapped || total > board.ram.file_size)
		return berth_port_fail(-EINVAL, BERTH_REASON_ARGUMENT, "RAM", total, 0);
	pthread_mutex_lock(&board.lock);
	ret = board.ram.banks ? -EBUSY : map_ram(given);
	pthread_mutex_unlock(&board.lock);
	if (ret)
		return berth_port_fail(ret, BERTH_REASON_OUT_OF_MEMORY, "QEMU's RAM", 0, total);
	linear->phys = first->base;
	linear->size = last->base + last->size - first->base;
	linear->virt = (uintptr_t)(board.ram.linear + (first->base - board.ram.base));
	return 0;
}

void berth_qemu_ram_stop(void)
{
	struct qemu_ram *ram = &board.ram;

	for (unsigned int i = 0; i < ARRAY_SIZE(ram->area); i++)
		if (ram->area[i])
			munmap(ram->area[i], ram->area_size);
	if (ram->fd >= 0)
		close(ram->fd);
	free(ram->uncached);
	free(ram->banks);
	free(ram->mapped);
	*ram = (struct qemu_ram){ .fd = -1 };
}

/* Nothing is between us and the file, so all types are the same: only who asks for what is noted. */
static void mark(phys_addr_t phys, uint64_t size, bool is_uncached)
{
	uint64_t page = (phys - board.ram.base) / QEMU_PAGE;

	for (uint64_t last = page + size / QEMU_PAGE; page < last; page++) {
		uint8_t bit = (uint8_t)(1u << page % 8);

		if (is_uncached)
			board.ram.uncached[page / 8] |= bit;
		else
			board.ram.uncached[page / 8] &= (uint8_t)~bit;
	}
}

static bool is_all(phys_addr_t phys, uint64_t size, bool is_uncached)
{
	uint64_t page = (phys - board.ram.base) / QEMU_PAGE;

	for (uint64_t last = page + size / QEMU_PAGE; page < last; page++)
		if ((board.ram.uncached[page / 8] >> page % 8 & 1) != is_uncached)
			return false;
	return true;
}

void *berth_qemu_remap(phys_addr_t phys, uint64_t size, enum berth_memory_type type)
{
	if ((type != BERTH_MEMORY_UNCACHED && type != BERTH_MEMORY_WRITE_COMBINE) ||
	    (phys | size) & (QEMU_PAGE - 1) || !is_ram(phys, size)) {
		berth_port_fail(-EINVAL, BERTH_REASON_MAPPING, "remap", phys, size);
		return NULL;
	}
	berth_qemu_enter();
	mark(phys, size, true);
	berth_qemu_leave();
	return board.ram.all + (phys - board.ram.base);
}

void berth_qemu_unremap(void *virt, phys_addr_t phys, uint64_t size)
{
	if (!is_ram(phys, size) || virt != board.ram.all + (phys - board.ram.base))
		return;
	berth_qemu_enter();
	mark(phys, size, false);
	berth_qemu_leave();
}

int berth_qemu_ram_file(phys_addr_t phys, uint64_t size, uint64_t *offset)
{
	if (!size || run(board.ram.mapped, board.ram.nr_mapped, phys, size) != size)
		return -EINVAL;
	*offset = file_offset(phys);
	return board.ram.fd;
}

int berth_qemu_show(phys_addr_t phys, uint64_t size, enum berth_memory_type type, uint64_t *offset)
{
	bool is_fit;

	*offset = 0;
	if (type == BERTH_MEMORY_DEVICE || (phys | size) & (QEMU_PAGE - 1) || !is_ram(phys, size))
		return -EINVAL;
	if (berth_qemu_is_linear(phys, size)) {
		berth_qemu_enter();
		is_fit = run(board.ram.mapped, board.ram.nr_mapped, phys, size) == size &&
			 is_all(phys, size, type != BERTH_MEMORY_CACHED);
		berth_qemu_leave();
		if (!is_fit)
			return -EINVAL;
	}
	*offset = file_offset(phys);
	return board.ram.fd;
}

void berth_qemu_hide(phys_addr_t phys, uint64_t size, enum berth_memory_type type)
{
	(void)phys;
	(void)size;
	(void)type;
}

/* The emulator maps the file as a whole, and nothing makes it map another one in the place of a part. */
int berth_qemu_share(phys_addr_t phys, uint64_t size, enum berth_memory_type type, uint64_t *offset)
{
	(void)type;
	*offset = 0;
	return berth_port_fail(-EOPNOTSUPP, BERTH_REASON_MAPPING, "QEMU maps RAM as one file", phys,
			       size);
}
