# SPDX-License-Identifier: BSD-2-Clause
"""What a person read in the sources of some boards (dtc -I dtb -O dts), of as many makers as there are.

Written from the trees, not from what berth says of them; a number here is one that stands there, or their sum. A board
is a Board(); a device is a line dev() with what differs from the board's usual.
"""
MIB, GIB = 1 << 20, 1 << 30
ANYWHERE = object()  # a place that is chosen at boot; boards checks that it is legal


def dev(path, **facts):
    return path, facts


def res(name, base, size, kind, no_map=False, reusable=False, default=False):
    return {"name": name, "base": base, "size": size, "kind": kind, "no_map": no_map, "reusable": reusable,
            "default": default}


def carveouts(*entries):
    return [res(f"{name}@{base:x}", base, size, "carveout", no_map=True) for name, base, size in entries]


def cma(size, base=ANYWHERE):
    return res("linux,cma", base, size, "cma", reusable=True, default=True)


class Board:
    """backend, coherent and windows: of devices that say nothing else. some: further devices exist."""

    def __init__(self, maker, file, memory=(), reserved=(), devices=(), findings=(), options=(), some=False,
                 backend=None, coherent=False, windows=()):
        self.maker, self.file, self.options, self.some = maker, file, options, some
        self.memory, self.reserved, self.findings = list(memory), list(reserved), set(findings)
        usual = {"backend": backend, "coherent": coherent, "windows": list(windows), "iommu": None, "pools": []}
        self.devices = {path: {**usual, **facts} for path, facts in devices}


UNKNOWN = ("note", "memory-unknown", "/")


def shared_iommu(path):
    """Of boards with an IOMMU that most devices share."""
    return lambda *ids: (path, list(ids))


db845c = shared_iommu("/soc@0/iommu@15000000")
nano = shared_iommu("/memory-controller@70019000")
ultra96 = shared_iommu("/axi/iommu@fd800000")

