"""Debian's own Linux kernel, as downloaded, with a busybox to type in: fetched, packed and booted."""
