# Compiles Python sources to unchecked hash-based bytecode (PEP 552). Runs in the interpreter of the image, whichever that is.
# The list that is named holds triples, each word ended by a NUL byte: where a source is, what it is called in the image, and
# where its bytecode goes. Says its version, then one letter for each source: `.` done, `-` no valid Python.
import _thread
import importlib.util
import marshal
import os
import sys


def until_nobody_waits():
    # Whoever started this holds the other end; it is closed when that process ends, however it ends.
    os.read(0, 1)
    os._exit(1)


# No source needs this much.
MOST = 4 << 30


def bound():
    """Whether memory is bounded by us alone."""
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (MOST, MOST))
    except Exception:
        return None
    return resource


def is_deep(resource):
    """Whether the parser said that it has no memory, and meant that the source is nested too deeply for it."""
    return resource is not None and resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10 < MOST >> 2


def main():
    with open(sys.argv[1], "rb") as listing:
        words = listing.read().split(b"\0")
    version = "%s %d.%d.%d\n" % ((sys.implementation.name,) + sys.version_info[:3])
    os.write(1, version.encode())
    resource = bound()
    _thread.start_new_thread(until_nobody_waits, ())
    for source_path, name, target in zip(words[0:-1:3], words[1::3], words[2::3]):
        with open(source_path, "rb") as file:
            source = file.read()
        try:
            code = compile(source, name.decode(), "exec", dont_inherit=True, optimize=0)
        except MemoryError:
            # Another machine might have had more: nothing may depend on that.
            if not is_deep(resource):
                raise
            os.write(1, b"-")
            continue
        except Exception:
            os.write(1, b"-")
            continue
        with open(target, "wb") as file:
            file.write(importlib.util.MAGIC_NUMBER)
            file.write((1).to_bytes(4, "little"))
            file.write(importlib.util.source_hash(source))
            file.write(marshal.dumps(code))
        os.write(1, b".")


main()
