/* SPDX-License-Identifier: BSD-2-Clause */
/* Interrupts of the tree as the port numbers them. */
#include <berth/errno.h>
#include <berth/interrupt.h>

#include "board/board.h"
#include "lib/interrupt.h"

#define MAX_CELLS 8
/* Trees may chain interrupt-maps; hostile ones in a circle. */
#define MAX_HOPS 16

/* An interrupt on its way to the controller. */
struct specifier {
	const struct device_node *node; /* who is asked */
	uint32_t unit[MAX_CELLS];
	int nr_unit;
	uint32_t cells[MAX_CELLS];
	int nr_cells;
};

static int count_cells(const struct device_node *node, const char *name, int otherwise)
{
	uint32_t count;

	if (of_property_read_u32(node, name, &count))
		return otherwise;
	return count <= MAX_CELLS ? (int)count : -EINVAL;
}

/* A GIC's kinds of interrupt, and what their cell of flags says in its low bits. */
#define GIC_SPI 0
#define GIC_PPI 1
#define GIC_FIRST_PPI 16
#define GIC_FIRST_SPI 32
#define GIC_END 1020
#define IS_EDGE 3u
#define IS_LEVEL 12u

/* SPI n is 32 + n and PPI n is 16 + n, as a GIC numbers them. */
static int gic_number(const uint32_t *cells)
{
	if (cells[0] == GIC_SPI && cells[1] < GIC_END - GIC_FIRST_SPI)
		return (int)cells[1] + GIC_FIRST_SPI;
	if (cells[0] == GIC_PPI && cells[1] < GIC_FIRST_SPI - GIC_FIRST_PPI)
		return (int)cells[1] + GIC_FIRST_PPI;
	return -ENXIO;
}

static int plain_number(const uint32_t *cells)
{
	return (int)(cells[0] & INT_MAX);
}

/* BCM2836: the local controller's are below 32, and those of ARMCTRL's three banks follow. */
#define BCM_BANK 32u
#define BCM_BANKS 3u

static int bcm_local_number(const uint32_t *cells)
{
	return cells[0] < BCM_BANK ? (int)cells[0] : -ENXIO;
}

static int bcm_bank_number(const uint32_t *cells)
{
	if (cells[0] >= BCM_BANKS || cells[1] >= BCM_BANK)
		return -ENXIO;
	return (int)(BCM_BANK + BCM_BANK * cells[0] + cells[1]);
}

/* What the cells of a controller's interrupts mean. */
struct format {
	const char *compatible; /* NULL: of all others with so many cells */
	int nr_cells; /* at least */
	int (*number)(const uint32_t *cells);
	int flags; /* which cell says how it is triggered; negative: none */
};

static const struct format formats[] = {
	{ "brcm,bcm2836-l1-intc", 1, bcm_local_number, 1 },
	{ "brcm,bcm2836-armctrl-ic", 2, bcm_bank_number, -1 },
	{ NULL, 3, gic_number, 2 },
	{ NULL, 1, plain_number, 1 },
};

static const struct format *format_of(const struct specifier *spec)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(formats); i++) {
		const struct format *format = &formats[i];

		if (spec->nr_cells >= format->nr_cells &&
		    (!format->compatible ||
		     of_device_is_compatible(spec->node, format->compatible)))
			return format;
	}
	return NULL;
}

static bool read_all(const uint8_t **at, int *left, int cells, uint32_t *out)
{
	if (cells < 0 || *left < cells * 4)
		return false;
	for (int i = 0; i < cells; i++, *at += 4, *left -= 4)
		if (out)
			out[i] = (uint32_t)of_read_number(*at, 1);
	return true;
}

static bool matches(const struct specifier *spec, const uint32_t *wanted)
{
	for (int i = 0; i < spec->nr_unit + spec->nr_cells; i++) {
		uint32_t mask = UINT32_MAX;
		uint32_t have = i < spec->nr_unit ? spec->unit[i] : spec->cells[i - spec->nr_unit];

		of_property_read_u32_index(spec->node, "interrupt-map-mask", (uint32_t)i, &mask);
		if ((have & mask) != (wanted[i] & mask))
			return false;
	}
	return true;
}

/* One interrupt-map: the matching entry's parent side replaces the specifier. */
static int map_once(struct specifier *spec)
{
	int left;
	const uint8_t *at = of_get_property(spec->node, "interrupt-map", &left);
	uint32_t wanted[2 * MAX_CELLS];

	while (at && read_all(&at, &left, spec->nr_unit + spec->nr_cells, wanted)) {
		struct specifier up = { 0 };
		uint32_t phandle;

		if (!read_all(&at, &left, 1, &phandle))
			break;
		up.node = of_find_node_by_phandle(phandle);
		if (!up.node)
			break;
		up.nr_unit = count_cells(up.node, "#address-cells", 0);
		up.nr_cells = count_cells(up.node, "#interrupt-cells", 1);
		if (!read_all(&at, &left, up.nr_unit, up.unit) ||
		    !read_all(&at, &left, up.nr_cells, up.cells))
			break;
		if (matches(spec, wanted)) {
			*spec = up;
			return 0;
		}
	}
	return -ENXIO;
}

