// SPDX-License-Identifier: BSD-2-Clause
/* Registers and an interrupt for a program: uio_pdrv_genirq, and what the other two have in common with it. */
#include <berth/interrupt.h>
#include <berth/mm.h>
#include <berth/slab.h>

#include "genirq.h"

int berth_uio_bad_tree(const struct uio_genirq *g, const char *property, uint64_t value)
{
	struct berth_error *error = berth_port_error();
	size_t i = 0;

	*error = (struct berth_error){ .code = -EINVAL,
				       .reason = BERTH_REASON_ARGUMENT,
				       .address = value };
	for (; property[i] && i < sizeof(error->subject) - 1; i++)
		error->subject[i] = property[i];
	dev_err(&g->pdev->dev, "%s is wrong (%#llx)\n", property, (unsigned long long)value);
	return -EINVAL;
}

struct uio_mem *berth_uio_add_map(struct uio_genirq *g)
{
	if (g->nr_maps < MAX_UIO_MAPS)
		return &g->info.mem[g->nr_maps++];
	berth_uio_bad_tree(g, "number of maps", g->nr_maps + 1);
	return NULL;
}

static irqreturn_t handler(int irq, struct uio_info *info)
{
	struct uio_genirq *g = info->priv;

	spin_lock(&g->lock);
	if (!g->is_irq_off)
		disable_irq_nosync((unsigned int)irq);
	g->is_irq_off = true;
	spin_unlock(&g->lock);
	return IRQ_HANDLED;
}

static int irqcontrol(struct uio_info *info, int32_t irq_on)
{
	struct uio_genirq *g = info->priv;
	unsigned long flags;

	spin_lock_irqsave(&g->lock, flags);
	if (irq_on && g->is_irq_off)
		enable_irq((unsigned int)info->irq);
	else if (!irq_on && !g->is_irq_off)
		disable_irq_nosync((unsigned int)info->irq);
	g->is_irq_off = !irq_on;
	spin_unlock_irqrestore(&g->lock, flags);
	return 0;
}

/* The node's name without its address, as in Linux. */
static void set_name(struct uio_genirq *g)
{
	const char *name = berth_of_node_name(g->pdev->dev.of_node);
	bool is_whole = !of_property_read_string(g->pdev->dev.of_node, "linux,uio-name", &name);

	for (size_t i = 0; i < sizeof(g->name) - 1 && name[i] && (is_whole || name[i] != '@'); i++)
		g->name[i] = name[i];
	g->info.name = g->name;
	g->info.version = "devicetree";
}

static int add_registers(struct uio_genirq *g)
{
	for (unsigned int i = 0;; i++) {
		struct resource *res = platform_get_resource(g->pdev, IORESOURCE_MEM, i);
		struct uio_mem *mem;

		if (!res)
			break;
		mem = berth_uio_add_map(g);
		if (!mem)
			return -EINVAL;
		mem->memtype = UIO_MEM_PHYS;
		mem->name = res->name;
		mem->offs = (unsigned long)offset_in_page(res->start);
		mem->addr = res->start - mem->offs;
		mem->size = PAGE_ALIGN(mem->offs + resource_size(res));
	}
	g->nr_static = g->nr_maps;
	return 0;
}

static void set_irq(struct uio_genirq *g)
{
	struct resource *res = platform_get_resource(g->pdev, IORESOURCE_IRQ, 0);

	if (!res)
		return;
	g->info.irq = (long)res->start;
	g->info.handler = handler;
	g->info.irqcontrol = irqcontrol;
}

/* What a node is that says no more than "generic-uio". */
static enum uio_kind kind_of(const struct device *dev)
{
	const enum uio_kind kind = (enum uio_kind)(uintptr_t)of_device_get_match_data(dev);

	if (kind != UIO_GENERIC)
		return kind;
	if (of_property_read_bool(dev->of_node, "linux,uio-dynamic-region-sizes"))
		return UIO_DMEM;
	return of_property_read_bool(dev->of_node, "memory-region") ? UIO_PMEM : UIO_PDRV;
}

static void free_genirq(struct kref *kref)
{
	struct uio_genirq *g = container_of(kref, struct uio_genirq, kref);

	if (g->kind == UIO_DMEM)
		berth_uio_dmem_free(g);
	if (g->kind == UIO_PMEM)
		berth_uio_pmem_exit(g);
	kfree(g);
}

static void gone(struct uio_info *info)
{
	struct uio_genirq *g = info->priv;

	kref_put(&g->kref, free_genirq);
}

static int init(struct uio_genirq *g)
{
	int err;

	set_name(g);
	set_irq(g);
	err = add_registers(g);
	if (!err && g->kind == UIO_DMEM)
		err = berth_uio_dmem_init(g);
	if (!err && g->kind == UIO_PMEM)
		err = berth_uio_pmem_init(g);
	return err ? err : berth_uio_quiesce_init(g);
}

static int genirq_probe(struct platform_device *pdev)
{
	struct uio_genirq *g = kzalloc(sizeof(*g), GFP_KERNEL);
	int err;

	if (!g)
		return -ENOMEM;
	kref_init(&g->kref);
	spin_lock_init(&g->lock);
	g->pdev = pdev;
	g->kind = kind_of(&pdev->dev);
	g->info.priv = g;
	g->info.gone = gone;
	err = init(g);
	if (!err)
		err = uio_register_device(&pdev->dev, &g->info);
	if (err) {
		berth_uio_quiesce_exit(g);
		kref_put(&g->kref, free_genirq);
		return err;
	}
	/* Its one reference is the core's from now on. */
	platform_set_drvdata(pdev, g);
	return 0;
}

static int genirq_remove(struct platform_device *pdev)
{
	struct uio_genirq *g = platform_get_drvdata(pdev);

	if (!g)
		return 0;
	platform_set_drvdata(pdev, NULL);
	kref_get(&g->kref);
	uio_unregister_device(&g->info);
	if (g->kind == UIO_DMEM)
		berth_uio_dmem_end(g);
	berth_uio_quiesce_exit(g);
	kref_put(&g->kref, free_genirq);
	return 0;
}

#define TABLE(table, own, kind)                                                 \
	static const struct of_device_id table[] = {                            \
		{ .compatible = own, .data = (const void *)(uintptr_t)(kind) }, \
		{ .compatible = "generic-uio" },                                \
		{ .compatible = "" },                                           \
	}

#define DRIVER(driver_name, table)                                              \
	{                                                                       \
		.probe = genirq_probe, .remove = genirq_remove,                 \
		.driver = { .name = (driver_name), .of_match_table = (table) }, \
	}

TABLE(pdrv_table, "berth,uio-pdrv", UIO_PDRV);
TABLE(dmem_table, "berth,uio-dmem", UIO_DMEM);
TABLE(pmem_table, "berth,uio-pmem", UIO_PMEM);

const struct platform_driver berth_uio_pdrv_genirq_driver = DRIVER("uio_pdrv_genirq", pdrv_table);
const struct platform_driver berth_uio_dmem_genirq_driver = DRIVER("uio_dmem_genirq", dmem_table);
const struct platform_driver berth_uio_pmem_genirq_driver = DRIVER("uio_pmem_genirq", pmem_table);
