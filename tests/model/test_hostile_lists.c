/* SPDX-License-Identifier: BSD-2-Clause */
/* Lists of phandles and of strings in trees: what Linux returns, of good ones and of others. */
#include "hostile.h"

#include <berth/dmaengine.h>

#define NONE 0xffffffffu

static void a_property(const char *name, const void *bytes, size_t size)
{
	fdt_property(&fdt, name, size);
	fdt_bytes(&fdt, bytes, size);
}

static void a_list(const char *name, const uint32_t *cells, size_t bytes)
{
	uint8_t list[4 * 20];

	for (size_t i = 0; i < sizeof(list) / 4; i++)
		for (size_t j = 0; j < 4; j++)
			list[4 * i + j] = (uint8_t)(cells[i] >> (24 - 8 * j));
	a_property(name, list, bytes);
}

/* The targets: number 1 to 4, with 0, 2, and 17 arguments, and one that says nothing of arguments. */
static void begin_targets(void)
{
	static const uint32_t cells[] = { 0, 2, 17, NONE };
	char name[] = "target0";

	begin_with_memory();
	for (uint32_t i = 0; i < ARRAY_SIZE(cells); i++) {
		name[6] = (char)('1' + i);
		fdt_begin(&fdt, name);
		fdt_cells(&fdt, "phandle", i + 1);
		if (cells[i] != NONE)
			fdt_cells(&fdt, "#dma-cells", cells[i]);
		fdt_end(&fdt);
	}
}

static void phandles_with_arguments(void **state)
{
	static const struct {
		size_t bytes;
		uint32_t cells[20];
		int index, ret, count;
		int nr; /* arguments of the entry, and its first one */
		uint32_t first;
	} rows[] = {
		{ 4, { 1 }, 0, 0, 1, 0, 0 },
		{ 16, { 1, 2, 7, 8 }, 1, 0, 2, 2, 7 },
		{ 16, { 1, 2, 7, 8 }, 2, -ENOENT, 2, 0, 0 },
		{ 16, { 1, 2, 7, 8 }, -1, -EINVAL, 2, 0, 0 },
		{ 16, { 1, 2, 7, 8 }, INT32_MAX, -ENOENT, 2, 0, 0 },
		{ 0, { 0 }, 0, -ENOENT, 0, 0, 0 },
		/* Empty entries are counted, and are none. */
		{ 8, { 0, 1 }, 0, -ENOENT, 2, 0, 0 },
		{ 8, { 0, 1 }, 1, 0, 2, 0, 0 },
		/* Cut within an entry; what is in front of it can be had. */
		{ 12, { 1, 2, 7 }, 0, 0, -EINVAL, 0, 0 },
		{ 12, { 1, 2, 7 }, 1, -EINVAL, -EINVAL, 0, 0 },
		{ 4, { 2 }, 0, -EINVAL, -EINVAL, 0, 0 },
		/* To a node that is not there, or that does not say how many. */
		{ 8, { 99, 1 }, 0, -EINVAL, -EINVAL, 0, 0 },
		{ 8, { 99, 1 }, 1, -EINVAL, -EINVAL, 0, 0 },
		{ 8, { NONE, 1 }, 0, -EINVAL, -EINVAL, 0, 0 },
		{ 4, { 4 }, 0, -EINVAL, -EINVAL, 0, 0 },
		/* More arguments than there is room for. */
		{ 72, { 3, 1, 2 }, 0, -EINVAL, -EINVAL, 0, 0 },
		/* Within a cell. */
		{ 3, { 1 }, 0, -EINVAL, -EINVAL, 0, 0 },
	};
	struct of_phandle_args args;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct device_node *np;

		begin_targets();
		begin_device("client");
		a_list("dmas", rows[i].cells, rows[i].bytes);
		fdt_end(&fdt);
		start_within_seconds(0);
		np = of_find_node_by_path("/client");
		assert_int_equal(of_count_phandle_with_args(np, "dmas", "#dma-cells"),
				 rows[i].count);
		assert_int_equal(of_parse_phandle_with_args(np, "dmas", "#dma-cells", rows[i].index,
							    NULL),
				 rows[i].ret);
		assert_int_equal(of_parse_phandle_with_args(np, "dmas", "#dma-cells", rows[i].index,
							    &args),
				 rows[i].ret);
		if (!rows[i].ret) {
			assert_int_equal(args.args_count, rows[i].nr);
			assert_true(!args.args_count || args.args[0] == rows[i].first);
		}
		assert_int_equal(of_count_phandle_with_args(np, "none", "#dma-cells"), -ENOENT);
		assert_int_equal(of_parse_phandle_with_args(np, "none", "#dma-cells", 0, &args),
				 -ENOENT);
		must_stop();
	}
}

