// SPDX-License-Identifier: BSD-2-Clause
/* ioctl() of a client's: numbers of files and addresses in its data become berth's, and back. */
#include <errno.h>
#include <linux/ioctl.h>
#include <string.h>

#include <berth/dma-buf.h>

#include "serve/internal.h"

/*
 * data, size: what the driver sees
 * number: of the file that came with the request, or -1
 * address: of the client's, in place of which there is one of ours
 * room: elements for which there is room there
 */
struct exchange {
	const struct berth_ioctl_form *form;
	uint8_t *data;
	size_t size;
	int number;
	uint64_t address;
	uint32_t room;
};

static uint32_t get32(const struct exchange *x, uint32_t at)
{
	uint32_t value;

	memcpy(&value, x->data + at, sizeof(value));
	return value;
}

static void put32(const struct exchange *x, uint32_t at, uint32_t value)
{
	memcpy(x->data + at, &value, sizeof(value));
}

static void put64(const struct exchange *x, uint32_t at, uint64_t value)
{
	memcpy(x->data + at, &value, sizeof(value));
}

static const struct berth_ioctl_form *find_form(const struct file *file, unsigned int number)
{
	for (unsigned int i = 0; i < file->f_op->nr_ioctl_forms; i++)
		if (file->f_op->ioctl_forms[i].request == number)
			return &file->f_op->ioctl_forms[i];
	return NULL;
}

/* What the driver does not know, or that is no open file of ours, is no number. */
static int number_of(int fd)
{
	struct conn *node = berth_port_conn_of_fd(fd);
	struct file *file = NULL;
	int number;

	if (!node)
		return -1;
	pthread_mutex_lock(&node->lock);
	if (node->kind == CONN_FILE && node->file)
		file = get_file(node->file);
	pthread_mutex_unlock(&node->lock);
	berth_port_conn_put(node);
	number = file ? berth_fd_install(file) : -1;
	if (file && number < 0)
		fput(file);
	return number;
}

/* Whether the client has to say more. */
static bool is_short(struct exchange *x, const struct packet *packet, struct answer *answer)
{
	const struct berth_serve_request *request = (const void *)packet->bytes;
	const struct berth_ioctl_form *form = x->form;
	const bool knows = (request->flags & BERTH_SERVE_KNOWS) != 0;

	if (form->array != BERTH_IOCTL_NONE) {
		const uint32_t most =
			(uint32_t)(BERTH_SERVE_DATA_MOST - x->size) / form->array_size;

		x->room = get32(x, form->array_count);
		x->room = x->room < most ? x->room : most;
	}
	if (!knows && form->fd_in != BERTH_IOCTL_NONE) {
		answer->wants = BERTH_SERVE_WANTS_FD;
		answer->fd_at = form->fd_in;
	} else if (!knows && x->room) {
		answer->wants = BERTH_SERVE_WANTS_ARRAY | x->room * form->array_size;
		answer->fd_at = form->array;
	}
	return answer->wants != 0;
}

static void begin(struct exchange *x, const struct packet *packet)
{
	const struct berth_ioctl_form *form = x->form;

	if (form->fd_in != BERTH_IOCTL_NONE) {
		x->number = packet->other >= 0 ? number_of(packet->other) : -1;
		put32(x, form->fd_in, (uint32_t)x->number);
	}
	if (form->array != BERTH_IOCTL_NONE) {
		memcpy(&x->address, x->data + form->array, sizeof(x->address));
		put64(x, form->array, (uintptr_t)(x->data + x->size));
		put32(x, form->array_count, x->room);
	}
}

static long give_file(struct exchange *x, struct answer *answer)
{
	const unsigned int number = get32(x, x->form->fd_out);
	struct file *file = fget(number);
	int fd;

	if (!file)
		return -EIO;
	close_fd(number);
	fd = berth_port_mint(file);
	if (fd < 0)
		return fd;
	put32(x, x->form->fd_out, UINT32_MAX);
	answer->fd = fd;
	answer->fd_at = x->form->fd_out;
	return 0;
}

static long end(struct exchange *x, struct answer *answer, long ret)
{
	const struct berth_ioctl_form *form = x->form;
	uint32_t nr;

	if (x->number >= 0)
		close_fd((unsigned int)x->number);
	if (ret >= 0 && form->fd_out != BERTH_IOCTL_NONE) {
		const long err = give_file(x, answer);

		ret = err ? err : ret;
	}
	if (form->array == BERTH_IOCTL_NONE || ret < 0)
		return ret;
	put64(x, form->array, x->address);
	nr = get32(x, form->array_count);
	answer->size += (nr < x->room ? nr : x->room) * form->array_size;
	return ret;
}

long berth_port_control(struct conn *conn, struct file *file, struct packet *packet,
			struct answer *answer)
{
	const struct berth_serve_request *request = packet_request(packet);
	const unsigned int number = (unsigned int)request->arg;
	struct exchange x = { .form = find_form(file, number),
			      .data = answer_data(answer),
			      .number = -1 };
	uint64_t flags;
	long ret;

	x.size = x.form && x.form->size ? x.form->size : _IOC_SIZE(number);
	if (request->arg >> 32 || request->size > x.size)
		return -EINVAL;
	if (!x.size) /* what the client says, which no driver takes for an address */
		return berth_file_ioctl(file, number, (void *)(uintptr_t)request->offset);
	memset(x.data, 0, x.size);
	memcpy(x.data, packet_data(packet), request->size);
	if (x.form && is_short(&x, packet, answer))
		return -EBADF;
	if (number == BERTH_DMA_BUF_IOCTL_SYNC && berth_dma_buf_of_file(file)) {
		memcpy(&flags, x.data, sizeof(flags));
		return berth_port_access(file, conn->pid, flags);
	}
	if (x.form)
		begin(&x, packet);
	ret = berth_file_ioctl(file, number, x.data);
	answer->size = ret >= 0 && _IOC_DIR(number) & _IOC_READ ? _IOC_SIZE(number) : 0;
	if (x.form)
		ret = end(&x, answer, ret);
	if (ret < 0)
		answer->size = 0;
	return ret;
}
