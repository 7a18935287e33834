// SPDX-License-Identifier: BSD-2-Clause
/* The server of nodes: what a client may say, and what it may not. Clients are threads here, with sockets of their own. */
#include <sys/mman.h>

#include "serving.h"

static void a_node_is_opened_read_and_written(void **state)
{
	int fd = berth_client_open("dut", O_RDWR);
	struct pollfd entry = { .fd = fd, .events = POLLIN };
	uint32_t count, one = 1, wrong = 2;
	char name[BERTH_SERVE_NAME_MOST];

	(void)state;
	assert_true(fd >= 0);
	assert_true(berth_client_is_node(fd));
	assert_false(berth_client_is_node(0));
	assert_int_equal(berth_client_name(fd, name), 0);
	assert_string_equal(name, "dut");
	assert_int_equal(berth_client_read(fd, &count, 4), -EAGAIN);
	assert_int_equal(berth_client_read(fd, &count, 3), -EINVAL);
	assert_int_equal(poll(&entry, 1, 0), 0);
	assert_int_equal(berth_client_write(fd, &one, 4), 4);
	assert_int_equal(berth_client_write(fd, &wrong, 4), -EIO);
	assert_int_equal(berth_client_write(fd, &wrong, 3), -EINVAL);
	assert_int_equal(berth_client_ioctl(fd, 1, NULL), -ENOTTY);
	assert_int_equal(poll(&entry, 1, 60000), 1);
	/* The count is that of now, not of when the client was told. */
	event();
	event();
	assert_int_equal(berth_client_read(fd, &count, 4), 4);
	assert_int_equal(count, 3);
	close(fd);
	until_idle();
}

/* With the kernel's own read() and write(): each count once, and the last one is not lost. */
static void the_descriptor_alone_is_enough(void **state)
{
	int fd = berth_client_open("dut", O_RDWR);
	uint32_t count = 0, last = 0, one = 1;

	(void)state;
	for (unsigned int i = 1; i <= 100; i++) {
		assert_int_equal(write(fd, &one, 4), 4);
		if (i % 3)
			continue;
		while (last < i) {
			assert_int_equal(read(fd, &count, 4), 4);
			assert_true(count > last && count <= i);
			last = count;
		}
	}
	close(fd);
	until_idle();
	assert_int_equal(GET(dut.writes), 100);
}

static void the_rights_of_an_open_node(void **state)
{
	int only_read = berth_client_open("dut", O_RDONLY);
	int only_write = berth_client_open("dut", O_WRONLY);
	uint32_t value = 1;
	int connection, fd;

	(void)state;
	assert_int_equal(berth_client_write(only_read, &value, 4), -EBADF);
	assert_int_equal(berth_client_read(only_write, &value, 4), -EBADF);
	assert_int_equal(berth_client_map(only_write, 0, PAGE_SIZE, &connection), -EACCES);
	fd = berth_client_map(only_read, 0, PAGE_SIZE, &connection);
	assert_true(fd >= 0);
	assert_ptr_equal(mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0),
			 MAP_FAILED);
	close(fd);
	close(connection);
	close(only_read);
	close(only_write);
	assert_int_equal(berth_client_open("dut", O_ACCMODE), -EINVAL);
	assert_int_equal(berth_client_open("nothing", O_RDWR), -ENOENT);
	assert_int_equal(berth_client_open("../dut", O_RDWR), -ENOENT);
	assert_int_equal(berth_client_open("", O_RDWR), -ENOENT);
	until_idle();
}

