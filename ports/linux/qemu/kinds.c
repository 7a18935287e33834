// SPDX-License-Identifier: BSD-2-Clause
/* QEMU's boards: all that is known here of each. */
#include <string.h>

#include "qemu/process.h"

/* A board whose sound output finds none would print so at each start. */
#define NO_SOUND "driver=none,id=berth-no-sound"

static const struct qemu_kind kinds[] = {
	/* The first is for a machine that is not in the table, too. */
	{ .machine = "virt", .program = "qemu-system-aarch64", .cpu = "cortex-a57" },
	{ .machine = "xilinx-zynq-a9", .program = "qemu-system-arm", .cpu = "cortex-a9" },
	{ .machine = "xlnx-zcu102",
	  .program = "qemu-system-aarch64",
	  .cpu = "cortex-a53",
	  .sound = NO_SOUND },
	{ .machine = "xlnx-versal-virt",
	  .program = "qemu-system-aarch64",
	  .cpu = "cortex-a72",
	  .tree_offset = 0x1000 },
};

const struct qemu_kind *berth_qemu_kind(const char *machine)
{
	size_t length = machine ? strcspn(machine, ",") : 0;

	for (size_t i = 0; i < ARRAY_SIZE(kinds) && machine; i++)
		if (strlen(kinds[i].machine) == length &&
		    !memcmp(kinds[i].machine, machine, length))
			return &kinds[i];
	return &kinds[0];
}
