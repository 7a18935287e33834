/* SPDX-License-Identifier: BSD-2-Clause */
/* The boards that come with berth, as flattened device trees. */
#ifndef BOARDS_BOARDS_H
#define BOARDS_BOARDS_H

#include <stddef.h>

extern const unsigned char board_multimedia[];
extern const size_t board_multimedia_size;
extern const unsigned char board_multimedia_coherent[];
extern const size_t board_multimedia_coherent_size;
extern const unsigned char board_network[];
extern const size_t board_network_size;

#endif