/* What the client maps is the node's memory and not a byte more; the mapping holds the node. */
static void a_mapping_is_that_memory_and_no_more(void **state)
{
	int node = berth_client_open("dut", O_RDWR), connection, fd;
	struct stat status;
	volatile uint8_t *map;
	uint8_t bytes[16] = { 0 };

	(void)state;
	fd = berth_client_map(node, PAGE_SIZE, PAGE_SIZE, &connection);
	assert_true(fd >= 0);
	map = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(map, MAP_FAILED);
	map[5] = 0x42;
	assert_int_equal(GET(dut.pages[PAGE_SIZE + 5]), 0x42);
	__atomic_store_n(&dut.pages[PAGE_SIZE + 6], 0x43, __ATOMIC_SEQ_CST);
	assert_int_equal(map[6], 0x43);
	assert_int_equal(fstat(fd, &status), 0);
	assert_int_equal(status.st_size, PAGE_SIZE);
	assert_int_equal(ftruncate(fd, 0), -1);
	assert_int_equal(ftruncate(fd, 2 * PAGE_SIZE), -1);
	assert_int_equal(pwrite(fd, bytes, 16, PAGE_SIZE), -1);
	assert_int_equal(pwrite(fd, bytes, 16, PAGE_SIZE - 8), 8);
	close(node);
	for (unsigned int i = 0; i < WAITS && stats().files; i++)
		usleep(10000);
	assert_int_equal(GET(dut.releases), 0);
	assert_int_equal(stats().mappings, 1);
	assert_int_equal(GET(dut.pages[PAGE_SIZE + 5]), 0x42);
	/* A liar lets go and goes on: it is not the node's memory any more. */
	close(connection);
	for (unsigned int i = 0; i < WAITS && !GET(dut.releases); i++)
		usleep(10000);
	map[5] = 0x66;
	assert_int_equal(GET(dut.pages[PAGE_SIZE + 5]), 0x42);
	munmap((void *)(uintptr_t)map, PAGE_SIZE);
	close(fd);
	until_idle();
}

static void mappings_that_are_refused(void **state)
{
	static const struct {
		uint64_t offset, length;
	} cases[] = {
		{ 0, 0 },
		{ 0, 3 * PAGE_SIZE },
		{ 2 * PAGE_SIZE, PAGE_SIZE },
		{ PAGE_SIZE, 2 * PAGE_SIZE },
		{ 1, PAGE_SIZE },
		{ PAGE_SIZE / 2, 1 },
		{ UINT64_MAX - PAGE_SIZE + 1, PAGE_SIZE },
		{ UINT64_MAX / 2 + 1, PAGE_SIZE },
		{ 0, UINT64_MAX },
		{ PAGE_SIZE, UINT64_MAX - PAGE_SIZE + 1 },
		{ 0, 1ull << 46 },
	};
	int node = berth_client_open("dut", O_RDWR), connection;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int ret = berth_client_map(node, cases[i].offset, cases[i].length, &connection);

		assert_true(ret == -EINVAL || ret == -ENOMEM || ret == -EOVERFLOW);
	}
	close(node);
	until_idle();
}

static void attributes_are_files(void **state)
{
	char tree[256], path[512], text[32];
	struct stat status;
	int fd, own;

	(void)state;
	assert_int_equal(berth_client_tree(tree, sizeof(tree)), 0);
	snprintf(path, sizeof(path), "%s/sys/class/uio/dut/event", tree);
	own = fd = open(path, O_RDONLY);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &status), 0);
	event();
	assert_int_equal(berth_client_refresh(status.st_ino), 0);
	assert_int_equal(pread(fd, text, sizeof(text), 0), 2);
	assert_memory_equal(text, "1\n", 2);
	/* Who is told that it changed need not ask. */
	event();
	berth_node_changed(dut.node);
	for (unsigned int i = 0; i < WAITS && text[0] != '2'; i++) {
		usleep(10000);
		assert_int_equal(pread(fd, text, sizeof(text), 0), 2);
	}
	assert_memory_equal(text, "2\n", 2);
	assert_int_equal(berth_client_refresh(1), -ENOENT);
	close(own);
	snprintf(path, sizeof(path), "%s/dev/dut", tree);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode, S_IFREG | S_ISVTX | 0600);
	berth_node_unregister(dut.node);
	dut.node = NULL;
	assert_int_equal(berth_client_tree(tree, sizeof(tree)), 0);
	assert_int_equal(stat(path, &status), -1);
	snprintf(path, sizeof(path), "%s/sys/class/uio", tree);
	assert_int_equal(stat(path, &status), -1);
	berth_serve_stop();
	assert_int_equal(stat(tree, &status), -1);
}

