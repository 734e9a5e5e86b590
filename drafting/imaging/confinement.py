"""Confines, for good, a process that reads an untrusted file to what it needs. Knows nothing of images.

Limits on resources hold on every POSIX system. On Linux the process also gives up, where the kernel and its
administrator allow it, the network (user_namespaces(7)), all files but those of Python and of the system's libraries,
starting other programs, and writing to anything that is not open already (landlock(7)). A system that allows less is
no reason to open no file, so what it refuses is left out.
"""

from __future__ import annotations

import ctypes
import math
import os
import resource
import struct
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

from drafting.imaging.open import Limits

OPEN_FILES = 64
SYSTEM_LIBRARIES = ("/lib", "/lib32", "/lib64", "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/local/lib")
LINKER_CACHE = "/etc/ld.so.cache"

# linux/prctl.h, linux/sched.h
PR_SET_NO_NEW_PRIVS = 38
CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWNET = 0x08000000, 0x10000000, 0x40000000

# linux/landlock.h; the numbers of its system calls are the same on every architecture.
LANDLOCK_CREATE_RULESET, LANDLOCK_ADD_RULE, LANDLOCK_RESTRICT_SELF = 444, 445, 446
LANDLOCK_CREATE_RULESET_VERSION = 1
LANDLOCK_RULE_PATH_BENEATH = 1
READ_FILE, READ_DIR = 1 << 2, 1 << 3
# How many kinds of access to files a version of Landlock knows, from version 1 on; later ones know the last number.
KINDS_OF_FILE_ACCESS = (13, 14, 15, 15, 16)
NETWORK_FROM, SCOPES_FROM = 4, 6
TCP_BIND_AND_CONNECT = 0b11
ABSTRACT_SOCKETS_AND_SIGNALS = 0b11


def confine(limits: Limits) -> None:
    """Give up what decoding a file does not need. None of it can be taken back."""
    _limit_resources(limits)
    if sys.platform == "linux":
        system = ctypes.CDLL(None, use_errno=True)
        system.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        system.unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWIPC)
        if landlock_version():
            _restrict_files(system)


def landlock_version() -> int:
    """The version of Landlock that the kernel offers; 0 where it offers none."""
    if sys.platform != "linux":
        return 0
    system = ctypes.CDLL(None, use_errno=True)
    return max(0, system.syscall(LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), LANDLOCK_CREATE_RULESET_VERSION))


def _limit_resources(limits: Limits) -> None:
    restraints = {
        resource.RLIMIT_CPU: math.ceil(limits.seconds),
        resource.RLIMIT_FSIZE: 4 * limits.decoded_bytes + 2**26,
        # A core dump would hold the image.
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: OPEN_FILES,
        resource.RLIMIT_NPROC: 0,
    }
    if sys.platform == "linux":
        restraints[resource.RLIMIT_AS] = limits.memory_bytes
    for kind, most in restraints.items():
        hard = resource.getrlimit(kind)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (most, most))


def _restrict_files(system: ctypes.CDLL) -> None:
    """Leave only reading of Python's own files and the system's libraries, which decoders are loaded from."""
    version = landlock_version()
    files = (1 << KINDS_OF_FILE_ACCESS[min(version, len(KINDS_OF_FILE_ACCESS)) - 1]) - 1
    handled = [files]
    if version >= NETWORK_FROM:
        handled.append(TCP_BIND_AND_CONNECT)
    if version >= SCOPES_FROM:
        handled.append(ABSTRACT_SOCKETS_AND_SIGNALS)
    attributes = struct.pack(f"{len(handled)}Q", *handled)
    rules = system.syscall(LANDLOCK_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0)
    if rules < 0:
        return
    try:
        for path in _needed():
            _allow_reading(system, rules, path)
        system.syscall(LANDLOCK_RESTRICT_SELF, rules, 0)
    finally:
        os.close(rules)


def _needed() -> Iterable[Path]:
    paths = [*sys.path, *sysconfig.get_paths().values(), *SYSTEM_LIBRARIES, LINKER_CACHE]
    return {Path(path).resolve() for path in paths if path and Path(path).exists()}


def _allow_reading(system: ctypes.CDLL, rules: int, path: Path) -> None:
    allowed = READ_FILE | READ_DIR if path.is_dir() else READ_FILE
    # O_PATH is Linux's own.
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        rule = struct.pack("=Qi", allowed, descriptor)
        system.syscall(LANDLOCK_ADD_RULE, rules, LANDLOCK_RULE_PATH_BENEATH, rule, 0)
    finally:
        os.close(descriptor)
