/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Command lines for test_options.c: what they mean, how a meaning is written, and
 * what is said about wrong ones. Words are separated by single spaces.
 */
#ifndef OPTIONS_LINES_H
#define OPTIONS_LINES_H

#include <stdarg.h>
#include <string.h>

#include "../../driver/block.h"
#include "../../driver/options.h"

/* The meaning is everything that differs from an empty line; see describe_options(). */
static const struct good {
	const char *line, *meaning;
} good[] = {
	{"", "pci 0;"},
	{"-f", "pci 0; -f;"},
	{"--list", "pci 0; --list;"},
	{"-f --list", "pci 0; -f; --list;"},
	/* QNX's own lines */
	{"virtio smem=0x1c0d0000,irq=41", "mmio 0x1c0d0000 41;"},
	{"cam user=20:20 blk cache=64M,auto=partition,vnode=2000,ncache=2000,commit=low "
	 "virtio smem=0xa003e00,irq=79 blk ramdisk=20m",
	 "mmio 0xa003e00 79; back; user 20:20; note; note; note; note;"},
	{"cam user=0:0", "pci 0; user 0:0;"},
	{"cam user=0x14:7", "pci 0; user 20:7;"},
	{"cam user=root:root", "pci 0; user 0:0;"},
	{"cam user=daemon:0", "pci 0; user 1:0;"},
	{"blk noatime,cache=512k,lock,normv,rmvto=none,delwri=2:2 cam cache,quiet",
	 "pci 0; quiet; note; note; note; note; note; note; note;"},
	/* virtio */
	{"virtio irq=0x29,smem=470614016", "mmio 0x1c0d0000 41;"},
	{"virtio pci=1", "pci 1;"},
	{"virtio pci=010", "pci 10;"},
	{"virtio pci=0000:00:04.0", "pci 0000:00:04.0;"},
	{"virtio pci=ff:1f.7", "pci 0000:ff:1f.7;"},
	{"virtio pci=1a:0:3.1", "pci 001a:00:03.1;"},
	{"virtio qsize=4", "pci 0 queue 4;"},
	{"virtio qsize=0x8000,dma=4m", "pci 0 queue 32768 dma 4194304;"},
	{"virtio qsize=0512", "pci 0 queue 512;"},
	{"virtio queues=1", "pci 0 queues 1;"},
	{"virtio queues=64,qsize=8", "pci 0 queue 8 queues 64;"},
	{"virtio packed=on", "pci 0 with 0x400000000;"},
	{"virtio packed=off,indirect=off", "pci 0 without 0x410000000;"},
	{"virtio packed=on,packed=off,event_idx=on", "pci 0 with 0x20000000 without 0x400000000;"},
	{"virtio packed=on,in_order=off,packed=auto,in_order=auto", "pci 0;"},
	{"virtio in_order=on,notification_data=on,ring_reset=off",
	 "pci 0 with 0x4800000000 without 0x10000000000;"},
	{"virtio dma=1G,takeover", "pci 0 dma 1073741824 takeover;"},
	{"virtio interrupts=auto", "pci 0;"},
	{"virtio interrupts=msix virtio pci=1,interrupts=poll",
	 "pci 0 interrupts 1;pci 1 interrupts 5;"},
	{"virtio poll=always", "pci 0 poll 1;"},
	{"virtio poll=never,poll_us=0 virtio pci=1,poll=auto,poll_us=10000",
	 "pci 0 poll 2 for 0;pci 1 for 10000;"},
	{"virtio poll_us=0x20,poll=never,poll=auto", "pci 0 for 32;"},
	{"virtio dma=16384K virtio pci=1,dma=8388608B", "pci 0 dma 16777216;pci 1 dma 8388608;"},
	{"virtio pci=0,qsize=64 blk ro virtio pci=1,takeover",
	 "pci 0 queue 64;pci 1 takeover; ro;"},
	{"virtio smem=0xa003e00,irq=79 virtio smem=0xa003c00,irq=78 virtio pci=00:04.0",
	 "mmio 0xa003e00 79;mmio 0xa003c00 78;pci 0000:00:04.0;"},
	{"virtio qsize=64,qsize=128", "pci 0 queue 128;"},
	{"virtio fdt", "fdt all;"},
	{"virtio fdt=1,takeover", "fdt 1 takeover;"},
	{"virtio qsize=64,fdt=0x10", "fdt 16 queue 64;"},
	{"virtio fdt=board.dtb", "fdt all of board.dtb;"},
	{"virtio fdt=/boot/board.dtb:2 virtio fdt=/boot/board.dtb:3",
	 "fdt 2 of /boot/board.dtb;fdt 3 of /boot/board.dtb;"},
	{"virtio fdt=a:b", "fdt all of a:b;"},
	{"virtio fdt=a:b:0 virtio fdt=0 virtio fdt virtio pci=0",
	 "fdt 0 of a:b;fdt 0;fdt all;pci 0;"},
	/* blk */
	{"blk auto=none", "pci 0; raw;"},
	{"blk auto=none blk auto=partition", "pci 0;"},
	{"blk ro,maxio=128,devdir=/run/disks//", "pci 0; ro; io 65536; devdir /run/disks;"},
	{"blk devdir=/", "pci 0; devdir /;"},
	{"blk devdir=/a\\,b", "pci 0; devdir /a,b;"},
	{"blk maxio=8", "pci 0; io 4096;"},
	{"blk commit=none", "pci 0; back;"},
	{"blk commit=medium", "pci 0; back;"},
	{"blk commit=high", "pci 0; through;"},
	{"blk maxio=2048", "pci 0;"},
	{"blk maxio=4096", "pci 0; warning;"},
	{"blk mntuid=0,mntgid=6,mntperms=0640", "pci 0; owner 0; group 6; mode 640;"},
	{"blk mntperms=0", "pci 0; mode 0;"},
	{"blk automount=hd0t131:/mnt", "pci 0; mount hd0t131@- on /mnt as - with -;"},
	{"blk automount=hd0t179.1:/a:qnx6,ro",
	 "pci 0; ro; mount hd0t179.1@- on /a as qnx6 with -;"},
	{"blk automount=/dev/hd0@dos:/fs:vfat:ro\\,uid=1 blk automount=hd1@179:/b",
	 "pci 0; mount /dev/hd0@dos on /fs as vfat with ro,uid=1; mount hd1@179 on /b as - with "
	 "-;"},
	{"blk automount=hd0:/a\\:b::x:y", "pci 0; mount hd0@- on /a:b as - with x:y;"},
	{"blk automount=+hd0:/a,automount=+hd0:/b",
	 "pci 0; mount hd0@- on /a as - with -; mount hd0@- on /b as - with -; note;"},
	/* disk, cam */
	{"disk name=vd", "pci 0; name vd@0;"},
	{"disk name=usb@2,timeout=1", "pci 0; name usb@2; timeout 1;"},
	{"disk timeout=60:90:10:45", "pci 0; timeout 45; note;"},
	{"disk timeout=60:90:10:3600@0:0:0", "pci 0; timeout 3600; note;"},
	{"cam quiet,pnp,verbose", "pci 0; quiet; pnp; verbose 1;"},
	{"cam verbose=3 -f", "pci 0; verbose 3; -f;"},
	/* QNX's options without a meaning here */
	{"blk alloc=demand,cache=1,commit=low,delwri=2:2,fdinfo=1,lock,map=9,marking=1,memory=1,"
	 "naio=1,ncache=1,noatime,normv,priority=9,ra=4k:8k,ramdisk=1m,rmvto=none,verbose,vnode=1,"
	 "wipe=1",
	 "pci 0; back; note; note; note; note; note; note; note; note; note; note; note; note; "
	 "note;"
	 " note; note; note; note; note; note;"},
	{"cam "
	 "async,bounce=32k,cache=off,lun=0x00,maxio=64:64,noio,nopriv,priority=9,resmgr=1:1:1:1",
	 "pci 0; note; note; note; note; note; note; note; note; note;"},
	{"disk maxio=64:64@0:0:0,nobios,noptab,retries=3@0:0:0,rmb=false,translation=64:32,verbose",
	 "pci 0; note; note; note; note; note; note; note;"},
	{"qnx6 a qnx4 a dos a ext2 a cd a udf a nt a mac a qtd a squash a",
	 "pci 0; note; note; note; note; note; note; note; note; note; note;"},
	/* file systems */
	{"qnx6 sync=none,snapshot=5 virtio pci=2 dos exe=all", "pci 2; note; note;"},
};

