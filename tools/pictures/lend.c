// SPDX-License-Identifier: BSD-2-Clause
/*
 * lend [OUT.svg]: nine tenths of memory are free, and a device wants three tenths of it in one
 * piece. Without a contiguous area there is no such piece; with one, the same tenants make room.
 * Prints TAP, and draws what it has seen.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <berth/berth.h>
#include <berth/cma.h>
#include <berth/gfp.h>
#include <berth/migrate.h>
#include <berth/model.h>

#include <cairo-svg.h>

#include "lend.h"

#define MAX_PAGES 16384u
/* Of memory, in percent. */
#define TENANTS 10
#define BUFFER 30

/* The tenant: one that knows its pages by number, and stamps them. */
static struct page *tenant_pages[MAX_PAGES];
static unsigned int nr_tenant_pages, nr_moved;

static bool tenant_isolate(struct page *page, unsigned int mode)
{
	(void)mode;
	return tenant_pages[page->index] == page;
}

static int tenant_migrate(struct page *dst, struct page *src, enum migrate_mode mode)
{
	(void)mode;
	berth_copy_page(dst, src);
	tenant_pages[dst->index] = dst;
	nr_moved++;
	return 0;
}

static void tenant_putback(struct page *page)
{
	(void)page;
}

static const struct movable_operations tenant = {
	.isolate_page = tenant_isolate,
	.migrate_page = tenant_migrate,
	.putback_page = tenant_putback,
	.name = "the tenants of lend",
};

/* What memory looked like: a use per page. */
struct sight {
	uint8_t use[MAX_PAGES];
	uint64_t pages, free, longest; /* run of free pages */
};

static struct sight before[2], after;
static unsigned int number, failures;

static void check(bool is_ok, const char *what)
{
	printf("%sok %u - %s\n", is_ok ? "" : "not ", ++number, what);
	failures += !is_ok;
}

static void look(struct sight *sight)
{
	const struct berth_mem_map *map = &berth_mem_map[0];
	uint64_t run = 0;

	memset(sight, 0, sizeof(*sight));
	sight->pages = map->nr < MAX_PAGES ? map->nr : MAX_PAGES;
	for (uint64_t i = 0; i < sight->pages; i++) {
		enum berth_page_use use = berth_page_use(map->pfn + i);
		bool is_free = use == BERTH_PAGE_FREE || use == BERTH_PAGE_FREE_CMA;

		sight->use[i] = (uint8_t)use;
		sight->free += is_free;
		run = is_free ? run + 1 : 0;
		sight->longest = run > sight->longest ? run : sight->longest;
	}
}

static int by_address(const void *a, const void *b)
{
	uint64_t x = page_to_pfn(*(struct page *const *)a);
	uint64_t y = page_to_pfn(*(struct page *const *)b);

	return (x > y) - (x < y);
}

/* All of memory, and then every tenth page of it. */
static void move_in(void)
{
	static struct page *pages[MAX_PAGES];
	unsigned int nr = 0;

	nr_tenant_pages = nr_moved = 0;
	berth_tenant_register(&tenant);
	while (nr < MAX_PAGES) {
		pages[nr] = berth_alloc_movable(&tenant, GFP_KERNEL | __GFP_NOWARN, 0);
		if (!pages[nr])
			break;
		nr++;
	}
	qsort(pages, nr, sizeof(pages[0]), by_address);
	for (unsigned int i = 0; i < nr; i++) {
		if (i % (100 / TENANTS)) {
			__free_page(pages[i]);
			continue;
		}
		pages[i]->index = nr_tenant_pages;
		memset(page_address(pages[i]), (int)(nr_tenant_pages & 0xff), PAGE_SIZE);
		tenant_pages[nr_tenant_pages++] = pages[i];
	}
}

static bool move_out(void)
{
	bool is_right = true;

	for (unsigned int i = 0; i < nr_tenant_pages; i++) {
		const uint8_t *bytes = page_address(tenant_pages[i]);

		for (size_t at = 0; at < PAGE_SIZE; at++)
			is_right &= bytes[at] == (uint8_t)i;
		__free_page(tenant_pages[i]);
	}
	return is_right;
}

