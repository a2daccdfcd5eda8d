"""Instances as real systemd hosts on a test network of their own: systemd-nspawn containers, as root (README.md)."""
