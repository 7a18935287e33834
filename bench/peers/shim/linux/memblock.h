/* SPDX-License-Identifier: BSD-2-Clause */
#include "kshim_swiotlb.h"
