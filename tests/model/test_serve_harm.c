// SPDX-License-Identifier: BSD-2-Clause
/* The server of nodes, and clients that mean harm. */
#include "serving.h"

static void nonsense_ends_the_connection(void **state)
{
	static uint8_t bytes[100000];
	const struct berth_serve_request hello = { BERTH_SERVE_MAGIC, .op = BERTH_SERVE_HELLO };
	struct berth_serve_request wrong[] = { hello, hello, hello, hello, hello, hello };
	const unsigned int nr = sizeof(wrong) / sizeof(wrong[0]);
	static const size_t sizes[] = { 1, 4, 39, 41, 100, 16424, 16425, 100000 };

	(void)state;
	wrong[0].magic++;
	wrong[1].op = 0;
	wrong[2].op = 99;
	wrong[3].size = 1;
	wrong[4].size = UINT32_MAX;
	wrong[5].op = UINT32_MAX;
	for (unsigned int i = 0; i < nr; i++)
		assert_int_equal(ask(&wrong[i], NULL, 0), 1);
	for (unsigned int i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		int socket = connect_raw();

		memcpy(bytes, &hello, sizeof(hello));
		send_raw(socket, bytes, sizes[i], NULL, 0);
		assert_int_equal(answer(socket), 1);
		close(socket);
	}
	assert_int_equal(ask(&hello, NULL, 0), 0);
	until_idle();
	assert_int_equal(stats().dropped, nr + sizeof(sizes) / sizeof(sizes[0]));
}

static void descriptors_that_are_forged(void **state)
{
	struct berth_serve_request read_it = { BERTH_SERVE_MAGIC, .op = BERTH_SERVE_READ,
					       .length = 4 };
	const struct berth_serve_request hello = { BERTH_SERVE_MAGIC, .op = BERTH_SERVE_HELLO };
	int node = berth_client_open("dut", O_RDWR), many[64], pair[2], asking = connect_raw();
	struct sockaddr_un own;
	socklen_t size = sizeof(own);
	int same;

	(void)state;
	assert_int_equal(ask(&read_it, NULL, 0), 1);
	for (unsigned int i = 0; i < 64; i++)
		many[i] = node;
	for (unsigned int i = 2; i <= 64; i += 31)
		assert_int_equal(ask(&read_it, many, i), 1);
	assert_int_equal(ask(&hello, many, 1), 1);
	assert_int_equal(ask(&read_it, &node, 1), -EAGAIN);
	/* Not an open node: a file, a pipe, a socket pair, a connection that only asks. */
	pair[0] = open("/dev/null", O_RDWR);
	assert_int_equal(ask(&read_it, pair, 1), -EBADF);
	close(pair[0]);
	assert_int_equal(pipe(pair), 0);
	assert_int_equal(ask(&read_it, pair, 1), -EBADF);
	close(pair[0]);
	close(pair[1]);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	assert_int_equal(ask(&read_it, pair, 1), -EBADF);
	close(pair[0]);
	close(pair[1]);
	assert_int_equal(ask(&read_it, &asking, 1), -EBADF);
	/* Nobody else can have the name to which it is bound. */
	assert_int_equal(getsockname(node, (struct sockaddr *)&own, &size), 0);
	same = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	assert_int_equal(bind(same, (struct sockaddr *)&own, size), -1);
	assert_int_equal(errno, EADDRINUSE);
	close(same);
	close(asking);
	close(node);
	until_idle();
}

/* A node's connection takes no requests, one that asks becomes no node, a mapping answers nothing. */
static void each_connection_has_one_use(void **state)
{
	const struct berth_serve_request hello = { BERTH_SERVE_MAGIC, .op = BERTH_SERVE_HELLO };
	struct {
		struct berth_serve_request request;
		char name[3];
	} open_it = { { BERTH_SERVE_MAGIC, .op = BERTH_SERVE_OPEN, .size = 3 }, "dut" };
	int socket = connect_raw(), node = berth_client_open("dut", O_RDWR), connection, fd;
	struct pollfd entry = { .fd = node, .events = POLLIN };

	(void)state;
	send_raw(socket, &hello, sizeof(hello), NULL, 0);
	assert_int_equal(answer(socket), 0);
	send_raw(socket, &open_it, sizeof(open_it.request) + 3, NULL, 0);
	assert_int_equal(answer(socket), -EINVAL);
	send_raw(node, &hello, sizeof(hello), NULL, 0);
	send_raw(node, "", 0, NULL, 0);
	send_raw(node, &fd, 1, &socket, 1);
	assert_int_equal(berth_client_read(node, &fd, 4), -EAGAIN);
	assert_int_equal(poll(&entry, 1, 0), 0);
	fd = berth_client_map(node, 0, PAGE_SIZE, &connection);
	assert_true(fd >= 0);
	send_raw(connection, &hello, sizeof(hello), NULL, 0);
	assert_int_equal(answer(connection), 1);
	close(fd);
	close(connection);
	close(socket);
	/* Half of it closed is all of it closed. */
	assert_int_equal(shutdown(node, SHUT_WR), 0);
	assert_true(recv(node, &fd, 4, 0) <= 0);
	close(node);
	until_idle();
}

/* It is not waited for, and its answers are not kept. */
static void a_client_that_never_reads(void **state)
{
	const struct berth_serve_request hello = { BERTH_SERVE_MAGIC, .op = BERTH_SERVE_HELLO };
	int socket = connect_raw(), node = berth_client_open("dut", O_RDWR);
	uint32_t count;
	unsigned int sent = 0;

	(void)state;
	while (send(socket, &hello, sizeof(hello), MSG_NOSIGNAL) > 0)
		assert_true(++sent < 100000);
	assert_true(errno == EPIPE || errno == ECONNRESET);
	for (unsigned int i = 0; i < 10000; i++)
		event();
	assert_int_equal(berth_client_read(node, &count, 4), 4);
	assert_int_equal(count, 10000);
	close(socket);
	close(node);
	until_idle();
}

static void too_many_connections(void **state)
{
	const struct berth_serve_request hello = { BERTH_SERVE_MAGIC, .op = BERTH_SERVE_HELLO };
	int silent[40], nodes[7];

	(void)state;
	assert_int_equal(stop(state), 0);
	start_with(8);
	for (unsigned int i = 0; i < 7; i++) {
		nodes[i] = berth_client_open("dut", O_RDWR);
		assert_true(nodes[i] >= 0);
	}
	/* Who says nothing makes room; who has a node open keeps it. */
	for (unsigned int i = 0; i < 40; i++)
		silent[i] = connect_raw();
	assert_true(berth_client_refresh(0) == -ENOENT);
	for (unsigned int i = 0; i < 40; i++)
		close(silent[i]);
	for (unsigned int i = 0; i < 7; i++) {
		uint32_t count;

		assert_int_equal(berth_client_read(nodes[i], &count, 4), -EAGAIN);
		close(nodes[i]);
	}
	until_idle();
	assert_true(stats().refused > 0);
	assert_int_equal(ask(&hello, NULL, 0), 0);
	until_idle();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nonsense_ends_the_connection), TEST(descriptors_that_are_forged),
		TEST(each_connection_has_one_use),  TEST(a_client_that_never_reads),
		TEST(too_many_connections),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