static char described[4096];

static void __attribute__((format(printf, 1, 2))) describe(const char *format, ...)
{
	size_t used = strlen(described);
	va_list args;

	va_start(args, format);
	vsnprintf(described + used, sizeof(described) - used, format, args);
	va_end(args);
}

static void describe_fdt(const struct viot_address *at)
{
	if (at->kind == VIOT_FDT_ALL)
		describe("fdt all");
	else
		describe("fdt %u", at->fdt_index);
	describe("%s%s", at->fdt_file[0] ? " of " : "", at->fdt_file);
}

static void describe_disk(const struct devb_disk_options *disk)
{
	const struct viot_address *at = &disk->address;

	if (at->kind == VIOT_PCI_INDEX)
		describe("pci %u", at->pci_index);
	else if (at->kind == VIOT_PCI_FUNCTION)
		describe("pci %04x:%02x:%02x.%x", at->pci_domain, at->pci_bus, at->pci_device,
			 at->pci_function);
	else if (at->kind == VIOT_FDT_ALL || at->kind == VIOT_FDT_INDEX)
		describe_fdt(at);
	else
		describe("mmio 0x%llx %u", (unsigned long long)at->smem, at->irq);
	if (disk->queue_size != 256)
		describe(" queue %u", disk->queue_size);
	if (disk->queues)
		describe(" queues %u", disk->queues);
	if (disk->dma_size)
		describe(" dma %llu", (unsigned long long)disk->dma_size);
	if (disk->interrupts) {
		describe(" interrupts %d", (int)disk->interrupts);
	}
	if (disk->poll != VIO_POLL_AUTO)
		describe(" poll %d", disk->poll);
	if (disk->poll_us != VIO_POLL_US_DEFAULT)
		describe(" for %u", disk->poll_us);
	if (disk->required_features)
		describe(" with 0x%llx", (unsigned long long)disk->required_features);
	if (disk->refused_features)
		describe(" without 0x%llx", (unsigned long long)disk->refused_features);
	describe("%s;", disk->takeover ? " takeover" : "");
}

