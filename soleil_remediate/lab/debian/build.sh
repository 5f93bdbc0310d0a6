#!/bin/bash
# Makes the configured layer and the pristine disks. Runs on the lab's machine in mount, PID and UTS
# namespaces of its own, so that nothing it mounts or starts can outlive it.
#   build.sh PACKAGES PARTIAL SOURCE < disks   (a line each: NAME MOUNT_POINT MEBIBYTES MKFS_OPTIONS)
set -euo pipefail
packages=$1 partial=$2 source=$3

hostname lab-image
mkdir "$partial/layer" "$partial/work" "$partial/root" "$partial/disks"
root=$partial/root
mount -t overlay overlay -o "lowerdir=$packages,upperdir=$partial/layer,workdir=$partial/work" "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/dev/shm"
mkdir "$root/run/lab"
cp -r "$source/app" "$source/debian/configure.sh" "$source/debian/application.sh" \
  "$source/debian/mail_sink.py" "$root/run/lab/"
chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
  bash /run/lab/configure.sh </dev/null
umount "$root/dev/shm" "$root/run" "$root/proc"

while read -r name mount_point mebibytes options; do
  # shellcheck disable=SC2086  # options are several words
  mkfs.ext4 -q -F $options -d "$root$mount_point" "$partial/disks/$name.img" "${mebibytes}M"
done
umount "$root"
rmdir "$root"
rm -rf "$partial/work"