static bool start(const char *bootargs)
{
	const struct berth_options options = { .bootargs = bootargs, .machine = &berth_model };

	if (!berth_start(tree_lend, NULL, &options))
		return true;
	printf("Bail out! berth does not start\n");
	return false;
}

static unsigned long buffer_pages(const struct sight *sight)
{
	return (unsigned long)(sight->free * BUFFER / (100 - TENANTS));
}

static bool without_an_area(void)
{
	struct page *page;

	if (!start("cma=0"))
		return false;
	move_in();
	look(&before[0]);
	printf("# %" PRIu64 " pages, %" PRIu64 " free, at most %" PRIu64 " in a row; %lu wanted\n",
	       before[0].pages, before[0].free, before[0].longest, buffer_pages(&before[0]));
	check(before[0].free * 100 > (nr_tenant_pages + before[0].free) * 89,
	      "nine tenths of memory are free");
	page = alloc_pages(GFP_KERNEL | __GFP_NOWARN,
			   get_order(buffer_pages(&before[0]) << PAGE_SHIFT));
	check(!page, "the page allocator has no such piece");
	check(move_out(), "the tenants' bytes are theirs");
	check(!berth_stop(), "nothing is left");
	return true;
}

static bool with_an_area(void)
{
	unsigned long nr;
	struct page *page;

	if (!start("cma=12M"))
		return false;
	move_in();
	look(&before[1]);
	nr = buffer_pages(&before[1]);
	page = cma_alloc(berth_cma_default(), nr, 0, false);
	check(page, "the contiguous area has, with the same tenants");
	look(&after);
	printf("# %lu pages in one piece, %u of the tenants' were moved for it\n", nr, nr_moved);
	check(nr_moved > 0 && nr_moved < nr, "only what was in the way moved");
	if (page)
		cma_release(berth_cma_default(), page, nr);
	check(move_out(), "the tenants' bytes are theirs");
	check(!berth_stop(), "nothing is left");
	return true;
}

/* The picture: memory as a grid, a square per page, three times. */

#define WIDTH 960.0
#define HEIGHT 410.0
#define COLUMNS 128
#define CELL 2.25
#define GRID_TOP 118.0

static void colour(cairo_t *cr, unsigned int rgb)
{
	cairo_set_source_rgb(cr, (rgb >> 16) / 255.0, (rgb >> 8 & 255) / 255.0,
			     (rgb & 255) / 255.0);
}

