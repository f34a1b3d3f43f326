"""The tiny guest: a Linux that boots in seconds, made from Debian's own packages."""
