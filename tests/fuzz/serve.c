// SPDX-License-Identifier: BSD-2-Clause
/*
 * The server of nodes, and a client that means harm: whatever it sends, with whatever descriptors, the server answers
 * the next one, nobody waits, and nothing is left when the client has gone.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <berth/berth.h>
#include <berth/dma-heap.h>
#include <berth/model.h>
#include <berth/serve.h>
#include <berth/sw_sync.h>
#include <berth/sync_file.h>

#include "model/served_node.h"
#include "preload/client.h"
#include <berth/serve-protocol.h>
#include "trees.h"

#define SOCKETS 6
#define PATIENCE_MS 20000
#define BUFFERS_MOST (off_t)(64 << 20) /* all of RAM */

static char name[64];
static int sockets[SOCKETS];
static bool is_node[SOCKETS];

struct input {
	const uint8_t *bytes;
	size_t size;
};

static void require(int holds)
{
	if (!holds)
		abort();
}

static uint8_t take(struct input *input)
{
	if (!input->size)
		return 0;
	input->size--;
	return *input->bytes++;
}

static uint64_t take_number(struct input *input)
{
	static const uint64_t odd[] = { 0,     1,	   4,	       PAGE_SIZE,   2 * PAGE_SIZE,
					~0ull, 1ull << 63, 1ull << 46, 0xffffffffu, 16384 };
	uint8_t kind = take(input);

	if (kind < 64)
		return kind;
	if (kind < 128)
		return (uint64_t)(kind - 64) * PAGE_SIZE;
	if (kind < 192)
		return odd[(size_t)(kind - 128) % (sizeof(odd) / sizeof(odd[0]))];
	return (uint64_t)take(input) << (kind - 192);
}

static void start(void)
{
	const struct berth_options options = { .machine = &berth_model };
	struct berth_serve_options serve = { .name = name, .connections = 64 };

	snprintf(name, sizeof(name), "berth-fuzz-%d", (int)getpid());
	setenv(BERTH_SERVE_ENV, name, 1);
	require(!berth_start(tree_minimal, NULL, &options));
	require(make_dut());
	require(!berth_dma_heaps_offer() && !berth_sw_sync_offer());
	require(!berth_serve_start(&serve));
	for (unsigned int i = 0; i < SOCKETS; i++)
		sockets[i] = -1;
}

static int connect_it(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const struct sockaddr own = { .sa_family = AF_UNIX };
	const struct timeval patience = { .tv_sec = PATIENCE_MS / 1000 };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path + 1, name);
	require(fd >= 0 && !bind(fd, &own, sizeof(own.sa_family)));
	require(!connect(fd, (struct sockaddr *)&address,
			 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name))));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return fd;
}

static void hang_up(unsigned int which)
{
	if (sockets[which] >= 0)
		close(sockets[which]);
	sockets[which] = -1;
	is_node[which] = false;
}

/* A packet with up to 3 descriptors: those of our connections, and others. */
static bool send_it(unsigned int which, const void *bytes, size_t size, struct input *input)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(3 * sizeof(int))] = { 0 };
	struct iovec part = { (void *)(uintptr_t)bytes, size };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
	struct cmsghdr *header = (void *)control;
	uint8_t kind = take(input);
	unsigned int nr = kind < 160 ? 1 : (kind - 160u) / 24;
	int fds[4];

	for (unsigned int i = 0; i < nr && i < 3; i++) {
		unsigned int chosen = (kind + i) % (SOCKETS + 1);

		fds[i] = chosen < SOCKETS && sockets[chosen] >= 0 ? sockets[chosen] : 2;
	}
	if (nr && nr <= 3) {
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(nr * sizeof(int));
		memcpy(CMSG_DATA(header), fds, nr * sizeof(int));
		message.msg_control = control;
		message.msg_controllen = CMSG_SPACE(nr * sizeof(int));
	}
	return sendmsg(sockets[which], &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0;
}

/* Memory is of a size that stays; another open file is used from now on. */
static void keep(int fd, bool is_memory, unsigned int which)
{
	unsigned int to = 0;

	if (is_memory) {
		require(lseek(fd, 0, SEEK_END) <= BUFFERS_MOST);
		require(ftruncate(fd, 0) < 0);
		close(fd);
		return;
	}
	while (to < SOCKETS && sockets[to] >= 0)
		to++;
	to = to < SOCKETS ? to : (which + 1) % SOCKETS;
	hang_up(to);
	sockets[to] = fd;
	is_node[to] = true;
}

/* It answers, or hangs up; it does neither only for a node. What comes is no longer than what was asked for. */
static void hear(unsigned int which, const struct berth_serve_request *request)
{
	static uint8_t packet[sizeof(struct berth_serve_reply) + BERTH_SERVE_DATA_MOST + 1];
	const struct berth_serve_reply *reply = (void *)packet;
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(4 * sizeof(int))];
	struct iovec part = { packet, sizeof(packet) };
	struct msghdr message = { .msg_iov = &part,
				  .msg_iovlen = 1,
				  .msg_control = control,
				  .msg_controllen = sizeof(control) };
	const struct cmsghdr *header;
	ssize_t got;
	int fd;

	do
		got = recvmsg(sockets[which], &message, MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR); /* the fuzzer's clock */
	header = got > 0 ? CMSG_FIRSTHDR(&message) : NULL;
	require(got >= 0 || errno == ECONNRESET);
	if (got <= 0) {
		hang_up(which);
		return;
	}
	require((size_t)got >= sizeof(*reply) && reply->magic == BERTH_SERVE_MAGIC);
	require((size_t)got == sizeof(*reply) + reply->size);
	if (request->op == BERTH_SERVE_READ)
		require(reply->size <= request->length);
	if (header) {
		memcpy(&fd, CMSG_DATA(header), sizeof(fd));
		require(request->op == BERTH_SERVE_MAP || request->op == BERTH_SERVE_IOCTL);
		require(reply->result >= 0);
		keep(fd, request->op == BERTH_SERVE_MAP, which);
	}
	is_node[which] = request->op == BERTH_SERVE_OPEN && !reply->result;
}

