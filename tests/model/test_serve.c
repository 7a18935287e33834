// SPDX-License-Identifier: BSD-2-Clause
/* The server of nodes: what a client may say, and what it may not. Clients are threads here, with sockets of their own. */
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
#include "serve/protocol.h"
#include "trees.h"

#define WAITS 6000 /* of 10 ms */
#define NAME "berth-test-serve"
#define GET(x) __atomic_load_n(&(x), __ATOMIC_SEQ_CST)

/* A node of the test's own: counts events as UIO does. */
static struct {
	struct wait_queue_head queue;
	uint32_t events;
	uint32_t opens, releases, writes;
	uint32_t is_gone;
	uint8_t *pages;
	struct berth_node *node;
} dut;

static int dut_open(struct inode *inode, struct file *file)
{
	(void)inode;
	file->private_data = (void *)(uintptr_t)GET(dut.events);
	__atomic_fetch_add(&dut.opens, 1, __ATOMIC_SEQ_CST);
	return 0;
}

static int dut_release(struct inode *inode, struct file *file)
{
	(void)inode;
	(void)file;
	__atomic_fetch_add(&dut.releases, 1, __ATOMIC_SEQ_CST);
	return 0;
}

static long dut_read(struct file *file, char *buf, size_t count, berth_loff_t *pos)
{
	const uint32_t events = GET(dut.events);
	const uint32_t before = (uint32_t)(uintptr_t)__atomic_exchange_n(
		&file->private_data, (void *)(uintptr_t)events, __ATOMIC_SEQ_CST);

	(void)pos;
	if (GET(dut.is_gone))
		return -EIO;
	if (count != sizeof(events)) {
		__atomic_store_n(&file->private_data, (void *)(uintptr_t)before, __ATOMIC_SEQ_CST);
		return -EINVAL;
	}
	if (before == events)
		return -EAGAIN;
	memcpy(buf, &events, sizeof(events));
	return sizeof(events);
}

static void event(void)
{
	__atomic_fetch_add(&dut.events, 1, __ATOMIC_SEQ_CST);
	wake_up(&dut.queue);
}

static long dut_write(struct file *file, const char *buf, size_t count, berth_loff_t *pos)
{
	uint32_t value;

	(void)file;
	(void)pos;
	if (count != sizeof(value))
		return -EINVAL;
	memcpy(&value, buf, sizeof(value));
	__atomic_fetch_add(&dut.writes, 1, __ATOMIC_SEQ_CST);
	if (value > 1)
		return -EIO;
	if (value)
		event();
	return sizeof(value);
}

static unsigned int dut_poll(struct file *file, struct poll_table_struct *table)
{
	poll_wait(file, &dut.queue, table);
	return GET(dut.is_gone) || GET(dut.events) != (uint32_t)(uintptr_t)GET(file->private_data)
		       ? BERTH_POLLIN
		       : 0;
}

static int dut_mmap(struct file *file, struct vm_area_struct *vma)
{
	(void)file;
	if (vma->vm_pgoff + vma_pages(vma) > 2)
		return -EINVAL;
	return remap_pfn_range(vma, vma->vm_start,
			       (unsigned long)(virt_to_phys(dut.pages) >> PAGE_SHIFT) +
				       vma->vm_pgoff,
			       vma_pages(vma) << PAGE_SHIFT, BERTH_MEMORY_CACHED);
}

static const struct file_operations dut_ops = {
	.open = dut_open,
	.release = dut_release,
	.read = dut_read,
	.write = dut_write,
	.poll = dut_poll,
	.mmap = dut_mmap,
};

static long show_events(void *priv, const struct berth_node_attr *attr, char *buf)
{
	(void)priv;
	(void)attr;
	return sprintf(buf, "%u\n", GET(dut.events));
}

static const struct berth_node_attr dut_attrs[] = { { "event", show_events, 0 } };

static void add_node(void)
{
	const struct berth_node_info info = {
		.name = "dut",
		.class_name = "uio",
		.fops = &dut_ops,
		.attrs = dut_attrs,
		.nr_attrs = 1,
	};

	dut.node = berth_node_register(&info);
	assert_false(IS_ERR(dut.node));
}

static uint64_t used_at_start;
static unsigned int fds_at_start;

static unsigned int descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int nr = 0;

	while (readdir(dir))
		nr++;
	closedir(dir);
	return nr;
}

static uint64_t used(void)
{
	struct berth_memory_info info;

	berth_memory_info(&info);
	return info.used;
}

static struct berth_serve_stats stats(void)
{
	struct berth_serve_stats now;

	berth_serve_stats(&now);
	return now;
}

/* What the port keeps from the first sharing on is there. */
static void share_once(void)
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

static int start_with(unsigned int connections)
{
	const struct berth_options options = { .machine = &berth_model };
	const struct berth_serve_options serve = { .name = NAME, .connections = connections };

	setenv(BERTH_SERVE_ENV, NAME, 1);
	memset(&dut, 0, sizeof(dut));
	init_waitqueue_head(&dut.queue);
	assert_int_equal(berth_start(tree_minimal, NULL, &options), 0);
	dut.pages = (uint8_t *)__get_free_pages(GFP_KERNEL | __GFP_ZERO, 1);
	assert_non_null(dut.pages);
	add_node();
	assert_int_equal(berth_serve_start(&serve), 0);
	share_once();
	fds_at_start = descriptors();
	used_at_start = used();
	return 0;
}

static int start(void **state)
{
	(void)state;
	return start_with(0);
}

/* What a client has let go of, the server lets go of; when, nobody knows. */
static void until_idle(void)
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

static int stop(void **state)
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
	assert_int_equal(berth_client_name(fd, name), O_RDWR & O_ACCMODE ? 0 : 0);
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

static int connect_raw(void)
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

static void send_raw(int socket, const void *bytes, size_t size, const int *fds, unsigned int nr)
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
static int64_t answer(int socket)
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

static int64_t ask(const struct berth_serve_request *request, const int *fds, unsigned int nr)
{
	int socket = connect_raw();
	int64_t result;

	send_raw(socket, request, sizeof(*request), fds, nr);
	result = answer(socket);
	close(socket);
	return result;
}

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
	assert_int_equal(recv(node, &fd, 4, 0), 0);
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

static void starts_that_are_refused(void **state)
{
	char name[200];
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
		add_node();
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_node_is_opened_read_and_written),
		TEST(the_descriptor_alone_is_enough),
		TEST(the_rights_of_an_open_node),
		TEST(a_mapping_is_that_memory_and_no_more),
		TEST(mappings_that_are_refused),
		TEST(nonsense_ends_the_connection),
		TEST(descriptors_that_are_forged),
		TEST(each_connection_has_one_use),
		TEST(a_client_that_never_reads),
		TEST(too_many_connections),
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
