"""Makes the kernel refuse system calls to a program: `before(...)` is for `preexec_fn`. x86-64 and aarch64 Linux."""

import ctypes
import errno
import platform
import struct

# Numbers by machine (linux/arch/x86/entry/syscalls/syscall_64.tbl, include/uapi/asm-generic/unistd.h).
NUMBERS = {
    "x86_64": {
        "write": 1, "ftruncate": 77, "fsync": 74, "fdatasync": 75, "flock": 73, "rename": 82, "renameat": 264, "renameat2": 316,
        "mkdir": 83, "mkdirat": 258, "unlink": 87, "unlinkat": 263, "chmod": 90, "fchmod": 91, "fchmodat": 268, "chown": 92,
        "fchown": 93, "lchown": 94, "fchownat": 260, "mknod": 133, "mknodat": 259, "ptrace": 101, "mount": 165, "umount2": 166,
        "unshare": 272, "setns": 308, "clone": 56, "clone3": 435, "link": 86, "linkat": 265, "ioctl": 16, "fallocate": 285,
        "copy_file_range": 326, "sendfile": 40, "getrandom": 318, "memfd_create": 319, "pwrite64": 18, "statx": 332,
        "pivot_root": 155, "chroot": 161, "setuid": 105, "setgid": 106, "fcntl": 72, "sched_getaffinity": 204, "pread64": 17,
        "io_uring_setup": 425, "bpf": 321, "keyctl": 250, "personality": 135, "openat2": 437, "faccessat2": 439,
    },
    "aarch64": {
        "write": 64, "ftruncate": 46, "fsync": 82, "fdatasync": 83, "flock": 32, "renameat": 38, "renameat2": 276, "mkdirat": 34,
        "unlinkat": 35, "fchmod": 52, "fchmodat": 53, "fchown": 55, "fchownat": 54, "mknodat": 33, "ptrace": 117, "mount": 40,
        "umount2": 39, "unshare": 97, "setns": 268, "clone": 220, "clone3": 435, "linkat": 37, "ioctl": 29, "fallocate": 47,
        "copy_file_range": 285, "sendfile": 71, "getrandom": 278, "memfd_create": 279, "pwrite64": 68, "statx": 291,
        "pivot_root": 41, "chroot": 51, "setuid": 146, "setgid": 144, "fcntl": 25, "sched_getaffinity": 123, "pread64": 67,
        "io_uring_setup": 425, "bpf": 280, "keyctl": 219, "personality": 92, "openat2": 437, "faccessat2": 439,
    },
}
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
NEW_USER_NAMESPACE = 0x10000000

# Classic BPF (linux/filter.h): load a word of `struct seccomp_data`, compare, return.
LOAD, EQUAL, GREATER, ANY_BIT, RETURN = 0x20, 0x15, 0x25, 0x45, 0x06
ALLOW, REFUSE = 0x7FFF0000, 0x00050000
NUMBER, ARCHITECTURE, FIRST_ARGUMENT, THIRD_ARGUMENT = 0, 4, 16, 32


def refusal(code: int, *names: str, larger_than: int | None = None, namespaces_only: bool = False):
    """Rules that answer calls of these names with an error; `larger_than`: those that write more bytes at a time;
    `namespaces_only`: of `clone`, those that ask for a user namespace."""
    known = NUMBERS[platform.machine()]
    rules = []
    for name in names:
        if name not in known:
            continue
        answer = [(RETURN, 0, 0, REFUSE | code)]
        if larger_than is not None:
            answer = [(LOAD, 0, 0, THIRD_ARGUMENT), (GREATER, 0, 1, larger_than), *answer, (RETURN, 0, 0, ALLOW)]
        if namespaces_only:
            answer = [(LOAD, 0, 0, FIRST_ARGUMENT), (ANY_BIT, 0, 1, NEW_USER_NAMESPACE), *answer, (RETURN, 0, 0, ALLOW)]
        rules += [(LOAD, 0, 0, NUMBER), (EQUAL, 0, len(answer), known[name]), *answer]
    return rules


def before(*refusals):
    """What a child does between fork and exec to be refused these calls, and all its children with it."""
    head = [(LOAD, 0, 0, ARCHITECTURE), (EQUAL, 1, 0, ARCHITECTURES[platform.machine()]), (RETURN, 0, 0, REFUSE | errno.EPERM)]
    program = head + [rule for rules in refusals for rule in rules] + [(RETURN, 0, 0, ALLOW)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *rule) for rule in program))
    header = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program), ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    word = ctypes.c_ulong

    def install() -> None:
        no_new_privileges, set_seccomp, filter_mode = 38, 22, 2
        if libc.prctl(no_new_privileges, word(1), word(0), word(0), word(0)):
            raise OSError(ctypes.get_errno(), "no_new_privs")
        if libc.prctl(set_seccomp, word(filter_mode), header, word(0), word(0)):
            raise OSError(ctypes.get_errno(), "seccomp")

    # The program must live as long as somebody may install it.
    install.keep = (code, header)
    return install
