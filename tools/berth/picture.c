// SPDX-License-Identifier: BSD-2-Clause
/*
 * Memory over time as an SVG. Neighbouring rows with the same history form a band; bands that never
 * change are drawn smaller than they are, so that what happens can be seen. Where tenants use
 * memory by the page there are too many bands for that: then all of RAM is in the lower part, and
 * the buffers with what is around them are in the upper part, drawn larger.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "picture.h"

const struct picture_look picture_looks[MEMORY_USES] = {
	[BERTH_PAGE_ABSENT] = { "absent", 0xffffff },
	[BERTH_PAGE_RESERVED] = { "reserved", 0x9aa5b5 },
	[BERTH_PAGE_FREE] = { "free", 0xf1f3f6 },
	[BERTH_PAGE_FREE_CMA] = { "free, in CMA", 0xd5ece5 },
	[BERTH_PAGE_USED] = { "used", 0xf0a33c },
	[BERTH_PAGE_SLAB] = { "kmalloc", 0xb765a8 },
	[BERTH_PAGE_CMA] = { "device's buffer", 0x16876a },
	[BERTH_PAGE_TENANT] = { "movable memory", 0x5b8fd6 },
	[MEMORY_USE_FILE] = { "file cache", 0xb9d3f4 },
};

void picture_colour(cairo_t *cr, unsigned int rgb)
{
	cairo_set_source_rgb(cr, (rgb >> 16) / 255.0, (rgb >> 8 & 255) / 255.0,
			     (rgb & 255) / 255.0);
}

double picture_text(cairo_t *cr, double x, double y, double align, const char *string)
{
	cairo_text_extents_t extents;

	cairo_text_extents(cr, string, &extents);
	cairo_move_to(cr, x - align * extents.x_advance, y);
	cairo_show_text(cr, string);
	return extents.x_advance;
}

void picture_font(cairo_t *cr, const char *family, bool is_bold, double size)
{
	cairo_select_font_face(cr, family, CAIRO_FONT_SLANT_NORMAL,
			       is_bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
	cairo_set_font_size(cr, size);
}

static bool same_history(const struct memory_log *log, unsigned int a, unsigned int b)
{
	if (log->pfn[b] != log->pfn[a] + (b - a) * log->row_pages)
		return false;
	for (unsigned int i = 0; i < log->columns; i++)
		if (log->use[i][a] != log->use[i][b])
			return false;
	return true;
}

static bool row_changes(const struct memory_log *log, unsigned int row)
{
	for (unsigned int i = 1; i < log->columns; i++)
		if (log->use[i][row] != log->use[0][row])
			return true;
	return false;
}

/* False if there are too many bands for this kind of picture. */
static bool find_bands(struct drawing *d)
{
	const struct memory_log *log = d->log;

	for (unsigned int row = 0; row < log->rows; row++) {
		struct band *last = &d->bands[d->nr_bands ? d->nr_bands - 1 : 0];

		if (d->nr_bands && same_history(log, last->row, row)) {
			last->rows++;
			continue;
		}
		if (d->nr_bands == MAX_BANDS)
			return false;
		d->bands[d->nr_bands++] = (struct band){
			.row = row,
			.rows = 1,
			.changes = row_changes(log, row),
		};
	}
	return true;
}

static void lay_out(struct drawing *d)
{
	double changing = 0, sum = 0, cap, at = TOP + PLOT_HEIGHT;
	unsigned int constant = 0;

	for (unsigned int i = 0; i < d->nr_bands; i++) {
		if (d->bands[i].changes)
			changing += d->bands[i].rows;
		else
			constant++;
	}
	cap = constant && changing > 0 ? changing / constant * 0.8 : d->log->rows;
	for (unsigned int i = 0; i < d->nr_bands; i++) {
		double rows = d->bands[i].rows;

		d->bands[i].height = d->bands[i].changes || rows < cap ? rows : cap;
		sum += d->bands[i].height;
	}
	for (unsigned int i = 0; i < d->nr_bands; i++) {
		struct band *band = &d->bands[i];

		band->height =
			MIN_BAND + band->height / sum * (PLOT_HEIGHT - MIN_BAND * d->nr_bands);
		band->bottom = at;
		at -= band->height;
	}
}

