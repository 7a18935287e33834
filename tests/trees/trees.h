/* SPDX-License-Identifier: BSD-2-Clause */
/* Flattened device trees of the tests. */
#ifndef TESTS_TREES_H
#define TESTS_TREES_H

#include <stddef.h>

extern const unsigned char tree_buses[];
extern const size_t tree_buses_size;
extern const unsigned char tree_dsp[];
extern const size_t tree_dsp_size;
extern const unsigned char tree_engines[];
extern const size_t tree_engines_size;
extern const unsigned char tree_guaranteed[];
extern const size_t tree_guaranteed_size;
extern const unsigned char tree_minimal[];
extern const size_t tree_minimal_size;
extern const unsigned char tree_playback[];
extern const size_t tree_playback_size;
extern const unsigned char tree_qemu_zcu102[];
extern const size_t tree_qemu_zcu102_size;
extern const unsigned char tree_qemu_zynq[];
extern const size_t tree_qemu_zynq_size;

#endif