static void the_device_goes(void **state)
{
	int fd = berth_client_open("dut", O_RDWR);
	struct pollfd entry = { .fd = fd, .events = POLLIN };
	uint32_t count;

	(void)state;
	__atomic_store_n(&dut.is_gone, 1, __ATOMIC_SEQ_CST);
	wake_up(&dut.queue);
	assert_int_equal(poll(&entry, 1, 60000), 1);
	assert_int_equal(recv(fd, &count, 4, 0), 0);
	assert_int_equal(berth_client_read(fd, &count, 4), -EIO);
	close(fd);
	until_idle();
}

static void the_server_goes(void **state)
{
	int fd = berth_client_open("dut", O_RDWR), connection, shown;
	uint32_t count;

	(void)state;
	shown = berth_client_map(fd, 0, PAGE_SIZE, &connection);
	berth_serve_stop();
	assert_int_equal(GET(dut.releases), 1);
	assert_int_equal(recv(fd, &count, 4, 0), 0);
	assert_int_equal(recv(connection, &count, 4, 0), 0);
	assert_int_equal(berth_client_read(fd, &count, 4), -ECONNREFUSED);
	close(fd);
	close(shown);
	close(connection);
	assert_string_equal(berth_serve_name(), "");
}

/* Whatever allocation fails, the client is told so, and nothing is kept. */
static void every_allocation_fails_once(void **state)
{
	bool has_failed = true;

	(void)state;
	for (uint64_t nth = 1; has_failed; nth++) {
		int fd, shown = -1, connection = -1;

		berth_test_fail_nth(nth);
		fd = berth_client_open("dut", O_RDWR);
		if (fd >= 0)
			shown = berth_client_map(fd, 0, PAGE_SIZE, &connection);
		has_failed = berth_test_failed();
		berth_test_fail_nth(0);
		assert_true(fd >= 0 || fd == -ENOMEM);
		assert_true(shown >= 0 || shown == -ENOMEM || fd < 0);
		assert_true(has_failed || (fd >= 0 && shown >= 0));
		assert_true(nth < 1000);
		if (shown >= 0) {
			close(shown);
			close(connection);
		}
		if (fd >= 0)
			close(fd);
		until_idle();
	}
}

static int bind_name(int *fd)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	*fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	strcpy(address.sun_path + 1, NAME);
	return bind(*fd, (struct sockaddr *)&address,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(NAME)));
}

static void starts_that_are_refused(void **state)
{
	char name[200];
	int other;
	struct berth_serve_options options = { .name = name };
	int pair[2];

	(void)state;
	assert_int_equal(berth_serve_start(NULL), -EINVAL);
	assert_int_equal(berth_last_error()->reason, BERTH_REASON_STATE);
	assert_int_equal(berth_serve_adopt(0), -EINVAL);
	assert_int_equal(pipe(pair), 0);
	assert_int_equal(berth_serve_adopt(pair[0]), -EINVAL);
	close(pair[0]);
	close(pair[1]);
	berth_serve_stop();
	berth_serve_stop();
	assert_int_equal(berth_serve_adopt(0), -EINVAL);
	memset(name, 'x', sizeof(name));
	name[101] = '\0';
	assert_int_equal(berth_serve_start(&options), -EINVAL);
	name[0] = '\0';
	assert_int_equal(berth_serve_start(&options), -EINVAL);
	options = (struct berth_serve_options){ .name = NAME, .connections = 1u << 20 };
	assert_int_equal(berth_serve_start(&options), -EINVAL);
	options.connections = 0;
	/* Somebody has the name. */
	assert_int_equal(bind_name(&other), 0);
	assert_int_equal(berth_serve_start(&options), -EADDRINUSE);
	assert_int_equal(berth_last_error()->reason, BERTH_REASON_IO);
	assert_string_equal(berth_serve_name(), "");
	close(other);
	assert_int_equal(berth_serve_start(&options), 0);
}