static double column_x(const struct drawing *d, unsigned int column)
{
	return LEFT + PLOT_WIDTH * column / d->log->columns;
}

static void draw_band(struct drawing *d, const struct band *band)
{
	const struct memory_log *log = d->log;
	double top = band->bottom - band->height;
	unsigned int start = 0;

	for (unsigned int i = 1; i <= log->columns; i++) {
		if (i < log->columns && log->use[i][band->row] == log->use[start][band->row])
			continue;
		picture_colour(d->cr, picture_looks[log->use[start][band->row]].rgb);
		cairo_rectangle(d->cr, column_x(d, start), top, column_x(d, i) - column_x(d, start),
				band->height);
		cairo_fill(d->cr);
		start = i;
	}
	picture_colour(d->cr, 0xffffff);
	cairo_set_line_width(d->cr, 0.8);
	cairo_move_to(d->cr, LEFT, top);
	cairo_line_to(d->cr, LEFT + PLOT_WIDTH, top);
	cairo_stroke(d->cr);
}

static void size_text(char *out, size_t room, uint64_t bytes)
{
	if (bytes >= 1u << 20)
		snprintf(out, room, "%.1f MiB", (double)bytes / (1 << 20));
	else
		snprintf(out, room, "%" PRIu64 " KiB", bytes >> 10);
}

/* How much a band is, where there is room to say so. */
static void label_band(struct drawing *d, const struct band *band)
{
	unsigned int use = d->log->use[0][band->row];
	char size[32], label[96];

	if (band->height < LABEL_GAP)
		return;
	if (band->changes)
		use = d->log->use[d->log->columns / 2][band->row];
	size_text(size, sizeof(size), (uint64_t)band->rows * d->log->row_pages * PAGE_SIZE);
	snprintf(label, sizeof(label), "%s %s", size, picture_looks[use].name);
	picture_font(d->cr, "DejaVu Sans", false, 10.5);
	picture_colour(d->cr, use == BERTH_PAGE_CMA ? 0xffffff : 0x3a4454);
	picture_text(d->cr, LEFT + PLOT_WIDTH / 2, band->bottom - band->height / 2 + 4, 0.5, label);
}

static void draw_addresses(struct drawing *d)
{
	double last = HEIGHT * 2;
	char label[32];

	picture_font(d->cr, "DejaVu Sans Mono", false, 11);
	picture_colour(d->cr, 0x4a5568);
	for (unsigned int i = 0; i < d->nr_bands; i++) {
		const struct band *band = &d->bands[i];

		if (last - band->bottom < LABEL_GAP)
			continue;
		snprintf(label, sizeof(label), "0x%" PRIx64,
			 (uint64_t)PFN_PHYS(d->log->pfn[band->row]));
		picture_text(d->cr, LEFT - 10, band->bottom + 3, 1, label);
		cairo_set_line_width(d->cr, 1);
		cairo_move_to(d->cr, LEFT - 6, band->bottom);
		cairo_line_to(d->cr, LEFT, band->bottom);
		cairo_stroke(d->cr);
		last = band->bottom;
	}
}

static void draw_bands(struct drawing *d)
{
	lay_out(d);
	for (unsigned int i = 0; i < d->nr_bands; i++)
		draw_band(d, &d->bands[i]);
	for (unsigned int i = 0; i < d->nr_bands; i++)
		label_band(d, &d->bands[i]);
	draw_addresses(d);
}

static void draw_frames(struct drawing *d)
{
	const struct memory_log *log = d->log;
	uint64_t most = log->columns ? log->frame[log->columns - 1] : 0, step = 1, next = 0;
	double y = TOP + PLOT_HEIGHT;
	char label[32];

	while (most / step > 12)
		step *= step % 3 == 2 ? 5 : 2;
	picture_font(d->cr, "DejaVu Sans", false, 11);
	picture_colour(d->cr, 0x4a5568);
	cairo_set_line_width(d->cr, 1);
	for (unsigned int i = 0; i < log->columns; i++) {
		if (log->frame[i] < next || (i && log->frame[i] == log->frame[i - 1]))
			continue;
		cairo_move_to(d->cr, column_x(d, i), y);
		cairo_line_to(d->cr, column_x(d, i), y + 5);
		cairo_stroke(d->cr);
		snprintf(label, sizeof(label), "%" PRIu64, log->frame[i]);
		picture_text(d->cr, column_x(d, i), y + 18, 0.5, label);
		next = (log->frame[i] / step + 1) * step;
	}
	picture_text(d->cr, LEFT + PLOT_WIDTH / 2, y + 38, 0.5, "frames shown");
}

