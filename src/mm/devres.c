/* SPDX-License-Identifier: BSD-2-Clause */
#include <berth/errno.h>
#include <berth/slab.h>

#include "lib/device.h"

struct managed {
	struct devres res;
	void (*action)(void *data);
	void *data;
};

static void run_and_free(void *data)
{
	struct managed *managed = data;

	managed->action(managed->data);
	kfree(managed);
}

static void free_object(void *object)
{
	kfree(object);
}

int devm_add_action_or_reset(struct device *dev, void (*action)(void *), void *data)
{
	struct managed *managed = kmalloc(sizeof(*managed), GFP_KERNEL);

	if (!managed) {
		action(data);
		return -ENOMEM;
	}
	managed->action = action;
	managed->data = data;
	managed->res.action = run_and_free;
	managed->res.data = managed;
	berth_devres_add(dev, &managed->res);
	return 0;
}

void *devm_kmalloc(struct device *dev, size_t size, gfp_t gfp)
{
	void *object = kmalloc(size, gfp);

	if (object && devm_add_action_or_reset(dev, free_object, object))
		return NULL;
	return object;
}
