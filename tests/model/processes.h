/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Real processes, started from processes_client.c, that share buffers and fences with each other and with devices.
 * The server is in the test's process.
 */
#ifndef TESTS_MODEL_PROCESSES_H
#define TESTS_MODEL_PROCESSES_H

#include "dma_buf.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <berth/serve.h>
#include <berth/sw_sync.h>
#include <berth/timer.h>

#include "mm/internal.h"

#define SIZE (16u * 4096u)
#define PAGE 4096u

/* Devices for programs: what they do to a buffer, whose number comes along. */
struct job {
	int32_t fd;
	uint32_t picture;
};

#define STATION_WRITE 0xc0085401u /* _IOWR('T', 1, struct job): the camera takes a picture */
#define STATION_READ \
	0xc0085402u /* the processor reads: in place of the picture how many bytes are wrong */
#define STATION_NAME 0xc0085403u /* whether the buffer has not the name that clients give it */

static char server_name[64], client_path[300];

static inline long work(struct dma_buf *dmabuf, unsigned int request, struct job *job)
{
	const bool is_write = request == STATION_WRITE;
	const enum dma_data_direction dir = is_write ? DMA_FROM_DEVICE : DMA_TO_DEVICE;
	const struct station *station = is_write ? &camera : &processor;
	struct dma_buf_attachment *attach;
	struct sg_table *sgt;
	long ret;

	if (request == STATION_NAME) {
		job->picture = strcmp(dmabuf->name, "a longer name") != 0;
		return 0;
	}
	ret = dma_resv_wait_timeout(dmabuf->resv, dma_resv_usage_rw(is_write), true, 100000);
	if (ret <= 0)
		return ret ? ret : -ETIMEDOUT;
	attach = dma_buf_attach(dmabuf, station->dev);
	if (IS_ERR(attach))
		return PTR_ERR(attach);
	sgt = dma_buf_map_attachment_unlocked(attach, dir);
	ret = IS_ERR(sgt) ? PTR_ERR(sgt) : 0;
	if (!ret) {
		if (is_write)
			device_writes(station, sgt, job->picture);
		else
			job->picture = (uint32_t)device_reads(station, sgt, job->picture);
		dma_buf_unmap_attachment_unlocked(attach, sgt, dir);
	}
	dma_buf_detach(dmabuf, attach);
	return ret;
}

static inline long control_station(struct file *file, unsigned int request, unsigned long arg)
{
	struct job job;
	struct dma_buf *dmabuf;
	long ret;

	(void)file;
	if (request < STATION_WRITE || request > STATION_NAME)
		return -ENOTTY;
	memcpy(&job, (void *)arg, sizeof(job));
	dmabuf = dma_buf_get(job.fd);
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	ret = work(dmabuf, request, &job);
	dma_buf_put(dmabuf);
	memcpy((void *)arg, &job, sizeof(job));
	return ret;
}

#define STATION_FORM(number)                                               \
	{                                                                  \
		.request = number, .fd_in = 0, .fd_out = BERTH_IOCTL_NONE, \
		.array = BERTH_IOCTL_NONE                                  \
	}

static const struct berth_ioctl_form station_forms[] = {
	STATION_FORM(STATION_WRITE),
	STATION_FORM(STATION_READ),
	STATION_FORM(STATION_NAME),
};

static const struct file_operations station_ops = {
	.unlocked_ioctl = control_station,
	.ioctl_forms = station_forms,
	.nr_ioctl_forms = ARRAY_SIZE(station_forms),
};

static struct miscdevice station_node = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "station",
	.fops = &station_ops,
};

/* Clients */

struct client {
	pid_t pid;
	int control;
	char text[500]; /* of the last reply */
	int got; /* the descriptor of it, or -1 */
};

static inline void find_client(void)
{
	ssize_t length = readlink("/proc/self/exe", client_path, sizeof(client_path) - 1);
	char *name;

	assert_true(length > 0);
	client_path[length] = '\0';
	name = strrchr(client_path, '/');
	strcpy(name, "/processes-client");
}

/* Its descriptors 3, 4 and 5; -1: none. */
static inline pid_t spawn(const int *fds, char **argv)
{
	char server[100];
	char *envp[] = { server, NULL };
	posix_spawn_file_actions_t actions;
	pid_t pid;

	snprintf(server, sizeof(server), "BERTH_SERVER=%s", server_name);
	posix_spawn_file_actions_init(&actions);
	/* Above those that it gets: one may be another's number. */
	for (int i = 0; i < 3; i++)
		if (fds[i] >= 0)
			posix_spawn_file_actions_adddup2(&actions, fds[i], 900 + i);
	for (int i = 0; i < 3; i++)
		if (fds[i] >= 0)
			posix_spawn_file_actions_adddup2(&actions, 900 + i, 3 + i);
	posix_spawn_file_actions_addclosefrom_np(&actions, 6);
	assert_int_equal(posix_spawn(&pid, client_path, &actions, NULL, argv, envp), 0);
	posix_spawn_file_actions_destroy(&actions);
	return pid;
}

