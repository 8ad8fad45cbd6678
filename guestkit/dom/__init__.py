"""Domains that come and go: a hypervisor in a process of its own, controlled through a socket."""
