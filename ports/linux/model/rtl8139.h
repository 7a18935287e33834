/* SPDX-License-Identifier: BSD-2-Clause */
/* Registers and state of the network card; the data sheet is in docs/model-devices.md. */
#ifndef MODEL_RTL8139_H
#define MODEL_RTL8139_H

#include "devices.h"

enum {
	REG_IDR = 0x00,
	REG_MAR = 0x08,
	REG_TSD = 0x10,
	REG_TSAD = 0x20,
	REG_RBSTART = 0x30,
	REG_CR = 0x37,
	REG_CAPR = 0x38,
	REG_CBR = 0x3a,
	REG_IMR = 0x3c,
	REG_ISR = 0x3e,
	REG_TCR = 0x40,
	REG_RCR = 0x44,
	REG_MPC = 0x4c,
	REG_MSR = 0x58,
};

#define CR_BUFE 0x01u
#define CR_TE 0x04u
#define CR_RE 0x08u
#define CR_RST 0x10u

#define TSD_SIZE 0x1fffu
#define TSD_OWN 0x2000u
#define TSD_TOK 0x8000u
#define TSD_WRITABLE 0x003f1fffu
#define TSD_TABT 0x40000000u
#define TSD_CRS 0x80000000u

#define INT_ROK 0x0001u
#define INT_RER 0x0002u
#define INT_TOK 0x0004u
#define INT_TER 0x0008u
#define INT_RXOVW 0x0010u
#define INT_LINK 0x0020u
#define INT_FOVW 0x0040u
#define INT_SERR 0x8000u
#define INT_ALL 0xe07fu

#define TCR_CLRABT 0x00000001u
#define TCR_LOOPBACK 0x00060000u
#define TCR_WRITABLE 0x030707f0u
#define TCR_VERSION 0x74000000u

#define RCR_AAP 0x01u
#define RCR_APM 0x02u
#define RCR_AM 0x04u
#define RCR_AB 0x08u
#define RCR_AR 0x10u
#define RCR_AER 0x20u
#define RCR_WRAP 0x80u
#define RCR_WRITABLE 0x0f03ffbfu

#define MPC_MASK 0xffffffu
#define MSR_LINKB 0x04u

#define STATUS_ROK 0x0001u
#define STATUS_CRC 0x0004u
#define STATUS_RUNT 0x0010u
#define STATUS_BAR 0x2000u
#define STATUS_PAM 0x4000u
#define STATUS_MAR 0x8000u

#define DESCRIPTORS 4
#define HEADER 4u
#define CHECKSUM 4u
#define MIN_FRAME 14u
#define FULL_FRAME 60u
#define MAX_FRAME 4092u
#define MAX_QUEUED 1024u
#define MAX_TX 1792u

#define RESET_NS 5000u
#define BURST 256u
#define BURST_NS 2048u
/* Of the wire: bytes of preamble, checksum and gap beside the frame, and the time of a byte. */
#define AROUND 24u
#define BYTE_NS 80u

struct frame {
	struct frame *next;
	size_t size;
	bool is_damaged;
	bool is_own; /* does not come over the wire */
	uint8_t bytes[];
};

struct card {
	uint8_t idr[6];
	uint8_t mar[8];
	uint32_t tsd[DESCRIPTORS], tsad[DESCRIPTORS], rbstart, tcr, rcr, mpc;
	uint16_t capr, imr, isr;
	uint8_t cr;
	bool is_resetting, is_dead; /* dead: a system error has stopped it */
	bool has_room_been_given; /* since the ring overflowed */

	unsigned int tx_at; /* the descriptor whose turn it is */
	bool is_sending, is_aborted;
	uint8_t tx_fifo[MAX_TX];

	uint32_t rx_at; /* where the next frame goes */
	uint16_t rx_status;
	bool is_arriving; /* the first of the queue is */
	struct frame *queue, **tail;
	unsigned int nr_queued;

	/* The outside. */
	bool is_pulled;
	unsigned int jammed;
	void (*sent)(void *data, const void *frame, size_t size);
	void *sent_data;
};

#endif
