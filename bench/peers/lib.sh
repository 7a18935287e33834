# SPDX-License-Identifier: BSD-2-Clause
# What the scripts of this folder share. Sourced; paths are absolute, the working directory stays.

peers=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=${BERTH_PEERS:-$HOME/.cache/berth/peers}
harnesses=(linux_iova linux_iova_nolock linux_pgtable linux_swiotlb dpdk
	alloc_glibc alloc_jemalloc alloc_mimalloc phys)

# The first file of a name among the system's libraries.
library() {
	local file
	for file in /usr/lib/*/"$1" /usr/lib64/"$1"; do
		[ ! -e "$file" ] || { echo "$file"; return; }
	done
}

# Sets the array `command` to what runs a harness.
harness_command() {
	case $1 in
	alloc_glibc) command=(env ALLOC_LABEL=glibc "$out/bin/allocs") ;;
	alloc_jemalloc) command=(env ALLOC_LABEL=jemalloc "LD_PRELOAD=$(library libjemalloc.so.2)" "$out/bin/allocs") ;;
	alloc_mimalloc) command=(env ALLOC_LABEL=mimalloc "LD_PRELOAD=$(library libmimalloc.so.2.0)" "$out/bin/allocs") ;;
	*) command=("$out/bin/$1") ;;
	esac
}
