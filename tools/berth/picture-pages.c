// SPDX-License-Identifier: BSD-2-Clause
/* Memory over time by the page: two panels of pixels, all of RAM and the part with the buffers. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "picture.h"

#define GAP 30.0
#define SHARE 0.6 /* of the height, for the buffers */
#define PIXELS 2 /* per unit of the picture */

struct panel {
	unsigned int row, rows;
	double top, height;
};

/* What most of the rows are; a buffer shows if it is a third of them. */
static unsigned int most_of(const uint8_t *use, unsigned int rows)
{
	unsigned int count[MEMORY_USES] = { 0 }, best = 0;

	for (unsigned int i = 0; i < rows; i++)
		count[use[i]]++;
	if (count[BERTH_PAGE_CMA] * 3 >= rows)
		return BERTH_PAGE_CMA;
	for (unsigned int i = 1; i < MEMORY_USES; i++)
		if (count[i] > count[best])
			best = i;
	return best;
}

/* One line of pixels: rows from @row on. */
static void fill_line(const struct drawing *d, uint32_t *line, int width, unsigned int row,
		      unsigned int rows)
{
	const struct memory_log *log = d->log;
	int at = 0;

	for (unsigned int i = 0; i < log->columns; i++) {
		int end = (int)((uint64_t)(i + 1) * (unsigned int)width / log->columns);
		uint32_t rgb = picture_looks[most_of(log->use[i] + row, rows)].rgb;

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

		fill_line(d, (uint32_t *)(void *)(data + y * stride), width, panel->row + first,
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

static void draw_address(struct drawing *d, const struct panel *panel, unsigned int row)
{
	double y = panel->top + panel->height * (1 - (double)row / panel->rows);
	uint64_t pfn = d->log->pfn[panel->row + row - (row == panel->rows)] +
		       (row == panel->rows ? d->log->row_pages : 0);
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

/* The rows that were ever a buffer's, with a third of that around them. */
static bool find_buffers(const struct memory_log *log, struct panel *panel)
{
	unsigned int first = log->rows, last = 0, margin;

	for (unsigned int i = 0; i < log->columns; i++)
		for (unsigned int row = 0; row < log->rows; row++) {
			if (log->use[i][row] != BERTH_PAGE_CMA)
				continue;
			first = row < first ? row : first;
			last = row > last ? row : last;
		}
	if (first > last)
		return false;
	margin = (last - first + 1) / 3 + 4;
	panel->row = first > margin ? first - margin : 0;
	panel->rows = (last + margin < log->rows ? last + margin : log->rows - 1) - panel->row + 1;
	return true;
}

/* Where in all of RAM the upper panel is. */
static void draw_frame(struct drawing *d, const struct panel *all, const struct panel *part)
{
	double scale = all->height / all->rows;
	double y = all->top + all->height - (part->row - all->row + part->rows) * scale;

	picture_colour(d->cr, 0x1a202c);
	cairo_set_line_width(d->cr, 1);
	cairo_rectangle(d->cr, LEFT, y, PLOT_WIDTH, part->rows * scale);
	cairo_stroke(d->cr);
	cairo_set_line_width(d->cr, 0.5);
	for (unsigned int i = 0; i < 2; i++) {
		cairo_move_to(d->cr, LEFT + i * PLOT_WIDTH, y);
		cairo_line_to(d->cr, LEFT + i * PLOT_WIDTH, part->top + part->height);
		cairo_stroke(d->cr);
	}
}

void picture_pages(struct drawing *d)
{
	struct panel all = { 0, d->log->rows, TOP, PLOT_HEIGHT }, part;
	bool has_part = find_buffers(d->log, &part);
	char label[96];

	if (has_part) {
		part.top = TOP;
		part.height = (PLOT_HEIGHT - GAP) * SHARE;
		all.top = TOP + part.height + GAP;
		all.height = PLOT_HEIGHT - GAP - part.height;
		draw_panel(d, &part);
		draw_address(d, &part, 0);
		draw_address(d, &part, part.rows);
		snprintf(label, sizeof(label),
			 "the pages of the buffers, %" PRIu64 " KiB, and all of RAM",
			 part.rows * d->log->row_pages * (PAGE_SIZE / 1024));
		picture_font(d->cr, "DejaVu Sans", false, 10.5);
		picture_text(d->cr, LEFT + PLOT_WIDTH / 2, part.top + part.height + 18, 0.5, label);
	}
	draw_panel(d, &all);
	draw_address(d, &all, 0);
	draw_address(d, &all, all.rows);
	if (has_part)
		draw_frame(d, &all, &part);
}
