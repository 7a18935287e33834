/* SPDX-License-Identifier: BSD-2-Clause */
/* A server with one node, for tests, and a client that says what it likes. */
#ifndef TESTS_MODEL_SERVING_H
#define TESTS_MODEL_SERVING_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <dirent.h>
#include <cmocka.h>

#include <berth/berth.h>
#include <berth/fs.h>
#include <berth/gfp.h>
#include <berth/mm.h>
#include <berth/model.h>
#include <berth/serve.h>
#include <berth/test.h>

#include "preload/client.h"
#include <berth/serve-protocol.h>
#include "served_node.h"
#include "trees.h"

#define WAITS 6000 /* of 10 ms */
/* One of this process alone: tests run side by side. */
static char server_name[64];
#define NAME server_name
static uint64_t used_at_start;
static unsigned int fds_at_start;

static inline unsigned int descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int nr = 0;

	while (readdir(dir))
		nr++;
	closedir(dir);
	return nr;
}

static inline uint64_t used(void)
{
	struct berth_memory_info info;

	berth_memory_info(&info);
	return info.used;
}

static inline struct berth_serve_stats stats(void)
{
	struct berth_serve_stats now;

	berth_serve_stats(&now);
	return now;
}

/* What the port keeps from the first sharing on is there. */
static inline void share_once(void)
{
	int fd = berth_client_open("dut", O_RDWR), connection;
	int shown = berth_client_map(fd, 0, PAGE_SIZE, &connection);

	assert_true(shown >= 0);
	close(shown);
	close(connection);
	close(fd);
	for (unsigned int i = 0; i < WAITS && GET(dut.releases) != 1; i++)
		usleep(10000);
	for (unsigned int i = 0; i < WAITS && stats().connections; i++)
		usleep(10000);
	__atomic_store_n(&dut.opens, 0, __ATOMIC_SEQ_CST);
	__atomic_store_n(&dut.releases, 0, __ATOMIC_SEQ_CST);
}

static inline int start_with(unsigned int connections)
{
	const struct berth_options options = { .machine = &berth_model };
	const struct berth_serve_options serve = { .name = NAME, .connections = connections };

	snprintf(server_name, sizeof(server_name), "berth-test-%d", (int)getpid());
	setenv(BERTH_SERVE_ENV, NAME, 1);
	assert_int_equal(berth_start(tree_minimal, NULL, &options), 0);
	assert_true(make_dut());
	assert_int_equal(berth_serve_start(&serve), 0);
	share_once();
	fds_at_start = descriptors();
	used_at_start = used();
	return 0;
}

static inline int start(void **state)
{
	(void)state;
	return start_with(0);
}

/* What a client has let go of, the server lets go of; when, nobody knows. */
static inline void until_idle(void)
{
	for (unsigned int i = 0; i < WAITS && stats().connections; i++)
		usleep(10000);
	assert_int_equal(stats().connections, 0);
	for (unsigned int i = 0; i < WAITS && GET(dut.opens) != GET(dut.releases); i++)
		usleep(10000);
	assert_int_equal(GET(dut.opens), GET(dut.releases));
	for (unsigned int i = 0; i < WAITS && descriptors() != fds_at_start; i++)
		usleep(10000);
	assert_int_equal(descriptors(), fds_at_start);
	for (unsigned int i = 0; i < WAITS && used() != used_at_start; i++)
		usleep(10000);
	assert_int_equal(used(), used_at_start);
}

static inline int stop(void **state)
{
	(void)state;
	berth_serve_stop();
	if (dut.node)
		berth_node_unregister(dut.node);
	assert_int_equal(dut.opens, dut.releases);
	free_pages((unsigned long)dut.pages, 1);
	assert_int_equal(berth_stop(), 0);
	return 0;
}

static inline int connect_raw(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path + 1, NAME);
	assert_int_equal(
		connect(fd, (struct sockaddr *)&address,
			(socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(NAME))),
		0);
	return fd;
}

static inline void send_raw(int socket, const void *bytes, size_t size, const int *fds,
			    unsigned int nr)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(64 * sizeof(int))] = { 0 };
	struct iovec part = { (void *)(uintptr_t)bytes, size };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
	struct cmsghdr *header = (void *)control;

	if (nr) {
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(nr * sizeof(int));
		memcpy(CMSG_DATA(header), fds, nr * sizeof(int));
		message.msg_control = control;
		message.msg_controllen = CMSG_SPACE(nr * sizeof(int));
	}
	assert_int_equal(sendmsg(socket, &message, MSG_NOSIGNAL), (ssize_t)size);
}

/* The reply's result; 1 if the server has hung up. */
static inline int64_t answer(int socket)
{
	struct {
		struct berth_serve_reply reply;
		uint8_t data[BERTH_SERVE_DATA_MOST];
	} packet;
	ssize_t got = recv(socket, &packet, sizeof(packet), 0);

	if (got <= 0)
		return 1;
	assert_true((size_t)got >= sizeof(packet.reply));
	assert_int_equal(packet.reply.magic, BERTH_SERVE_MAGIC);
	assert_int_equal((size_t)got, sizeof(packet.reply) + packet.reply.size);
	return packet.reply.result;
}

static inline int64_t ask(const struct berth_serve_request *request, const int *fds,
			  unsigned int nr)
{
	int socket = connect_raw();
	int64_t result;

	send_raw(socket, request, sizeof(*request), fds, nr);
	result = answer(socket);
	close(socket);
	return result;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

#endif