static inline void start_client(struct client *client)
{
	char *argv[] = { client_path, NULL };
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	client->pid = spawn((int[]){ pair[1], -1, -1 }, argv);
	client->control = pair[0];
	client->got = -1;
	close(pair[1]);
}

static inline void tell(struct client *client, const char *line, int fd)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec part = { (void *)(uintptr_t)line, strlen(line) };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
	struct cmsghdr *header = (void *)control;

	if (fd >= 0) {
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(header), &fd, sizeof(int));
		message.msg_control = control;
		message.msg_controllen = sizeof(control);
	}
	assert_int_equal(sendmsg(client->control, &message, MSG_NOSIGNAL), (int)part.iov_len);
}

static inline long hear(struct client *client)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
	struct iovec part = { client->text, sizeof(client->text) - 1 };
	struct msghdr message = { .msg_iov = &part,
				  .msg_iovlen = 1,
				  .msg_control = control,
				  .msg_controllen = sizeof(control) };
	ssize_t got = recvmsg(client->control, &message, MSG_CMSG_CLOEXEC);
	struct cmsghdr *header = got > 0 ? CMSG_FIRSTHDR(&message) : NULL;

	assert_true(got > 0);
	client->text[got] = '\0';
	client->got = -1;
	if (header)
		memcpy(&client->got, CMSG_DATA(header), sizeof(int));
	return strtol(client->text, NULL, 10);
}

static inline long say(struct client *client, const char *line)
{
	tell(client, line, -1);
	return hear(client);
}

static inline void must_say(struct client *client, const char *line, long wanted)
{
	const long result = say(client, line);

	if (result != wanted)
		fail_msg("%s: %s, not %ld", line, client->text, wanted);
}

/* A descriptor of @from's slot is one of @to's. */
static inline void pass(struct client *from, unsigned int slot, struct client *to,
			unsigned int to_slot)
{
	char line[32];

	snprintf(line, sizeof(line), "give %u", slot);
	say(from, line);
	assert_true(from->got >= 0);
	snprintf(line, sizeof(line), "take %u", to_slot);
	tell(to, line, from->got);
	close(from->got);
	assert_true(hear(to) >= 0);
}

static inline void end_client(struct client *client)
{
	int status;

	close(client->control);
	assert_int_equal(waitpid(client->pid, &status, 0), client->pid);
	assert_int_equal(status, 0);
}

static inline void kill_client(struct client *client, int sig)
{
	int status;

	if (sig)
		kill(client->pid, sig);
	assert_int_equal(waitpid(client->pid, &status, 0), client->pid);
	close(client->control);
}

static inline long job(struct client *client, unsigned int slot, unsigned int request,
		       unsigned int picture)
{
	char line[64];

	snprintf(line, sizeof(line), "job %u %u %u", slot, request, picture);
	return say(client, line);
}

/* The server */

static inline unsigned int descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int nr = 0;

	assert_non_null(dir);
	while (readdir(dir))
		nr++;
	closedir(dir);
	return nr;
}

/* Bytes that somebody has: as berth_stop() counts them. */
static inline uint64_t used(void)
{
	return berth_mm_leaked();
}

static inline void start(const struct berth_model_config *config)
{
	const struct berth_serve_options options = { .name = server_name };

	/* A test before this one may have failed. */
	berth_serve_stop();
	if (station_node.node)
		misc_deregister(&station_node);
	find_client();
	snprintf(server_name, sizeof(server_name), "berth-test-%d", (int)getpid());
	dma_buf_start(config);
	assert_int_equal(berth_dma_heaps_offer(), 0);
	assert_int_equal(berth_sw_sync_offer(), 0);
	assert_int_equal(misc_register(&station_node), 0);
	assert_int_equal(berth_serve_start(&options), 0);
}

/* The server notices in its own time. */
static inline void until_idle(void)
{
	struct berth_serve_stats stats;

	do {
		usleep(2000);
		berth_serve_stats(&stats);
	} while (stats.connections);
}

/* Who has asked for something is gone. */
static inline void until_quiet(void)
{
	struct berth_serve_stats stats;

	do {
		usleep(2000);
		berth_serve_stats(&stats);
	} while (stats.connections != stats.files + stats.mappings);
}

/* What somebody had is back, at last. */
static inline void until_back(unsigned int fds, uint64_t bytes)
{
	for (unsigned int i = 0; i < 10000 && (descriptors() != fds || used() != bytes); i++)
		usleep(2000);
	assert_int_equal(descriptors(), fds);
	assert_int_equal(used(), bytes);
}

static inline void stop(void)
{
	until_idle();
	berth_serve_stop();
	misc_deregister(&station_node);
	dma_buf_stop(); /* nothing is left */
}

#endif
