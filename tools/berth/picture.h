/* SPDX-License-Identifier: BSD-2-Clause */
/* What the parts of the picture share: its measures, and how things are drawn. */
#ifndef TOOL_PICTURE_H
#define TOOL_PICTURE_H

#include <cairo-svg.h>
#include <stdbool.h>

#include "run.h"

#define WIDTH 960.0
#define HEIGHT 600.0
#define LEFT 116.0
#define RIGHT 28.0
#define TOP 84.0
#define BOTTOM 108.0
#define PLOT_WIDTH (WIDTH - LEFT - RIGHT)
#define PLOT_HEIGHT (HEIGHT - TOP - BOTTOM)
#define MIN_BAND 3.0
#define LABEL_GAP 15.0
#define MAX_BANDS 120

struct band {
	unsigned int row, rows;
	bool changes;
	double bottom, height;
};

struct drawing {
	cairo_t *cr;
	const struct memory_log *log;
	const struct run_result *result;
	struct band bands[MAX_BANDS];
	unsigned int nr_bands;
	bool is_by_page; /* too many bands: picture_pages() */
};

struct picture_look {
	const char *name;
	unsigned int rgb;
};

extern const struct picture_look picture_looks[MEMORY_USES];

void picture_colour(cairo_t *cr, unsigned int rgb);
void picture_font(cairo_t *cr, const char *family, bool is_bold, double size);

/* Text whose anchor lies @align of its width (0: left, 1: right) behind its start. */
double picture_text(cairo_t *cr, double x, double y, double align, const char *string);

/* All of RAM below, the buffers and what is around them above (picture-pages.c). */
void picture_pages(struct drawing *d);

#endif