BOARDS = [
    Board("Pine64", "sun50i-a64-pine64-plus", findings=[UNKNOWN], devices=[
        dev("/soc/dma-controller@1c02000"), dev("/soc/dai@1c22c00")]),
    # The interconnect named dma-mem is the way to memory, not the bus above: RAM at 1 GiB is at 0 there.
    Board("Pine64", "sun50i-a64-pine64-plus", options=("--all", "--mem", "0x40000000:0x80000000"), backend="direct",
          memory=[(GIB, 2 * GIB)], some=True, devices=[
              dev("/soc/deinterlace@1e00000", windows=[(0x40000000, 0, 0xc0000000)]),
              dev("/soc/dma-controller@1c02000"), dev("/soc/dai@1c22c00")]),
    Board("Xunlong", "sun50i-h6-orangepi-3", findings=[UNKNOWN], devices=[
        dev("/soc/bus@1000000/mixer@100000", iommu=("/soc/iommu@30f0000", [0])),
        dev("/soc/video-codec-g2@1c00000", iommu=("/soc/iommu@30f0000", [5])),
        dev("/soc/video-codec@1c0e000", iommu=("/soc/iommu@30f0000", [3])),
        dev("/soc/dma-controller@3002000")]),
    Board("AMD", "amd-overdrive-rev-b1", findings=[UNKNOWN], coherent=True, windows=[(0, 0, 0x10000000000)], devices=[
        dev("/smb/sata@e0300000", iommu=("/smb/iommu@e0200000", [0, 0x1f])),
        dev("/smb/sata@e0d00000", iommu=("/smb/iommu@e0c00000", [0xe, 0xf, 0x1e])),
        dev("/smb/iommu@e0200000"), dev("/smb/iommu@e0c00000"),
        dev("/smb/ccp@e0100000", iommu=("/smb/iommu@e0c00000", [0, 2, 0x40, 0x42])),
        dev("/smb/pcie@f0000000", map=[[0, "/smb/iommu@e0a00000", 0, 0x10000]]),
        dev("/smb/iommu@e0a00000"),
        dev("/smb/xgmac@e0700000", iommu=("/smb/iommu@e0600000", [0, 0x17])),
        dev("/smb/xgmac@e0900000", iommu=("/smb/iommu@e0800000", [0, 0x17])),
        dev("/smb/iommu@e0600000"), dev("/smb/iommu@e0800000")]),
    # Between the monitor's memory at 256 MiB and the end at 512 MiB there are 254 MiB, below it less than 251.
    Board("Libre Computer", "meson-gxl-s805x-libretech-ac", memory=[(0, 512 * MIB)], reserved=[
        *carveouts(("hwrom", 0, 16 * MIB), ("secmon", 0x10000000, 2 * MIB), ("secmon", 0x5000000, 3 * MIB),
                   ("secmon", 0x5300000, 32 * MIB)),
        res("linux,cma", None, 256 * MIB, "cma", reusable=True)],
        findings=[("error", "reservation-unplaced", "/reserved-memory/linux,cma")]),
    Board("Hardkernel", "meson-g12b-odroid-n2", memory=[(0, GIB)], backend="direct", reserved=[
        *carveouts(("secmon", 0x5000000, 3 * MIB), ("secmon", 0x5300000, 32 * MIB)), cma(256 * MIB)],
        devices=[dev("/soc/gpu@ffe40000", coherent=True)]),
    # All RAM is above 4 GiB: a driver that does not ask for more bits gets nowhere.
    Board("Applied Micro", "apm-mustang", memory=[(4 * GIB, 2 * GIB)], backend="bounce", coherent=True,
          windows=[(0, 0, 0x40000000000)], findings=[("note", "mask-reaches-nothing", "/soc")], devices=[
              dev("/soc/pcie@1f2b0000"), dev("/soc/mmc@1c000000"), dev("/soc/sata@1a400000"),
              dev("/soc/sata@1a800000"), dev("/soc/ethernet@17020000"), dev("/soc/ethernet@1f210000"),
              dev("/soc/ethernet@1f210030"), dev("/soc/ethernet@1f610000"), dev("/soc/dma@1f270000")]),
    Board("Arm", "juno-r2", memory=[(2 * GIB, 0x7f000000), (0x880000000, 6 * GIB)], backend="iommu", devices=[
        dev("/iommu@2b500000", coherent=True, backend="bounce"),
        dev("/iommu@2b600000", coherent=True, backend="bounce"),
        dev("/etr@20070000", iommu=("/iommu@2b600000", [0])),
        dev("/pcie@40000000", coherent=True, map=[[0, "/iommu@2b500000", 0, 1]]),
        dev("/iommu@7fb00000", coherent=True, backend="bounce"),
        dev("/iommu@7fb30000", coherent=True, backend="bounce"),
        dev("/dma-controller@7ff00000", iommu=("/iommu@7fb00000", [0, 1, 2, 3, 4, 5, 6, 7, 8])),
        dev("/hdlcd@7ff50000", iommu=("/iommu@7fb10000", [0])),
        dev("/hdlcd@7ff60000", iommu=("/iommu@7fb20000", [0])),
        dev("/usb@7ffb0000", iommu=("/iommu@7fb30000", [0])),
        dev("/usb@7ffc0000", iommu=("/iommu@7fb30000", [0]))]),
    Board("Arm", "foundation-v8", memory=[(2 * GIB, 2 * GIB), (0x880000000, 2 * GIB)],
          reserved=[res("/memreserve/", 2 * GIB, 0x10000, "static")]),
    # The last 16 MiB below 1 GiB are registers; the tree calls them memory, and the loader mends that.
    Board("Raspberry Pi", "bcm2837-rpi-3-b-plus", memory=[(0, GIB)], backend="bounce",
          windows=[(0, 0xc0000000, 0x3f000000)], reserved=[res("/memreserve/", 0, 0x1000, "static"), cma(64 * MIB)],
          devices=[dev("/soc/mmc@7e202000"), dev("/soc/dma@7e007000"), dev("/soc/hdmi@7e902000")],
          findings=[("warning", "ram-out-of-reach", "/soc")]),
    Board("Raspberry Pi", "bcm2711-rpi-4-b", options=("--mem", "0:0x3c000000", "--mem", "0x40000000:0xbc000000"),
          memory=[(0, 960 * MIB), (GIB, 0xbc000000)], backend="bounce", windows=[(0, 0xc0000000, 0x40000000)],
          reserved=[res("/memreserve/", 0, 0x1000, "static"), cma(64 * MIB)],
          devices=[dev("/soc/dma@7e007000"), dev("/soc/hdmi@7ef00700"), dev("/soc/hdmi@7ef05700")],
          findings=[("warning", "ram-out-of-reach", "/soc"), ("warning", "ram-out-of-reach", "/emmc2bus"),
                    ("warning", "ram-out-of-reach", "/scb/pcie@7d500000")]),
    Board("Cavium", "thunder-88xx", memory=[(0, 2 * GIB)]),
    # bus@30000000 has no dma-ranges: what is two levels below it does not get those of soc@0.
    Board("NXP", "imx8mm-evk", memory=[(GIB, 2 * GIB)], backend="direct", windows=[(GIB, GIB, 3 * GIB)], devices=[
        dev("/soc@0/bus@30000000/spba-bus@30000000/sai@30020000", windows=[]),
        dev("/soc@0/bus@30000000/spba-bus@30000000/sai@30030000", windows=[]),
        dev("/soc@0/bus@30000000/dma-controller@302c0000"), dev("/soc@0/bus@30000000/dma-controller@302b0000"),
        dev("/soc@0/bus@30800000/dma-controller@30bd0000"), dev("/soc@0/dma-controller@33000000")]),
    Board("Freescale", "fsl-ls1043a-rdb", memory=[(2 * GIB, 2 * GIB)], backend="direct", coherent=True,
          windows=[(0, 0, 1 << 48)], reserved=[
              res("bman-fbpr", ANYWHERE, 16 * MIB, "coherent-pool", no_map=True),
              res("qman-fqd", ANYWHERE, 4 * MIB, "coherent-pool", no_map=True),
              res("qman-pfdr", ANYWHERE, 32 * MIB, "coherent-pool", no_map=True)],
          devices=[
              dev("/soc", windows=[]), dev("/soc/crypto@1700000"),
              dev("/soc/qman@1880000", pools=["qman-fqd", "qman-pfdr"]),
              dev("/soc/bman@1890000", pools=["bman-fbpr"]), dev("/soc/i2c@2180000"),
              dev("/soc/dma-controller@2c00000"), dev("/soc/aux_bus/sata@3200000", windows=[(0, 0, 1 << 40)]),
              dev("/soc/fman@1a00000")]),
    Board("HiSilicon", "hi3660-hikey960", findings=[UNKNOWN],
          reserved=[res("ramoops@32000000", 0x32000000, MIB, "static")],
          devices=[dev("/soc/serial@fdf01000"), dev("/soc/dma@fdf30000"), dev("/soc/dma-controller@e804b000")]),
    # The memory that firmware keeps is left out of reg instead of being reserved.
    Board("LeMaker", "hi6220-hikey", backend="direct", memory=[
        (0, 0x5e00000), (0x5f00000, 0x1000), (0x5f02000, 0xefd000), (0x6e00000, 0x60f000), (0x7410000, 0x1aaf0000),
        (0x22000000, 0x1c000000)],
        reserved=[res("ramoops@21f00000", 0x21f00000, MIB, "static"), cma(128 * MIB)],
        devices=[dev("/soc/serial@f7111000"), dev("/soc/dma@f7370000"), dev("/soc/i2s@f7118000"),
                 dev("/soc/ade@f4100000", coherent=True)]),
    Board("Tocoding", "hi3798cv200-poplar", memory=[(0, 2 * GIB)],
          findings=[("warning", "ram-out-of-reach", "/soc@f0000000")]),
    Board("Globalscale", "armada-3720-espressobin", memory=[(0, 512 * MIB)],
          reserved=carveouts(("psci-area", 0x4000000, 2 * MIB))),
    Board("CZ.NIC", "armada-3720-turris-mox", memory=[(0, 512 * MIB)],
          reserved=carveouts(("psci-area", 0x4000000, 2 * MIB))),
    Board("NVIDIA", "tegra210-p3450-0000", memory=[(2 * GIB, 4 * GIB)], backend="bounce", devices=[
        dev("/host1x@50000000", iommu=nano(6), backend="iommu"),
        dev("/host1x@50000000/dc@54200000", iommu=nano(1), backend="iommu"),
        dev("/host1x@50000000/dc@54240000", iommu=nano(2), backend="iommu"),
        dev("/host1x@50000000/vic@54340000", iommu=nano(0x16), backend="iommu"),
        dev("/gpu@57000000", iommu=nano(0x11), backend="iommu"),
        dev("/dma@60020000"), dev("/serial@70006000"), dev("/i2c@7000c500"), dev("/i2c@7000c700"),
        dev("/i2c@7000d000"), dev("/aconnect@702c0000/dma-controller@702e2000"),
        dev("/aconnect@702c0000/ahub@702d0800/admaif@702d0000"), dev("/spi@70410000")]),
    Board("Thundercomm", "sdm845-db845c", some=True, windows=[(0, 0, 0x1000000000)], reserved=carveouts(
        ("hyp-mem", 0x85700000, 6 * MIB), ("xbl-mem", 0x85e00000, MIB), ("aop-mem", 0x85fc0000, 0x20000),
        ("aop-cmd-db-mem", 0x85fe0000, 0x20000), ("smem", 0x86000000, 2 * MIB), ("tz", 0x86200000, 45 * MIB),
        ("rmtfs", 0x88f00000, 2 * MIB), ("qseecom", 0x8ab00000, 20 * MIB), ("camera-mem", 0x8bf00000, 5 * MIB),
        ("ipa-fw", 0x8c400000, 0x10000), ("ipa-gsi", 0x8c410000, 0x5000), ("gpu", 0x8c415000, 0x2000),
        ("adsp", 0x8c500000, 26 * MIB), ("wlan-msa", 0x8df00000, MIB), ("mpss", 0x8e000000, 120 * MIB),
        ("venus", 0x95800000, 5 * MIB), ("cdsp", 0x95d00000, 8 * MIB), ("mba", 0x96500000, 2 * MIB),
        ("slpi", 0x96700000, 20 * MIB), ("spss", 0x97b00000, MIB), ("framebuffer", 0x9d400000, 36 * MIB)),
        devices=[
            dev("/remoteproc-adsp", windows=[], pools=["adsp@8c500000"]),
            dev("/remoteproc-adsp/glink-edge/apr/apr-service@7/dais", windows=[], iommu=db845c(0x1821, 0)),
            dev("/remoteproc-cdsp/glink-edge/fastrpc/compute-cb@8", windows=[], iommu=db845c(0x1408, 0x30)),
            dev("/soc@0/dma-controller@800000", iommu=db845c(0x16, 0)),
            dev("/soc@0/geniqup@8c0000/spi@880000"),
            dev("/soc@0/pci@1c00000",
                map=[[n << 8, "/soc@0/iommu@15000000", 0x1c10 + n, 1] for n in range(16)]),
            dev("/soc@0/crypto@1dfa000", iommu=db845c(0x704, 1, 0x706, 1, 0x714, 1, 0x716, 1)),
            dev("/soc@0/usb@a6f8800/usb@a600000", iommu=db845c(0x740, 0)),
            dev("/soc@0/video-codec@aa00000", iommu=db845c(0x10a0, 8, 0x10b0, 0), pools=["venus@95800000"]),
            dev("/soc@0/gpu@5000000", iommu=("/soc@0/iommu@5040000", [0])),
            dev("/soc@0/gpu@5000000/zap-shader", pools=["gpu@8c415000"]),
            dev("/soc@0/wifi@18800000", iommu=db845c(0x40, 1), pools=["wlan-msa@8df00000"])],
        findings=[UNKNOWN,
                  ("note", "iommu-map-gap", "/soc@0/pci@1c00000"), ("note", "iommu-map-gap", "/soc@0/pci@1c08000"),
                  *(("note", "memory-region-not-a-pool", path) for path in (
                      "/remoteproc-adsp", "/remoteproc-cdsp", "/soc@0/remoteproc@4080000/mba",
                      "/soc@0/remoteproc@4080000/mpss", "/soc@0/video-codec@aa00000", "/soc@0/mdss@ae00000",
                      "/soc@0/gpu@5000000/zap-shader", "/soc@0/wifi@18800000"))]),
    Board("Qualcomm", "apq8016-sbc", findings=[UNKNOWN, *(
        ("note", "memory-region-not-a-pool", path) for path in (
            "/soc@0/video-codec@1d00000", "/soc@0/remoteproc@4080000/mba", "/soc@0/remoteproc@4080000/mpss",
            "/soc@0/remoteproc@a21b000"))],
        reserved=[*carveouts(
            ("tz-apps", 0x86000000, 3 * MIB), ("smem", 0x86300000, MIB), ("hypervisor", 0x86400000, MIB),
            ("tz", 0x86500000, 0x180000), ("reserved", 0x86680000, 0x80000), ("rmtfs", 0x86700000, 0xe0000),
            ("rfsa", 0x867e0000, 0x20000), ("mpss", 0x86800000, 43 * MIB), ("wcnss", 0x89300000, 6 * MIB),
            ("venus", 0x89900000, 6 * MIB), ("mba", 0x8ea00000, MIB)),
            res("ramoops@bff00000", 0xbff00000, MIB, "static")],
        devices=[
            dev("/soc@0/mdss@1a00000/mdp@1a01000", iommu=("/soc@0/iommu@1ef0000", [4])),
            dev("/soc@0/camss@1b0ac00", iommu=("/soc@0/iommu@1ef0000", [3])),
            dev("/soc@0/gpu@1c00000", iommu=("/soc@0/iommu@1f08000", [1, 2])),
            dev("/soc@0/video-codec@1d00000", iommu=("/soc@0/iommu@1ef0000", [5]), pools=["venus@89900000"]),
            dev("/soc@0/remoteproc@4080000/mba", pools=["mba@8ea00000"]),
            dev("/soc@0/remoteproc@4080000/mpss", pools=["mpss@86800000"]),
            dev("/soc@0/dma-controller@7884000"), dev("/soc@0/serial@78af000"), dev("/soc@0/serial@78b0000"),
            dev("/soc@0/spi@78b7000"), dev("/soc@0/spi@78b9000"),
            dev("/soc@0/remoteproc@a21b000", pools=["wcnss@89300000"])]),
    Board("HopeRun", "r8a774a1-hihope-rzg2m", memory=[(0x48000000, 0x78000000), (0x600000000, 2 * GIB)],
          backend="bounce", some=True, devices=[
              dev("/soc/i2c@e6510000"), dev("/soc/sound@ec500000/rcar_sound,dvc/dvc-0"),
              dev("/soc/dma-controller@e6700000", iommu=("/soc/iommu@e6740000", list(range(16))), backend="iommu"),
              dev("/soc/dma-controller@e7310000", iommu=("/soc/iommu@e7740000", list(range(16, 32))),
                  backend="iommu"),
              dev("/soc/fcp@fe9af000", iommu=("/soc/iommu@fe6b0000", [0x13]), backend="iommu")]),
    Board("Radxa", "rk3399-rock-pi-4b", findings=[UNKNOWN], devices=[
        dev("/video-codec@ff650000", iommu=("/iommu@ff650800", [])),
        dev("/video-codec@ff660000", iommu=("/iommu@ff660480", [])),
        dev("/dma-controller@ff6d0000"), dev("/dma-controller@ff6e0000"),
        dev("/i2s@ff880000"), dev("/i2s@ff8a0000"),
        dev("/vop@ff8f0000", iommu=("/iommu@ff8f3f00", [])), dev("/vop@ff900000", iommu=("/iommu@ff903f00", []))]),
    Board("Pine64", "rk3328-rock64", findings=[UNKNOWN], devices=[
        dev("/i2s@ff000000"), dev("/i2s@ff010000"), dev("/spdif@ff030000"), dev("/serial@ff130000"),
        dev("/spi@ff190000"), dev("/dma-controller@ff1f0000"),
        dev("/video-codec@ff350000", iommu=("/iommu@ff350800", [])),
        dev("/video-codec@ff360000", iommu=("/iommu@ff360480", [])),
        dev("/vop@ff370000", iommu=("/iommu@ff373f00", []))]),
    Board("Texas Instruments", "k3-am642-sk", memory=[(2 * GIB, 2 * GIB)], backend="direct", reserved=[
        *carveouts(("optee", 0x9e800000, 24 * MIB)),
        *(res(f"{name}@{base:x}", base, size, "coherent-pool", no_map=True)
          for at in (0xa0000000, 0xa1000000, 0xa2000000, 0xa3000000)
          for name, base, size in (("r5f-dma-memory", at, MIB), ("r5f-memory", at + MIB, 15 * MIB))),
        *carveouts(("ipc-memories", 0xa5000000, 8 * MIB))],
        devices=[
            dev("/bus@f4000/bus@48000000/dma-controller@485c0100"),
            dev("/bus@f4000/bus@48000000/dma-controller@485c0000"),
            dev("/bus@f4000/spi@20100000"), dev("/bus@f4000/ethernet@8000000"),
            dev("/bus@f4000/r5fss@78000000/r5f@78000000", pools=["r5f-dma-memory@a0000000", "r5f-memory@a0100000"]),
            dev("/bus@f4000/r5fss@78000000/r5f@78200000", pools=["r5f-dma-memory@a1000000", "r5f-memory@a1100000"]),
            dev("/bus@f4000/r5fss@78400000/r5f@78400000", pools=["r5f-dma-memory@a2000000", "r5f-memory@a2100000"]),
            dev("/bus@f4000/r5fss@78400000/r5f@78600000", pools=["r5f-dma-memory@a3000000", "r5f-memory@a3100000"]),
            dev("/bus@f4000/crypto@40900000")]),
    # The IOMMU is there and disabled.
    Board("Avnet", "avnet-ultra96-rev1", memory=[(0, 2 * GIB)], backend="direct", devices=[
        dev("/axi/mmc@ff160000", iommu=ultra96(0x870)), dev("/axi/mmc@ff170000", iommu=ultra96(0x871)),
        dev("/axi/usb@ff9d0000/usb@fe200000", iommu=ultra96(0x860)),
        dev("/axi/usb@ff9e0000/usb@fe300000", iommu=ultra96(0x861)),
        dev("/axi/dma-controller@fd4c0000"), dev("/axi/display@fd4a0000")],
        findings=[("note", "iommu-disabled", path) for path in (
            "/axi/mmc@ff160000", "/axi/mmc@ff170000", "/axi/usb@ff9d0000/usb@fe200000",
            "/axi/usb@ff9e0000/usb@fe300000")]),
    Board("Toradex", "imx8mp-verdin-wifi-dev", findings=[UNKNOWN], reserved=carveouts(("dsp", 0x92400000, 32 * MIB)),
          devices=[dev(f"/soc@0/bus@30800000/{name}") for name in (
              "spi@30820000", "serial@30860000", "serial@30880000", "serial@30890000", "serial@30a60000",
              "dma-controller@30bd0000")]),
    Board("Kontron", "fsl-ls1028a-kontron-kbox-a-230-ls", devices=[
        dev("/soc/spi@2120000"), dev("/soc/serial@2270000"), dev("/soc/dma-controller@22c0000"),
        dev("/soc/crypto@8000000", coherent=True),
        dev("/soc/pcie@1f0000000", coherent=True, map=[[0, "/soc/iommu@5000000", 0x17, 0xe]])],
        findings=[UNKNOWN, ("note", "iommu-map-gap", "/soc/pcie@1f0000000")]),
]


