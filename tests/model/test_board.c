// SPDX-License-Identifier: BSD-2-Clause
/* A tree that is read without being started: berth/board.h, and what of.h says meanwhile. */
#include "machine.h"

#include <berth/board.h>
#include <berth/cma.h>
#include <berth/dma-mapping.h>
#include <berth/memblock.h>

static void *memory;

static int open_tree(const void *tree, const char *bootargs)
{
	struct berth_options options = { .bootargs = bootargs };
	size_t bytes = berth_board_bytes(tree);

	free(memory);
	memory = malloc(bytes);
	return bytes ? berth_board_open(tree, &options, memory) : -EINVAL;
}

static bool find_reserved(const char *name, struct berth_board_reserved *res)
{
	for (unsigned int i = 0; berth_board_reserved(i, res); i++)
		if (!strcmp(res->name, name))
			return true;
	return false;
}

static void reservations_have_their_places(void **state)
{
	struct berth_board_reserved res;
	struct berth_range range;

	(void)state;
	assert_int_equal(open_tree(tree_buses, NULL), 0);
	assert_true(find_reserved("firmware@41f00000", &res));
	assert_int_equal(res.base, 0x41f00000);
	assert_ptr_equal(res.node, of_find_node_by_path("/reserved-memory/firmware"));
	assert_true(find_reserved("shared", &res));
	assert_true(res.is_placed && res.base >= 0x40000000 && res.base < 0x42000000);
	assert_true(find_reserved("impossible", &res));
	assert_false(res.is_placed);
	assert_false(find_reserved("default", &res));
	assert_true(berth_board_memreserve(0, &range));
	assert_int_equal(range.base, 0x40010000);
	assert_false(berth_board_memreserve(1, &range));
	assert_true(memblock_is_memory(0x100000000));
	assert_memory_equal(berth_board_bootarg("mem"), "1G", 3);
	assert_null(berth_board_bootarg("cma"));
	berth_board_close();
	assert_false(berth_board_reserved(0, &res));
	assert_false(berth_board_memreserve(0, &range));
	assert_null(berth_board_bootarg("mem"));
	assert_null(of_find_all_nodes(NULL));
	assert_int_equal(memblock_phys_mem_size(), 0);
	berth_board_close();
}

/* As on Linux: the tree's default area is not set up at all. */
static void an_argument_takes_the_default_area_s_place(void **state)
{
	struct berth_board_reserved res;

	(void)state;
	assert_int_equal(open_tree(tree_buses, "cma=6M"), 0);
	assert_false(find_reserved("shared", &res));
	assert_true(find_reserved("own@100400000", &res));
	assert_true(find_reserved("default", &res));
	assert_null(res.node);
	assert_int_equal(res.size, 6 << 20);
	berth_board_close();
	assert_int_equal(open_tree(tree_buses, "cma=0"), 0);
	assert_false(find_reserved("shared", &res));
	assert_false(find_reserved("default", &res));
	berth_board_close();
}

/* The same tree, started: what was read is what happens. */
static void a_start_does_what_was_read(void **state)
{
	struct berth_board_reserved res;
	phys_addr_t shared;

	(void)state;
	assert_int_equal(open_tree(tree_buses, NULL), 0);
	assert_true(find_reserved("shared", &res));
	shared = res.base;
	berth_board_close();
	must_start(tree_buses, NULL, NULL);
	assert_int_equal(cma_get_base(berth_cma_default()), shared);
	must_stop();
}

static void one_at_a_time(void **state)
{
	(void)state;
	must_start(tree_buses, NULL, NULL);
	assert_int_equal(open_tree(tree_minimal, NULL), -EBUSY);
	assert_reason(BERTH_REASON_STATE);
	berth_board_close();
	assert_true(berth_running());
	assert_non_null(of_find_node_by_path("/reserved-memory/shared"));
	must_stop();

	assert_int_equal(open_tree(tree_buses, NULL), 0);
	assert_int_equal(berth_board_open(tree_buses, NULL, memory), -EBUSY);
	assert_int_equal(start_tree(tree_minimal, NULL, NULL), -EBUSY);
	assert_reason(BERTH_REASON_STATE);
	assert_non_null(of_find_node_by_path("/reserved-memory/shared"));
	berth_board_close();
	must_start(tree_buses, NULL, NULL);
	must_stop();
}

/* A tree that cannot be read leaves nothing open. */
static void a_bad_argument_leaves_nothing(void **state)
{
	(void)state;
	assert_int_equal(open_tree(tree_buses, "cma=1000000G"), -EINVAL);
	assert_reason(BERTH_REASON_ARGUMENT);
	assert_null(of_find_all_nodes(NULL));
	must_start(tree_minimal, NULL, NULL);
	must_stop();
}

/* Damage is told with the node that it is in. */
static void damage_has_a_place(void **state)
{
	unsigned char *copy = malloc(tree_buses_size), *at;

	(void)state;
	memcpy(copy, tree_buses, tree_buses_size);
	at = memmem(copy, tree_buses_size, "own@100400000", 14);
	assert_non_null(at);
	memset(at + 16, 0x33, 4); /* the tag behind the name */
	assert_int_equal(berth_board_bytes(copy), 0);
	assert_reason(BERTH_REASON_TREE);
	assert_string_equal(berth_last_error()->subject, "own@100400000");
	assert_int_equal(start_tree(copy, NULL, NULL), -EINVAL);
	assert_string_equal(berth_last_error()->subject, "own@100400000");

	/* A property whose name has no end. */
	memcpy(copy, tree_buses, tree_buses_size);
	at = memmem(copy, tree_buses_size, "own@100400000", 14);
	memset(at + 24, 0x7f, 4);
	assert_int_equal(berth_board_bytes(copy), 0);
	assert_string_equal(berth_last_error()->subject, "own@100400000");

	/* Not in a node: the header. */
	memcpy(copy, tree_buses, tree_buses_size);
	copy[0] = 0;
	assert_int_equal(berth_board_bytes(copy), 0);
	assert_memory_equal(berth_last_error()->subject, "FDT_ERR_", 8);
	free(copy);
}

static void nodes_and_strings_are_listed(void **state)
{
	const struct device_node *node = NULL, *last = NULL;
	const char *text;
	unsigned int count = 0;

	(void)state;
	assert_int_equal(open_tree(tree_buses, NULL), 0);
	while ((node = of_find_all_nodes(node))) {
		assert_true(count++ || node == berth_of_root());
		last = node;
	}
	assert_true(count > 10);
	assert_null(of_find_all_nodes(last));
	node = of_find_node_by_path("cam");
	assert_int_equal(of_property_read_string_index(node, "reg-names", 1, &text), 0);
	assert_string_equal(text, "data");
	assert_int_equal(of_property_read_string_index(node, "reg-names", 2, &text), -ENODATA);
	assert_int_equal(of_property_read_string_index(node, "none", 0, &text), -EINVAL);
	assert_int_equal(of_property_read_string_index(node, "reg", 99, &text), -EILSEQ);
	berth_board_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reservations_have_their_places),
		cmocka_unit_test(an_argument_takes_the_default_area_s_place),
		cmocka_unit_test(a_start_does_what_was_read),
		cmocka_unit_test(one_at_a_time),
		cmocka_unit_test(a_bad_argument_leaves_nothing),
		cmocka_unit_test(damage_has_a_place),
		cmocka_unit_test(nodes_and_strings_are_listed),
	};
	int failed = cmocka_run_group_tests_name("board", tests, NULL, NULL);

	free(memory);
	return failed;
}
