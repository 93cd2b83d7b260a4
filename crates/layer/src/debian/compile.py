# Compiles the files named in a list to unchecked hash-based bytecode (PEP 552), and writes it to standard output:
# for each file eight bytes of length, then the bytecode; no bytes for a file that is not valid Python.
# The list holds pairs, each ended by a NUL byte: where a file is, and what it is called in the image.
import importlib.util
import marshal
import sys

with open(sys.argv[1], "rb") as listing:
    words = listing.read().split(b"\0")
out = sys.stdout.buffer
for source_path, name in zip(words[0:-1:2], words[1::2]):
    with open(source_path, "rb") as file:
        source = file.read()
    try:
        code = compile(source, name.decode(), "exec", dont_inherit=True, optimize=0)
    except (SyntaxError, ValueError):
        out.write(bytes(8))
        continue
    bytecode = (
        importlib.util.MAGIC_NUMBER
        + (1).to_bytes(4, "little")
        + importlib.util.source_hash(source)
        + marshal.dumps(code)
    )
    out.write(len(bytecode).to_bytes(8, "little"))
    out.write(bytecode)
out.flush()