static void describe_automount(const struct devb_automount *mount)
{
	describe(" mount %s@%s on %s as %s with %s;", mount->device,
		 mount->partition_type ? mount->partition_type : "-", mount->mountpoint,
		 mount->fstype ? mount->fstype : "-", mount->options ? mount->options : "-");
}

static void describe_blk(const struct devb_options *options)
{
	describe("%s", options->show_partitions ? "" : " raw;");
	describe("%s", options->read_only ? " ro;" : "");
	describe("%s", options->commit == DEVB_COMMIT_BACK      ? " back;"
		       : options->commit == DEVB_COMMIT_THROUGH ? " through;"
								: "");
	if (options->io_max != DEVB_IO_MAX)
		describe(" io %u;", options->io_max);
	if (strcmp(options->devdir, "/dev") != 0)
		describe(" devdir %s;", options->devdir);
	if (options->has_owner)
		describe(" owner %u;", options->owner);
	if (options->has_group)
		describe(" group %u;", options->group);
	if (options->has_mode)
		describe(" mode %o;", options->mode);
	for (unsigned i = 0; i < options->automount_count; i++)
		describe_automount(&options->automounts[i]);
}

static void describe_rest(const struct devb_options *options)
{
	if (strcmp(options->name_prefix, "hd") != 0 || options->name_first != 0)
		describe(" name %s@%u;", options->name_prefix, options->name_first);
	if (options->timeout_s != 30)
		describe(" timeout %u;", options->timeout_s);
	describe("%s", options->quiet ? " quiet;" : "");
	describe("%s", options->plug_and_play ? " pnp;" : "");
	if (options->verbosity)
		describe(" verbose %u;", options->verbosity);
	if (options->has_user)
		describe(" user %u:%u;", options->run_uid, options->run_gid);
	describe("%s", options->foreground ? " -f;" : "");
	describe("%s", options->list_devices ? " --list;" : "");
	for (unsigned i = 0; i < options->note_count; i++)
		describe(options->notes[i].is_warning ? " warning;" : " note;");
}

/* Everything that is not as on an empty line, so that a stray effect shows. */
static void describe_options(const struct devb_options *options)
{
	described[0] = '\0';
	for (unsigned i = 0; i < options->disk_count; i++)
		describe_disk(&options->disks[i]);
	describe_blk(options);
	describe_rest(options);
}

