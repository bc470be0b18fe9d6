#!/bin/bash
# Boots systemd as process 1 of namespaces of its own, on a copy-on-write view of this host's files: nothing of what it does
# reaches the host. It shares the network. Needs root. Says the id of the process whose child it is; ends with its input.
#
# usage: boot-systemd.sh FOLDER CHECKOUT NODE    an empty folder, the checkout with the units, the program node
set -eu
folder=$1 checkout=$2 node=$3

if [ -z "${INSIDE-}" ]; then
  # systemd wants a tree of control groups of its own.
  group=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)/es-migrate-test-$$
  mkdir "$group"
  (
    echo "$BASHPID" >"$group/cgroup.procs"
    INSIDE=yes exec unshare --pid --fork --kill-child --mount --propagation private --cgroup --ipc --uts bash "$0" "$@"
  ) &
  echo "$!"
  # Until whoever called closes its end, or is gone.
  cat >/dev/null
  kill -KILL "$!"
  wait "$!" || true
  for _ in {1..100}; do
    find "$group" -depth -type d -exec rmdir {} + 2>/dev/null && exit
    sleep 0.1
  done
  exit 1
fi

mount -t tmpfs tmpfs "$folder"
root=$folder/root
mkdir "$folder/upper" "$folder/work" "$root"
mount -t overlay -o "lowerdir=/,upperdir=$folder/upper,workdir=$folder/work" overlay "$root"
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
for fresh in run tmp var/tmp dev etc/systemd/system; do
  mount -t tmpfs -o mode=755 tmpfs "$root/$fresh"
done
chmod 1777 "$root/tmp" "$root/var/tmp"
for device in null zero full random urandom tty; do
  touch "$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/shm" "$root/dev/pts"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"

# What else a host does when it boots is none of our business.
: >"$root/etc/fstab"
for wanted in "$root"/lib/systemd/system/{sysinit,local-fs,sockets,timers}.target.wants/*; do
  case $wanted in
    *journald* | *dbus*) ;;
    *) ln -sf /dev/null "$root/etc/systemd/system/${wanted##*/}" ;;
  esac
done

# As README.md installs it, but for `npm install`.
units=$checkout/deploy/systemd
install -D -m 644 "$units/es-migrate.conf" "$root/etc/sysusers.d/es-migrate.conf"
chroot "$root" systemd-sysusers es-migrate.conf
install -m 644 "$units"/es-migrate-*.service "$units"/es-migrate-*.timer "$root/etc/systemd/system/"
install -D -m 644 -t "$root/etc/systemd/system/es-migrate-.service.d" "$units/es-migrate-.service.d/common.conf"
mkdir -p "$root/srv/es-migrate" "$root/usr/local/bin" "$root/etc/es-migrate"
mount --rbind "$checkout" "$root/srv/es-migrate"
rm -f "$root/usr/local/bin/es-migrate" "$root/usr/local/bin/node"
ln -s /srv/es-migrate/bin/es-migrate.js "$root/usr/local/bin/es-migrate"
touch "$root/usr/local/bin/node"
mount --bind "$node" "$root/usr/local/bin/node"

mkdir "$root/run/host"
cd "$root"
pivot_root . run/host
umount -l /run/host
# As process 1 of a host finds it; services get credentials by what is mounted for them.
mount --make-rshared /
exec env -i container=es-migrate PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
  /lib/systemd/systemd --system --unit=basic.target --show-status=no