def number(text):
    return None if text is None else int(text, 16)


def differ(what, got, wanted):
    if got != wanted:
        yield f"{what}: {got}, not {wanted}"


def check_reserved(told, wanted):
    yield from differ("reserved", [entry["name"] for entry in told], [entry["name"] for entry in wanted])
    for entry, want in zip(told, wanted):
        got = {**entry, "base": number(entry["base"]), "size": number(entry["size"])}
        if want["base"] is ANYWHERE and got["base"] is not None:
            want = {**want, "base": got["base"]}
        yield from differ(entry["name"], got, want)


def check_device(device, facts):
    iommu = device["iommu"] or {}
    for key, want in facts.items():
        if key == "windows":
            got = [tuple(number(window[side]) for side in ("cpu", "bus", "size")) for window in device["windows"]]
        elif key == "map":
            got = iommu.get("map")
        elif key == "iommu" and "map" in facts:
            continue
        elif key == "iommu":
            got = (iommu["path"], iommu["ids"]) if iommu else None
        else:
            got = device[key]
        yield from differ(f"{device['path']}: {key}", got, want)


def check(board, answer):
    """Problems: where an answer is not what was read."""
    yield from differ("memory", [(number(m["base"]), number(m["size"])) for m in answer["memory"]], board.memory)
    yield from check_reserved(answer["reserved"], board.reserved)
    told = {device["path"]: device for device in answer["devices"]}
    if board.some:
        yield from differ("missing", set(board.devices) - set(told), set())
    else:
        yield from differ("devices", list(told), list(board.devices))
    for path, facts in board.devices.items():
        if path in told:
            yield from check_device(told[path], facts)
    findings = {(f["severity"], f["code"], f["path"]) for f in answer["findings"]}
    if "--all" not in board.options:
        yield from differ("findings", sorted(findings), sorted(board.findings))