static void lists_of_strings(void **state)
{
	static const struct {
		size_t bytes;
		char text[12];
		int count, rx; /* the index of "rx" */
	} rows[] = {
		{ 6, "tx\0rx\0", 2, 1 },	{ 3, "rx\0", 1, 0 },
		{ 0, "", -ENODATA, -ENODATA },	{ 1, "", 1, -ENODATA },
		{ 5, "\0\0rx\0", 3, 2 },	{ 5, "tx\0rx", -EILSEQ, -EILSEQ },
		{ 5, "rx\0tx", -EILSEQ, 0 },	{ 2, "rx", -EILSEQ, -EILSEQ },
		{ 6, "rxx\0r\0", 2, -ENODATA },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct device_node *np;

		begin_with_memory();
		begin_device("client");
		a_property("dma-names", rows[i].text, rows[i].bytes);
		fdt_end(&fdt);
		start_within_seconds(0);
		np = of_find_node_by_path("/client");
		assert_int_equal(of_property_count_strings(np, "dma-names"), rows[i].count);
		assert_int_equal(of_property_match_string(np, "dma-names", "rx"), rows[i].rx);
		assert_int_equal(of_property_count_strings(np, "none"), -EINVAL);
		assert_int_equal(of_property_match_string(np, "none", "rx"), -EINVAL);
		must_stop();
	}
}

/* No channel, a reason, and an end: whatever the tree says. */
static void channels_of_bad_trees(void **state)
{
	static const struct {
		size_t bytes;
		uint32_t cells[20];
		const char *names;
		size_t names_bytes;
		long code;
	} rows[] = {
		{ 4, { 1 }, "tx", 3, -EPROBE_DEFER }, /* nobody drives it */
		{ 4, { 2 }, "tx", 3, -ENODEV },
		{ 0, { 0 }, "tx", 3, -ENODEV },
		{ 4, { 0 }, "tx", 3, -ENODEV },
		{ 4, { 99 }, "tx", 3, -ENODEV },
		{ 72, { 3 }, "tx", 3, -ENODEV },
		{ 4, { 1 }, "tx", 2, -ENODEV }, /* a name without its end */
		{ 4, { 1 }, "", 0, -ENODEV },
		{ 4, { 1 }, "\0tx", 4, -ENODEV }, /* a name without an entry */
		{ 8, { 1, 99 }, "tx\0tx", 6, -EPROBE_DEFER },
		{ 8, { 99, 1 }, "tx\0tx", 6, -ENODEV },
		{ 2, { 1 }, "tx", 3, -ENODEV },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct dma_chan *chan;

		begin_targets();
		begin_device("client");
		a_list("dmas", rows[i].cells, rows[i].bytes);
		a_property("dma-names", rows[i].names, rows[i].names_bytes);
		fdt_end(&fdt);
		start_within_seconds(0);
		berth_clear_error();
		chan = dma_request_chan(device_at("/client"), "tx");
		assert_int_equal(PTR_ERR(chan), rows[i].code);
		assert_int_not_equal(berth_last_error()->code, 0);
		must_stop();
	}
}

/* Thousands of names take no longer than it takes to read them. */
static void many_names_end(void **state)
{
	static const char names[6000];
	const struct device_node *np;

	(void)state;
	begin_with_memory();
	begin_device("client");
	fdt_cells(&fdt, "dmas", 1);
	a_property("dma-names", names, sizeof(names));
	fdt_end(&fdt);
	start_within_seconds(0);
	np = of_find_node_by_path("/client");
	alarm(10);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(of_property_count_strings(np, "dma-names"), sizeof(names));
		assert_int_equal(of_property_match_string(np, "dma-names", "tx"), -ENODATA);
		assert_int_equal(PTR_ERR(dma_request_chan(device_at("/client"), "tx")), -ENODEV);
	}
	alarm(0);
	must_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(phandles_with_arguments),
		cmocka_unit_test(lists_of_strings),
		cmocka_unit_test(channels_of_bad_trees),
		cmocka_unit_test(many_names_end),
	};

	return cmocka_run_group_tests_name("hostile lists", tests, NULL, NULL);
}