static bool is_in_picture(const struct memory_log *log, unsigned int use)
{
	for (unsigned int i = 0; i < log->columns; i++)
		if (memchr(log->use[i], (int)use, log->rows))
			return true;
	return false;
}

static void draw_legend(struct drawing *d)
{
	double x = LEFT, y = HEIGHT - 32;

	picture_font(d->cr, "DejaVu Sans", false, 12);
	for (unsigned int use = BERTH_PAGE_RESERVED; use < MEMORY_USES; use++) {
		if (!is_in_picture(d->log, use))
			continue;
		picture_colour(d->cr, picture_looks[use].rgb);
		cairo_rectangle(d->cr, x, y - 11, 13, 13);
		cairo_fill_preserve(d->cr);
		picture_colour(d->cr, 0x8a94a4);
		cairo_set_line_width(d->cr, 0.7);
		cairo_stroke(d->cr);
		picture_colour(d->cr, 0x2d3748);
		x += 20 + picture_text(d->cr, x + 19, y, 0, picture_looks[use].name) + 22;
	}
}

static void draw_title(struct drawing *d)
{
	const struct run_result *r = d->result;
	char line[160], size[32];

	picture_font(d->cr, "DejaVu Sans", true, 17);
	picture_colour(d->cr, 0x1a202c);
	picture_text(d->cr, LEFT, 36, 0, "Memory while frames go from the camera to the display");
	size_text(size, sizeof(size), r->during.total);
	snprintf(line, sizeof(line),
		 "%" PRIu64 " frames of %ux%u through %u buffers; %s of RAM, %s drawn larger",
		 r->frames_out, r->width, r->height, r->buffers, size,
		 d->is_by_page ? "where the buffers are" : "what changes");
	picture_font(d->cr, "DejaVu Sans", false, 12);
	picture_colour(d->cr, 0x4a5568);
	picture_text(d->cr, LEFT, 60, 0, line);
}

/* A light card: readable whatever lies behind it. */
static void draw_card(cairo_t *cr)
{
	double r = 10, x = 1, y = 1, w = WIDTH - 2, h = HEIGHT - 2;

	cairo_new_sub_path(cr);
	cairo_arc(cr, x + w - r, y + r, r, -1.5708, 0);
	cairo_arc(cr, x + w - r, y + h - r, r, 0, 1.5708);
	cairo_arc(cr, x + r, y + h - r, r, 1.5708, 3.14159);
	cairo_arc(cr, x + r, y + r, r, 3.14159, 4.71239);
	cairo_close_path(cr);
	picture_colour(cr, 0xffffff);
	cairo_fill_preserve(cr);
	picture_colour(cr, 0xcbd2dc);
	cairo_set_line_width(cr, 1);
	cairo_stroke(cr);
}

int picture_write(const char *path, const struct memory_log *log, const struct run_result *result,
		  char *error, size_t size)
{
	cairo_surface_t *surface = cairo_svg_surface_create(path, WIDTH, HEIGHT);
	struct drawing d = { .cr = cairo_create(surface), .log = log, .result = result };
	cairo_status_t status;

	draw_card(d.cr);
	if (log->columns) {
		d.is_by_page = !find_bands(&d);
		if (d.is_by_page)
			picture_pages(&d);
		else
			draw_bands(&d);
		draw_frames(&d);
	}
	draw_title(&d);
	draw_legend(&d);
	status = cairo_status(d.cr);
	cairo_destroy(d.cr);
	cairo_surface_finish(surface);
	if (status == CAIRO_STATUS_SUCCESS)
		status = cairo_surface_status(surface);
	cairo_surface_destroy(surface);
	if (status == CAIRO_STATUS_SUCCESS)
		return 0;
	snprintf(error, size, "%s: %s", path, cairo_status_to_string(status));
	return -1;
}