static const struct bad {
	const char *line;
	const char *said[4]; /* each must be in the sentence */
} bad[] = {
	/* the address of a device */
	{"virtio smem=0x1c0d0000", {"'smem=0x1c0d0000' without 'irq='", "irq=41"}},
	{"virtio irq=41", {"'irq=41' without 'smem='", "smem=0x1c0d0000,irq=41"}},
	{"virtio pci=0,smem=0x1000,irq=1", {"pci=0", "smem=", "one or the other"}},
	{"virtio pci=0,irq=1", {"pci=0", "irq=", "one or the other"}},
	{"virtio smem=0x1000,irq=1,smem=0x2000", {"smem=0x2000", "two values"}},
	{"virtio pci=0,pci=1", {"pci=1", "two values"}},
	{"virtio smem=0,irq=1", {"smem=0:", "not 0"}},
	{"virtio smem=0x1002,irq=1", {"smem=0x1002", "multiple of 4"}},
	{"virtio smem=0x10000000000000,irq=1", {"smem=", "guest-physical"}},
	{"virtio smem=1c0d0000,irq=1", {"smem=1c0d0000", "0x1c0d0000"}},
	{"virtio smem=-4,irq=1", {"smem=-4", "guest-physical"}},
	{"virtio smem=0x,irq=1", {"smem=0x:"}},
	{"virtio smem=0x0x10,irq=1", {"smem=0x0x10"}},
	{"virtio smem=0x1000,irq=gic:41", {"irq=gic:41", "irq=41"}},
	{"virtio smem=0x1000,irq=4294967296", {"irq=4294967296"}},
	{"virtio pci=4294967296", {"pci=4294967296", "0000:00:04.0"}},
	{"virtio pci=00:04", {"pci=00:04", "0000:00:04.0"}},
	{"virtio pci=04.0", {"pci=04.0"}},
	{"virtio pci=00:20.0", {"pci=00:20.0"}},
	{"virtio pci=00:04.8", {"pci=00:04.8"}},
	{"virtio pci=00:04.0.", {"pci=00:04.0."}},
	{"virtio pci=10000:00:04.0", {"pci=10000:00:04.0"}},
	{"virtio pci=:00:04.0", {"pci=:00:04.0"}},
	{"virtio pci=0x0:04.0", {"pci=0x0:04.0"}},
	{"virtio fdt=", {"virtio fdt", "no value", "fdt=0"}},
	{"virtio fdt=:0", {"fdt=:0", "dtb file"}},
	{"virtio fdt,fdt=1", {"fdt=1", "two values"}},
	{"virtio fdt,pci=0", {"'fdt' finds", "'pci=' gives one"}},
	{"virtio smem=0x1000,irq=1,fdt=0", {"'fdt' finds", "'smem=' gives one"}},
	{"virtio fdt=0,irq=1", {"'fdt' finds", "'irq=' gives one"}},
	{"virtio fdt=a\\,b", {"'b'", "'fdt'"}},
	{"virtio fdt virtio fdt", {"groups 1 and 2", "same device"}},
	{"virtio fdt=a:1 virtio fdt=1 virtio fdt=a:0x1", {"groups 1 and 3", "'fdt='"}},
	{"fdt", {"'fdt' stands alone", "write 'virtio fdt'"}},
	{"blk fdt=0", {"'virtio' group", "write 'virtio fdt=0'"}},
	{"virtio pci=0 virtio pci=0", {"groups 1 and 2", "same device"}},
	{"virtio takeover virtio pci=1 virtio qsize=4", {"groups 1 and 3", "'pci=0'"}},
	{"virtio smem=0x1000,irq=1 virtio irq=2,smem=4096", {"groups 1 and 2"}},
	/* values */
	{"virtio queues=0", {"queues=0", "from 1 to 64"}},
	{"virtio queues=65", {"queues=65", "from 1 to 64"}},
	{"virtio queues=two", {"queues=two", "queues=2"}},
	{"virtio queues", {"virtio queues", "no value"}},
	{"virtio packed=yes", {"packed=yes", "'on', 'off' or 'auto'"}},
	{"virtio packed", {"virtio packed", "no value", "packed=off"}},
	{"virtio qsize=100", {"virtio qsize=100", "power of two", "qsize=256"}},
	{"virtio qsize=0", {"qsize=0", "power of two"}},
	{"virtio qsize=1", {"qsize=1", "from 4"}},
	{"virtio qsize=65536", {"qsize=65536", "32768"}},
	{"virtio qsize=256k", {"qsize=256k"}},
	{"virtio qsize=+256", {"qsize=+256"}},
	{"virtio qsize=18446744073709551872", {"qsize=18446744073709551872"}},
	{"virtio dma=8", {"dma=8", "4M to 1G", "dma=8M"}},
	{"virtio dma=1025M", {"dma=1025M"}},
	{"virtio dma=17179869185G", {"dma=17179869185G"}},
	{"virtio dma=8MB", {"dma=8MB"}},
	{"virtio dma=8p", {"dma=8p"}},
	{"virtio poll=sometimes", {"virtio poll=sometimes", "'auto', 'always' or 'never'"}},
	{"virtio poll=", {"virtio poll", "no value"}},
	{"virtio poll_us=10001", {"poll_us=10001", "from 0 to 10000"}},
	{"virtio poll_us=-1", {"poll_us=-1"}},
	{"blk auto=all", {"auto=all", "'none' or 'partition'"}},
	{"blk devdir=dev", {"devdir=dev", "absolute"}},
	{"blk maxio=7", {"maxio=7", "8 or more"}},
	{"blk commit=higher", {"commit=higher", "'high'"}},
	{"blk maxio=64k", {"maxio=64k"}},
	{"blk maxio=18446744073709551617", {"maxio=18446744073709551617"}},
	{"blk mntuid=root", {"mntuid=root", "a number"}},
	{"blk mntgid=4294967295", {"mntgid=4294967295"}},
	{"blk mntperms=888", {"mntperms=888", "octal"}},
	{"blk mntperms=1777", {"mntperms=1777", "777"}},
	{"blk mntperms=rw", {"mntperms=rw", "octal"}},
	{"disk name=hd1", {"name=hd1", "no digit last"}},
	{"disk name=../hd", {"name=../hd"}},
	{"disk name=@2", {"name=@2"}},
	{"disk name=usb@", {"name=usb@"}},
	{"disk name=usb@2:0:0", {"name=usb@2:0:0"}},
	{"disk name=abcdefghijklmnop", {"15 letters"}},
	{"disk timeout=0", {"timeout=0", "1 to 3600"}},
	{"disk timeout=3601", {"timeout=3601"}},
	{"disk timeout=1:2", {"timeout=1:2"}},
	{"disk timeout=1:2:3:4:5", {"timeout=1:2:3:4:5"}},
	{"disk timeout=1:2::4", {"timeout=1:2::4"}},
	{"disk timeout=@0", {"timeout=@0"}},
	{"cam user=qnx", {"user=qnx", "user=20:20"}},
	{"cam user=20", {"user=20", "two numbers"}},
	{"cam user=nosuchuser:0", {"no user 'nosuchuser'"}},
	{"cam user=20:nosuchgroup", {"no group 'nosuchgroup'"}},
	{"cam user=20:", {"user=20:"}},
	{"cam user=:20", {"user=:20"}},
	{"cam user=20:4294967295", {"user=20:4294967295"}},
	{"cam user=nobody-of-that-name:0", {"user=nobody-of-that-name:0", "names that exist"}},
	{"cam user=root:nobody-of-that-name", {"user=root:nobody-of-that-name"}},
	{"cam user=0:20", {"user=0:20", "with user 0, group 0"}},
	{"cam user=20x:20", {"user=20x:20"}},
	{"cam verbose=10", {"verbose=10", "0 to 9"}},
	/* values where there should be none, and none where there should be one */
	{"blk ro=1", {"blk ro=1", "no value"}},
	{"virtio interrupts=yes", {"interrupts=yes", "msix-shared"}},
	{"virtio takeover=", {"virtio takeover=", "no value"}},
	{"virtio qsize", {"virtio qsize", "no value", "qsize=256"}},
	{"virtio smem=,irq=1", {"virtio smem", "no value"}},
	{"cam verbose=", {"cam verbose", "no value"}},
	/* automount */
	{"blk automount=hd0", {"automount=hd0", "DEVICE:DIRECTORY"}},
	{"blk automount=:/mnt", {"automount=:/mnt", "DEVICE:DIRECTORY"}},
	{"blk automount=-o:/mnt", {"automount=-o"}},
	{"blk automount=@", {"automount=@", "DEVICE:DIRECTORY"}},
	{"blk automount=a/b:/mnt", {"automount=a/b"}},
	{"blk automount=hd0:mnt", {"absolute path", "'mnt'"}},
	{"blk automount=hd0@:/mnt", {"partition type"}},
	{"blk automount=hd0@256:/mnt", {"partition type", "'256'"}},
	{"blk automount=hd0@ntfs:/mnt", {"partition type", "'ntfs'", "qnx6"}},
	{"blk automount=hd0:/mnt:-o", {"file system", "'-o'"}},
	{"blk automount=hd0:/mnt:qnx6:nonsense", {"'nonsense'", "umask="}},
	{"blk automount=hd0:/mnt:qnx6:ro\\,uid=me", {"'uid=me'", "number of a user"}},
	{"blk automount=hd0:/mnt:qnx6:workers=65", {"'workers=65'", "1 to 64"}},
	{"blk automount=hd0:/mnt:qnx6:umask=888", {"'umask=888'", "octal"}},
	{"blk automount=hd0:/mnt:ext4:ro,nosuid", {"unknown option 'nosuid'"}},
	/* the wrong group */
	{"blk smem=0xa003c00,irq=78",
	 {"'smem=' is an option of the 'virtio' group, found in 'blk'",
	  "write 'virtio smem=0xa003c00,irq=78'"}},
	{"blk ro,smem=0xa003c00,cache=1M,irq=78",
	 {"'smem='", "write 'blk ro,cache=1M virtio smem=0xa003c00,irq=78'"}},
	{"virtio pci=1,quiet",
	 {"'quiet' is an option of the 'cam' group", "'virtio pci=1 cam quiet'"}},
	{"cam ro", {"'ro'", "'blk' group", "write 'blk ro'"}},
	{"disk maxio=64:64,ro", {"'ro'", "write 'disk maxio=64:64 blk ro'"}},
	{"virtio verbose=2", {"'verbose' is an option of the 'cam' group", "'cam verbose=2'"}},
	{"virtio timeout=5", {"'timeout='", "'disk' group", "'disk timeout=5'"}},
	{"virtio maxio=64", {"'maxio='", "'blk' group"}},
	{"virtio retries=3", {"'retries'", "'disk' group"}},
	/* slips */
	{"virtio qsiez=64", {"unknown option 'qsiez' in 'virtio'", "did you mean 'qsize='"}},
	{"blk automuont=hd0:/mnt", {"did you mean 'automount='"}},
	{"blk naem=vd", {"did you mean 'disk name='"}},
	{"cam verbos", {"did you mean 'verbose'"}},
	{"blk rw", {"'rw'", "did you mean 'ro'"}},
	{"blk =5", {"unknown option ''", "expected one of auto"}},
	{"blk wombat=5", {"unknown option 'wombat' in 'blk'", "auto, automount, devdir", "--help"}},
	{"virto pci=0", {"unknown word 'virto'", "did you mean 'virtio'"}},
	{"dsik name=vd", {"did you mean 'disk'"}},
	{"--hlep", {"unknown switch '--hlep'", "did you mean '--help'"}},
	{"-v", {"unknown switch '-v'", "--list", "--help"}},
	{"--list=all", {"unknown switch '--list=all'"}},
	{"-fv", {"unknown switch '-fv'"}},
	/* words in the wrong place */
	{"smem=0x1c0d0000,irq=41", {"stands alone", "write 'virtio smem=0x1c0d0000,irq=41'"}},
	{"virtio smem=0x1c0d0000 irq=41",
	 {"'irq=41' stands alone", "'virtio smem=0x1c0d0000,irq=41'"}},
	{"virtio pci=0 quiet", {"'quiet' stands alone", "write 'cam quiet'"}},
	{"virtio pci=0 /dev/hd0", {"unknown word '/dev/hd0'", "expected a group"}},
	{"virtio smem=0x1000, irq=41", {"empty option", "without spaces"}},
	{"blk ro,,auto=none", {"blk ro,,auto=none", "empty option"}},
	{"blk ,ro", {"empty option"}},
	{"blk", {"'blk'", "last word"}},
	{"blk -f", {"'blk'", "found '-f'"}},
	{"blk cam quiet", {"'blk'", "found 'cam'"}},
	{"qnx6", {"'qnx6'", "last word"}},
	{"qnx6 virtio pci=0", {"'qnx6'", "found 'virtio'"}},
	{"blk  ro", {"empty option"}},
	{"-f ", {"unknown word ''"}},
};

#endif
