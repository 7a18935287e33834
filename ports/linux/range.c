// SPDX-License-Identifier: BSD-2-Clause
/* Ranges of addresses in which the caller maps RAM; a page without access on either side. */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "host.h"

#define PAGE 4096ull
#define NOTHING (MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE)

struct range {
	char *virt;
	uint64_t size;
	struct range *next;
};

/* Of the list only: a leaf. */
static pthread_mutex_t ranges_lock = PTHREAD_MUTEX_INITIALIZER;
static struct range *ranges;

void *berth_port_range_reserve(uint64_t size)
{
	const struct berth_machine *machine = berth_port_machine();
	struct range *range;
	char *area;

	if (!machine || !machine->show || !size || size & (PAGE - 1) || size > UINT64_MAX / 2) {
		berth_port_fail(-EINVAL, BERTH_REASON_MAPPING, "range of addresses", 0, size);
		return NULL;
	}
	range = malloc(sizeof(*range));
	area = range ? mmap(NULL, size + 2 * PAGE, PROT_NONE, NOTHING, -1, 0) : MAP_FAILED;
	if (area == MAP_FAILED) {
		free(range);
		berth_port_fail(-ENOMEM, BERTH_REASON_MAPPING, "range of addresses", 0, size);
		return NULL;
	}
	range->virt = area + PAGE;
	range->size = size;
	pthread_mutex_lock(&ranges_lock);
	range->next = ranges;
	ranges = range;
	pthread_mutex_unlock(&ranges_lock);
	return range->virt;
}

static void drop(struct range *range)
{
	munmap(range->virt - PAGE, range->size + 2 * PAGE);
	free(range);
}

void berth_port_range_release(void *virt, uint64_t size)
{
	struct range **at, *range;

	pthread_mutex_lock(&ranges_lock);
	for (at = &ranges; *at && (*at)->virt != virt; at = &(*at)->next)
		;
	range = *at;
	if (range && range->size == size)
		*at = range->next;
	else
		range = NULL;
	pthread_mutex_unlock(&ranges_lock);
	if (range)
		drop(range);
}

void berth_port_ranges_stop(void)
{
	struct range *range;

	pthread_mutex_lock(&ranges_lock);
	while ((range = ranges)) {
		ranges = range->next;
		drop(range);
	}
	pthread_mutex_unlock(&ranges_lock);
}

int berth_port_range_map(void *virt, phys_addr_t phys, uint64_t size, enum berth_memory_type type)
{
	const struct berth_machine *machine = berth_port_machine();
	uint64_t offset;
	int fd = -EINVAL;

	if (machine && machine->show)
		fd = machine->show(phys, size, type, &offset);
	if (fd < 0)
		return berth_port_fail(fd, BERTH_REASON_MAPPING, "RAM at a range", phys, size);
	if (mmap(virt, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED | MAP_NORESERVE, fd,
		 (off_t)offset) != MAP_FAILED)
		return 0;
	machine->hide(phys, size, type);
	return berth_port_fail(-ENOMEM, BERTH_REASON_MAPPING,
			       "vm.max_map_count: mappings of the process", phys, size);
}

void berth_port_range_unmap(void *virt, phys_addr_t phys, uint64_t size,
			    enum berth_memory_type type)
{
	const struct berth_machine *machine = berth_port_machine();

	/* To split a mapping may be one too many: then it is at least not accessible any more. */
	if (mmap(virt, size, PROT_NONE, NOTHING | MAP_FIXED, -1, 0) == MAP_FAILED)
		mprotect(virt, size, PROT_NONE);
	if (machine && machine->hide)
		machine->hide(phys, size, type);
}