/* With no socket, who is given the other end of a pair is a client. */
static void a_pair_is_adopted(void **state)
{
	const struct berth_serve_options options = { .own_only = true };
	const struct berth_serve_request hello = { BERTH_SERVE_MAGIC, .op = BERTH_SERVE_HELLO };
	struct {
		struct berth_serve_request request;
		char name[3];
	} open_it = { { BERTH_SERVE_MAGIC, .op = BERTH_SERVE_OPEN, .size = 3 }, "dut" };
	uint32_t count;
	int pair[2];

	(void)state;
	berth_serve_stop();
	assert_int_equal(berth_serve_start(&options), 0);
	fds_at_start = descriptors();
	assert_int_equal(berth_client_refresh(1), -ECONNREFUSED);
	for (unsigned int i = 0; i < 2; i++) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
		assert_int_equal(berth_serve_adopt(pair[1]), 0);
		if (i)
			send_raw(pair[0], &hello, sizeof(hello), NULL, 0);
		else
			send_raw(pair[0], &open_it, sizeof(open_it.request) + 3, NULL, 0);
		assert_int_equal(answer(pair[0]), 0);
		if (!i) {
			event();
			assert_int_equal(recv(pair[0], &count, 4, 0), 4);
			assert_int_equal(count, 1);
		}
		close(pair[0]);
	}
	until_idle();
}

static uint32_t is_over;

static void *be_a_client(void *seed)
{
	unsigned int random = (unsigned int)(uintptr_t)seed;

	for (unsigned int i = 0; i < 60; i++) {
		int fd = berth_client_open("dut", O_RDWR | (int)(random % 2 ? O_NONBLOCK : 0));
		int shown = -1, connection;
		uint32_t count, one = 1;

		random = random * 1103515245u + 12345u;
		if (fd < 0)
			continue; /* just now there is no such node */
		if (random & 0x10000)
			shown = berth_client_map(fd, 0, PAGE_SIZE, &connection);
		berth_client_write(fd, &one, 4);
		berth_client_read(fd, &count, 4);
		if (random & 0x20000)
			recv(fd, &count, 4, MSG_DONTWAIT);
		if (shown >= 0) {
			close(shown);
			close(connection);
		}
		close(fd);
	}
	return NULL;
}

static void *be_a_driver(void *unused)
{
	(void)unused;
	while (!GET(is_over)) {
		event();
		berth_node_changed(dut.node);
		berth_node_unregister(dut.node);
		assert_true(add_dut());
		usleep(1000);
	}
	return NULL;
}

static void many_at_once(void **state)
{
	pthread_t clients[4], driver;

	(void)state;
	is_over = 0;
	assert_int_equal(pthread_create(&driver, NULL, be_a_driver, NULL), 0);
	for (uintptr_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&clients[i], NULL, be_a_client, (void *)(i + 1)),
				 0);
	for (unsigned int i = 0; i < 4; i++)
		pthread_join(clients[i], NULL);
	__atomic_store_n(&is_over, 1, __ATOMIC_SEQ_CST);
	pthread_join(driver, NULL);
	until_idle();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_node_is_opened_read_and_written),
		TEST(the_descriptor_alone_is_enough),
		TEST(the_rights_of_an_open_node),
		TEST(a_mapping_is_that_memory_and_no_more),
		TEST(mappings_that_are_refused),
		TEST(attributes_are_files),
		TEST(the_device_goes),
		TEST(the_server_goes),
		TEST(every_allocation_fails_once),
		TEST(starts_that_are_refused),
		TEST(a_pair_is_adopted),
		TEST(many_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