static void ask(unsigned int which, struct input *input)
{
	struct {
		struct berth_serve_request request;
		uint8_t data[64];
	} packet = { .request = { .magic = BERTH_SERVE_MAGIC } };
	uint8_t kind = take(input);
	size_t size;

	packet.request.op = kind < 240 ? kind % 9 : (uint32_t)take_number(input);
	packet.request.flags = take(input);
	packet.request.offset = take_number(input);
	packet.request.length = take_number(input);
	packet.request.arg = take_number(input) << 16 | take_number(input);
	size = take(input) % sizeof(packet.data);
	for (size_t i = 0; i < size; i++)
		packet.data[i] = take(input);
	if (packet.request.op == BERTH_SERVE_OPEN && kind & 0x10) {
		static const char *const names[] = { "dut", "dma_heap/system", "sw_sync", "dut" };

		size = strlen(names[(kind >> 5) % 4]);
		memcpy(packet.data, names[(kind >> 5) % 4], size);
	}
	packet.request.size = kind & 0x80 ? (uint32_t)take_number(input) : (uint32_t)size;
	if (send_it(which, &packet, sizeof(packet.request) + size, input) && !is_node[which])
		hear(which, &packet.request);
}

/* A request of a buffer's, a fence's or a timeline's that could be right. */
static void ask_form(unsigned int which, struct input *input)
{
	static const uint32_t numbers[] = {
		BERTH_DMA_HEAP_IOCTL_ALLOC,
		BERTH_DMA_BUF_IOCTL_SYNC,
		BERTH_DMA_BUF_SET_NAME,
		BERTH_DMA_BUF_IOCTL_EXPORT_SYNC_FILE,
		BERTH_DMA_BUF_IOCTL_IMPORT_SYNC_FILE,
		BERTH_SYNC_IOC_MERGE,
		BERTH_SYNC_IOC_FILE_INFO,
		BERTH_SW_SYNC_IOC_CREATE_FENCE,
		BERTH_SW_SYNC_IOC_INC,
		BERTH_SW_SYNC_IOC_SET_TIMEOUT,
	};
	struct {
		struct berth_serve_request request;
		uint8_t data[64];
	} packet = { .request = { .magic = BERTH_SERVE_MAGIC, .op = BERTH_SERVE_IOCTL } };
	const uint8_t kind = take(input);
	const uint32_t number = numbers[kind % (sizeof(numbers) / sizeof(numbers[0]))];
	struct berth_dma_heap_allocation buffer = { .fd_flags = BERTH_O_RDWR };

	packet.request.flags = kind >> 7;
	packet.request.arg = number;
	packet.request.size = number >> 16 & 0x3fff;
	if (number == BERTH_DMA_HEAP_IOCTL_ALLOC) {
		buffer.len = (uint64_t)take(input) * 512;
		memcpy(packet.data, &buffer, sizeof(buffer));
	}
	for (unsigned int left = take(input) % 4; left; left--) {
		const uint32_t value = (uint32_t)take_number(input);

		memcpy(packet.data + take(input) % 16 * sizeof(value), &value, sizeof(value));
	}
	if (send_it(which, &packet, sizeof(packet.request) + packet.request.size, input) &&
	    !is_node[which])
		hear(which, &packet.request);
}

static void send_bytes(unsigned int which, struct input *input)
{
	static uint8_t bytes[20000];
	const struct berth_serve_request none = { 0 };
	size_t size = take(input);

	size = size < 128 ? size : size * 78;
	memset(bytes, take(input), sizeof(bytes));
	for (size_t i = 0; i < size && i < 48; i++)
		bytes[i] = take(input);
	/* An empty one is no request, nor an end. */
	if (send_it(which, bytes, size, input) && size && !is_node[which])
		hear(which, &none);
}

static void step(struct input *input)
{
	uint8_t kind = take(input);
	unsigned int which = take(input) % SOCKETS;

	if (sockets[which] < 0)
		sockets[which] = connect_it();
	switch (kind % 8) {
	case 0:
		hang_up(which);
		break;
	case 1:
		shutdown(sockets[which], kind & 8 ? SHUT_RD : SHUT_RDWR);
		hang_up(which);
		break;
	case 2:
		event();
		break;
	case 3:
		send_bytes(which, input);
		break;
	case 7:
		ask_form(which, input);
		break;
	default:
		ask(which, input);
	}
}

/* Somebody else is served, and all that this one had is given back. */
static void check(void)
{
	struct berth_serve_stats stats;
	int fd = berth_client_open("dut", O_RDWR);
	uint32_t count;

	require(fd >= 0 && berth_client_read(fd, &count, 4) == -EAGAIN);
	close(fd);
	for (unsigned int ms = 0; ms < PATIENCE_MS; ms++) {
		berth_serve_stats(&stats);
		if (!stats.connections && GET(dut.opens) == GET(dut.releases))
			return;
		usleep(1000);
	}
	abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool has_started;
	struct input input = { data, size };

	if (!has_started)
		start();
	has_started = true;
	for (unsigned int i = 0; i < 64 && input.size; i++)
		step(&input);
	for (unsigned int i = 0; i < SOCKETS; i++)
		hang_up(i);
	check();
	return 0;
}