/* Who a node's interrupts go to: the nearest interrupt-parent, or the nearest controller above. */
static const struct device_node *interrupt_parent(const struct device_node *node)
{
	const struct device_node *from = node;

	for (; node; node = of_get_parent(node)) {
		const struct device_node *parent = of_parse_phandle(node, "interrupt-parent", 0);

		if (parent && parent != from)
			return parent;
		if (node != from && of_property_read_bool(node, "#interrupt-cells"))
			return node;
	}
	return NULL;
}

/* The unit address that an interrupt-map of the parent may ask for. */
static void take_unit(const struct device_node *node, struct specifier *spec)
{
	spec->nr_unit = count_cells(spec->node, "#address-cells", 0);
	if (spec->nr_unit < 0)
		spec->nr_unit = 0;
	for (int i = 0; i < spec->nr_unit; i++)
		if (of_property_read_u32_index(node, "reg", (uint32_t)i, &spec->unit[i]))
			spec->unit[i] = 0;
}

static int extended(const struct device_node *node, int index, struct specifier *spec)
{
	int left;
	const uint8_t *at = of_get_property(node, "interrupts-extended", &left);
	uint32_t phandle;

	for (int i = 0; at && read_all(&at, &left, 1, &phandle); i++) {
		spec->node = of_find_node_by_phandle(phandle);
		spec->nr_cells = spec->node ? count_cells(spec->node, "#interrupt-cells", -EINVAL)
					    : -EINVAL;
		if (!read_all(&at, &left, spec->nr_cells, spec->cells))
			return -ENXIO;
		if (i == index)
			return 0;
	}
	return -ENXIO;
}

static int plain(const struct device_node *node, int index, struct specifier *spec)
{
	int left;
	const uint8_t *at = of_get_property(node, "interrupts", &left);

	spec->node = interrupt_parent(node);
	spec->nr_cells = spec->node ? count_cells(spec->node, "#interrupt-cells", -EINVAL)
				    : -EINVAL;
	if (!at || spec->nr_cells < 1)
		return -ENXIO;
	if (index >= left / 4 / spec->nr_cells)
		return -ENXIO;
	at += index * spec->nr_cells * 4;
	left -= index * spec->nr_cells * 4;
	return read_all(&at, &left, spec->nr_cells, spec->cells) ? 0 : -ENXIO;
}

/* RISC-V: what a hart tells apart itself. Its numbers are no devices'; whose line it is may be the port's. */
static bool is_cpu(const struct device_node *node)
{
	return of_device_is_compatible(node, "riscv,cpu-intc");
}

/*
 * Whether a controller hands its interrupts on as one of another one's: its numbers are its own, and
 * mean something else there. One that speaks as its parent does (a GIC's front end) is as good.
 */
static bool is_secondary(const struct device_node *node)
{
	struct specifier up = { 0 };
	int err;

	if (of_property_read_bool(node, "gpio-controller") || is_cpu(node))
		return true;
	err = of_property_read_bool(node, "interrupts-extended") ? extended(node, 0, &up)
								 : plain(node, 0, &up);
	return !err && up.node != node && !is_cpu(up.node) &&
	       up.nr_cells != count_cells(node, "#interrupt-cells", up.nr_cells);
}

/* The number, with its trigger remembered for request_irq(). */
static int settle(const struct specifier *spec)
{
	const struct format *format = format_of(spec);
	uint32_t flags = 0;
	int irq;

	/* One that is known by name is numbered by the port, whoever is behind it. */
	if (!format || (!format->compatible && is_secondary(spec->node)))
		return -ENXIO;
	irq = format->number(spec->cells);
	if (format->flags >= 0 && format->flags < spec->nr_cells)
		flags = spec->cells[format->flags];
	if (irq >= 0)
		berth_irq_set_edge((unsigned int)irq, (flags & IS_EDGE) && !(flags & IS_LEVEL));
	return irq;
}

static int resolve(struct specifier *spec)
{
	for (int hop = 0; hop < MAX_HOPS; hop++) {
		if (!of_property_read_bool(spec->node, "interrupt-map"))
			return settle(spec);
		if (map_once(spec))
			return -ENXIO;
	}
	return -ENXIO;
}

int berth_of_irq_map(const struct device_node *node, const uint32_t *unit, int nr_unit,
		     uint32_t pin)
{
	struct specifier spec = { .node = node, .nr_unit = nr_unit, .nr_cells = 1 };

	if (nr_unit < 0 || nr_unit > MAX_CELLS || count_cells(node, "#interrupt-cells", 1) != 1)
		return -ENXIO;
	for (int i = 0; i < nr_unit; i++)
		spec.unit[i] = unit[i];
	spec.cells[0] = pin;
	return resolve(&spec);
}

int of_irq_get(const struct device_node *node, int index)
{
	struct specifier spec = { 0 };
	int err;

	if (index < 0)
		return -EINVAL;
	err = of_property_read_bool(node, "interrupts-extended") ? extended(node, index, &spec)
								 : plain(node, index, &spec);
	if (err)
		return err;
	take_unit(node, &spec);
	return resolve(&spec);
}
