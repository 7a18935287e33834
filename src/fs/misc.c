// SPDX-License-Identifier: BSD-2-Clause
/* Nodes in their simplest form. */
#include <berth/errno.h>

#include "fs/internal.h"
#include "lib/error.h"

int misc_register(struct miscdevice *misc)
{
	const unsigned int minor = (unsigned int)misc->minor;
	const struct berth_node_info info = {
		.name = misc->name,
		.fops = misc->fops,
		.rdev = minor == MISC_DYNAMIC_MINOR ? BERTH_NODE_RDEV_ANY(MISC_MAJOR)
						    : MKDEV(MISC_MAJOR, minor),
		.mode = misc->mode,
		.parent = misc->parent,
		.priv = misc,
	};
	struct berth_node *node;

	misc->node = NULL;
	if (MINOR(minor + 1) != minor + 1)
		return berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "minor of a misc device",
				     minor);
	node = berth_node_create(&info, misc);
	if (IS_ERR(node))
		return (int)PTR_ERR(node);
	misc->minor = (int)MINOR(node->view.rdev);
	misc->node = node;
	return 0;
}

void misc_deregister(struct miscdevice *misc)
{
	berth_node_unregister(misc->node);
	misc->node = NULL;
}