static double write_text(cairo_t *cr, double x, double y, double size, bool is_bold,
			 const char *text)
{
	cairo_text_extents_t extents;

	cairo_select_font_face(cr, "DejaVu Sans", CAIRO_FONT_SLANT_NORMAL,
			       is_bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
	cairo_set_font_size(cr, size);
	cairo_text_extents(cr, text, &extents);
	cairo_move_to(cr, x, y);
	cairo_show_text(cr, text);
	return extents.x_advance;
}

static const struct {
	const char *name;
	unsigned int rgb;
} looks[BERTH_PAGE_USES] = {
	[BERTH_PAGE_ABSENT] = { NULL, 0xffffff },
	[BERTH_PAGE_RESERVED] = { "berth's own", 0x9aa5b5 },
	[BERTH_PAGE_FREE] = { "free", 0xf1f3f6 },
	[BERTH_PAGE_FREE_CMA] = { "free, in the area", 0xd5ece5 },
	[BERTH_PAGE_USED] = { NULL, 0xf0a33c },
	[BERTH_PAGE_SLAB] = { NULL, 0xb765a8 },
	[BERTH_PAGE_CMA] = { "the device's buffer", 0x16876a },
	[BERTH_PAGE_TENANT] = { "a tenant's", 0x2f6bc4 },
};

/* Through an image: a rectangle per page would be a large file. */
static void draw_grid(cairo_t *cr, double x, const struct sight *sight, const char *title,
		      const char *line)
{
	int rows = (int)((sight->pages + COLUMNS - 1) / COLUMNS);
	cairo_surface_t *image =
		cairo_image_surface_create(CAIRO_FORMAT_RGB24, COLUMNS * 4, rows * 4);
	unsigned char *data = cairo_image_surface_get_data(image);
	int stride = cairo_image_surface_get_stride(image);

	for (int y = 0; data && y < rows * 4; y++)
		for (int column = 0; column < COLUMNS * 4; column++) {
			uint64_t page = (uint64_t)(y / 4 * COLUMNS + column / 4);
			unsigned int use = page < sight->pages ? sight->use[page] : 0;
			uint32_t rgb = looks[use].rgb;

			memcpy(data + y * stride + column * 4, &rgb, sizeof(rgb));
		}
	cairo_surface_mark_dirty(image);
	cairo_save(cr);
	cairo_translate(cr, x, GRID_TOP);
	cairo_scale(cr, CELL / 4, CELL / 4 * 2.1);
	cairo_set_source_surface(cr, image, 0, 0);
	cairo_paint(cr);
	cairo_restore(cr);
	cairo_surface_destroy(image);
	colour(cr, 0x1a202c);
	write_text(cr, x, GRID_TOP - 28, 13, true, title);
	colour(cr, 0x4a5568);
	write_text(cr, x, GRID_TOP - 11, 11, false, line);
}

static void draw_legend(cairo_t *cr)
{
	double x = 30;

	for (unsigned int use = 0; use < BERTH_PAGE_USES; use++) {
		if (!looks[use].name)
			continue;
		colour(cr, looks[use].rgb);
		cairo_rectangle(cr, x, HEIGHT - 36, 13, 13);
		cairo_fill_preserve(cr);
		colour(cr, 0x8a94a4);
		cairo_set_line_width(cr, 0.7);
		cairo_stroke(cr);
		colour(cr, 0x2d3748);
		x += 42 + write_text(cr, x + 19, HEIGHT - 25, 12, false, looks[use].name);
	}
}

static uint64_t percent(uint64_t part, uint64_t whole)
{
	return (part * 100 + whole / 2) / whole;
}

static int draw(const char *path)
{
	cairo_surface_t *surface = cairo_svg_surface_create(path, WIDTH, HEIGHT);
	cairo_t *cr = cairo_create(surface);
	cairo_status_t status;
	char line[160];

	colour(cr, 0xffffff);
	cairo_paint(cr);
	colour(cr, 0x1a202c);
	snprintf(line, sizeof(line),
		 "%" PRIu64 " %% of %" PRIu64 " MiB are free, and a device wants %u %%",
		 percent(before[0].free, before[0].free + nr_tenant_pages),
		 before[0].pages * PAGE_SIZE >> 20, BUFFER);
	write_text(cr, 30, 40, 17, true, line);
	snprintf(line, sizeof(line), "Free pages in a row: %" PRIu64 ". Refused.",
		 before[0].longest);
	draw_grid(cr, 30, &before[0], "The page allocator alone", line);
	draw_grid(cr, 336, &before[1], "With an area that is lent",
		  "The same tenants; the device is idle.");
	snprintf(line, sizeof(line), "%lu pages in one piece; %u moved.", buffer_pages(&before[1]),
		 nr_moved);
	draw_grid(cr, 642, &after, "The device has its buffer", line);
	draw_legend(cr);
	cairo_destroy(cr);
	cairo_surface_finish(surface);
	status = cairo_surface_status(surface);
	cairo_surface_destroy(surface);
	if (status != CAIRO_STATUS_SUCCESS)
		fprintf(stderr, "%s: %s\n", path, cairo_status_to_string(status));
	return status == CAIRO_STATUS_SUCCESS ? 0 : -1;
}

int main(int argc, char **argv)
{
	if (argc > 2) {
		fputs("Usage: lend [OUT.svg]\n", stderr);
		return 2;
	}
	if (!without_an_area() || !with_an_area())
		return 1;
	printf("1..%u\n", number);
	if (argc == 2 && draw(argv[1]))
		return 1;
	return failures ? 1 : 0;
}
