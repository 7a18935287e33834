// SPDX-License-Identifier: BSD-2-Clause
/* In the child: which files are mapped where, so that an address means something elsewhere. Looking needs no lock. */
#include <link.h>
#include <string.h>
#include <unistd.h>

#include "check.h"

#define MAX_PARTS 256u

struct part {
	uintptr_t start, end, base;
	unsigned int module;
};

static struct part parts[MAX_PARTS];
static unsigned int nr_parts, nr_modules;

struct telling {
	struct check_frame *frame;
	int fd;
};

static int add(struct dl_phdr_info *info, size_t size, void *data)
{
	const struct telling *telling = data;
	char own[4096] = "";

	(void)size;
	for (unsigned int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *part = &info->dlpi_phdr[i];

		if (part->p_type != PT_LOAD || nr_parts == MAX_PARTS ||
		    nr_modules == CHECK_NO_MODULE)
			continue;
		parts[nr_parts++] = (struct part){
			.start = info->dlpi_addr + part->p_vaddr,
			.end = info->dlpi_addr + part->p_vaddr + part->p_memsz,
			.base = info->dlpi_addr,
			.module = nr_modules,
		};
	}
	if (nr_modules == CHECK_NO_MODULE)
		return 1;
	if (!*info->dlpi_name && readlink("/proc/self/exe", own, sizeof(own) - 1) < 0)
		own[0] = '\0';
	check_frame_begin(telling->frame, CHECK_SAYS_MODULE);
	check_frame_number(telling->frame, nr_modules++);
	check_frame_text(telling->frame, *info->dlpi_name ? info->dlpi_name : own);
	check_frame_send(telling->frame, telling->fd);
	return 0;
}

void check_modules_look(struct check_frame *frame, int fd)
{
	struct telling telling = { frame, fd };

	nr_parts = nr_modules = 0;
	dl_iterate_phdr(add, &telling);
}

void check_modules_here(struct check_stack *stack, const uintptr_t *frames, unsigned int nr)
{
	stack->nr = nr < CHECK_FRAMES ? nr : CHECK_FRAMES;
	stack->is_exact = false;
	for (unsigned int i = 0; i < stack->nr; i++) {
		struct check_address *to = &stack->frame[i];

		*to = (struct check_address){ CHECK_NO_MODULE, frames[i] };
		for (unsigned int n = 0; n < nr_parts && to->module == CHECK_NO_MODULE; n++)
			if (frames[i] >= parts[n].start && frames[i] < parts[n].end)
				*to = (struct check_address){ parts[n].module,
							      frames[i] - parts[n].base };
	}
}
