// SPDX-License-Identifier: BSD-2-Clause
/* Memory over time by the page: two panels of pixels, all of RAM and the part with the buffers. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "picture.h"

#define GAP 30.0
#define SHARE 0.6 /* of the height, for the buffers */
#define PIXELS 2 /* per unit of the picture */
#define MARGIN 8u /* rows around a buffer */

/* @list: which rows; NULL: all of them */
struct panel {
	const unsigned int *list;
	unsigned int rows;
	double top, height;
};

static unsigned int row_at(const struct panel *panel, unsigned int n)
{
	return panel->list ? panel->list[n] : n;
}

/* What most of the rows are; a buffer shows if it is a third of them. */
static unsigned int most_of(const struct panel *panel, const uint8_t *use, unsigned int first,
			    unsigned int rows)
{
	unsigned int count[MEMORY_USES] = { 0 }, best = 0;

	for (unsigned int i = 0; i < rows; i++)
		count[use[row_at(panel, first + i)]]++;
	if (count[BERTH_PAGE_CMA] * 3 >= rows)
		return BERTH_PAGE_CMA;
	for (unsigned int i = 1; i < MEMORY_USES; i++)
		if (count[i] > count[best])
			best = i;
	return best;
}

/* One line of pixels: the panel's rows from @first on. */
static void fill_line(const struct drawing *d, const struct panel *panel, uint32_t *line, int width,
		      unsigned int first, unsigned int rows)
{
	const struct memory_log *log = d->log;
	int at = 0;

	for (unsigned int i = 0; i < log->columns; i++) {
		int end = (int)((uint64_t)(i + 1) * (unsigned int)width / log->columns);
		uint32_t rgb = picture_looks[most_of(panel, log->use[i], first, rows)].rgb;

		while (at < end)
			line[at++] = rgb;
	}
}

static void draw_panel(struct drawing *d, const struct panel *panel)
{
	int width = (int)(PLOT_WIDTH * PIXELS), height = (int)(panel->height * PIXELS);
	cairo_surface_t *image = cairo_image_surface_create(CAIRO_FORMAT_RGB24, width, height);
	int stride = cairo_image_surface_get_stride(image);
	unsigned char *data = cairo_image_surface_get_data(image);

	for (int y = 0; data && y < height; y++) {
		uint64_t line = (uint64_t)(height - 1 - y), lines = (uint64_t)height;
		unsigned int first = (unsigned int)(line * panel->rows / lines);
		unsigned int end = (unsigned int)((line + 1) * panel->rows / lines);

		fill_line(d, panel, (uint32_t *)(void *)(data + y * stride), width, first,
			  end > first ? end - first : 1);
	}
	cairo_surface_mark_dirty(image);
	cairo_save(d->cr);
	cairo_translate(d->cr, LEFT, panel->top);
	cairo_scale(d->cr, 1.0 / PIXELS, 1.0 / PIXELS);
	cairo_set_source_surface(d->cr, image, 0, 0);
	cairo_paint(d->cr);
	cairo_restore(d->cr);
	cairo_surface_destroy(image);
}

static double row_y(const struct panel *panel, unsigned int n)
{
	return panel->top + panel->height * (1 - (double)n / panel->rows);
}

static void draw_address(struct drawing *d, double y, uint64_t pfn)
{
	char label[32];

	snprintf(label, sizeof(label), "0x%" PRIx64, (uint64_t)PFN_PHYS(pfn));
	picture_font(d->cr, "DejaVu Sans Mono", false, 11);
	picture_colour(d->cr, 0x4a5568);
	picture_text(d->cr, LEFT - 10, y + 4, 1, label);
	cairo_set_line_width(d->cr, 1);
	cairo_move_to(d->cr, LEFT - 6, y);
	cairo_line_to(d->cr, LEFT, y);
	cairo_stroke(d->cr);
}

/*
 * Where the rows do not follow each other, a line; and the address where there is room for it.
 * Returns where the last one stands.
 */
static double draw_addresses(struct drawing *d, const struct panel *panel)
{
	const struct memory_log *log = d->log;
	double last = HEIGHT * 2;

	for (unsigned int n = 0; n < panel->rows; n++) {
		uint64_t pfn = log->pfn[row_at(panel, n)];
		double y = row_y(panel, n);

		if (n && pfn == log->pfn[row_at(panel, n - 1)] + log->row_pages)
			continue;
		if (n) {
			picture_colour(d->cr, 0xffffff);
			cairo_set_line_width(d->cr, 3);
			cairo_move_to(d->cr, LEFT, y);
			cairo_line_to(d->cr, LEFT + PLOT_WIDTH, y);
			cairo_stroke(d->cr);
		}
		if (last - y >= LABEL_GAP) {
			draw_address(d, y, pfn);
			last = y;
		}
	}
	return last;
}

static bool was_buffer(const struct memory_log *log, unsigned int row)
{
	for (unsigned int i = 0; i < log->columns; i++)
		if (log->use[i][row] == BERTH_PAGE_CMA)
			return true;
	return false;
}

/* The rows that were ever a buffer's, and a few around each. */
static unsigned int find_buffers(const struct memory_log *log, unsigned int *list)
{
	unsigned int nr = 0, next = 0;

	for (unsigned int row = 0; row < log->rows; row++) {
		unsigned int end = row + MARGIN < log->rows ? row + MARGIN + 1 : log->rows;

		if (!was_buffer(log, row))
			continue;
		if (next + MARGIN < row)
			next = row - MARGIN;
		while (next < end)
			list[nr++] = next++;
	}
	return nr;
}

/* Where in all of RAM the rows of the upper panel are. */
static void mark_buffers(struct drawing *d, const struct panel *all, const struct panel *part)
{
	picture_colour(d->cr, 0x1a202c);
	cairo_set_line_width(d->cr, 1);
	for (unsigned int n = 0; n < part->rows; n++) {
		double y = row_y(all, row_at(part, n));

		cairo_move_to(d->cr, LEFT + PLOT_WIDTH + 2, y);
		cairo_line_to(d->cr, LEFT + PLOT_WIDTH + 9, y);
	}
	cairo_stroke(d->cr);
}

void picture_pages(struct drawing *d)
{
	static unsigned int list[MEMORY_LOG_ROWS];
	struct panel all = { NULL, d->log->rows, TOP, PLOT_HEIGHT };
	struct panel part = { list, find_buffers(d->log, list), TOP, (PLOT_HEIGHT - GAP) * SHARE };

	if (part.rows) {
		all.top = TOP + part.height + GAP;
		all.height = PLOT_HEIGHT - GAP - part.height;
		draw_panel(d, &part);
		draw_addresses(d, &part);
		mark_buffers(d, &all, &part);
		picture_colour(d->cr, 0x4a5568);
		picture_font(d->cr, "DejaVu Sans", false, 10.5);
		picture_text(d->cr, LEFT + PLOT_WIDTH / 2, part.top + part.height + 19, 0.5,
			     "above: the buffers and the pages around them; below: all of RAM");
	}
	draw_panel(d, &all);
	if (draw_addresses(d, &all) - all.top >= LABEL_GAP)
		draw_address(d, all.top, d->log->pfn[all.rows - 1] + d->log->row_pages);
}
