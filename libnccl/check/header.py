#!/usr/bin/env python3
"""Compares a header of NVIDIA's NCCL with ours, and the library with it.

usage: header.py OFFICIAL OURS LIBRARY WORKDIR [--older] [CC ARGUMENT...]

OFFICIAL and OURS are folders with an nccl.h; the arguments for the compiler say where
CUDA's headers are. Everything that the official header has is looked for in ours: every
macro, enumerator, struct with the size, offset and initial value of its members, and
every function with its types. Then a program that refers to every function is linked
with the library. With --older, the official header is one whose structs may be smaller,
and of whose names some may have gone.
"""

import os
import re
import subprocess
import sys


def preprocess(folder, args, *options):
    # Without the system's headers, of which nothing is compared.
    cmd = ["gcc", "-E", *options, "-isystem", folder, *args, os.path.join(folder, "nccl.h")]
    return subprocess.run(cmd, check=True, capture_output=True, text=True).stdout


def own(folder, args):
    """The preprocessed lines that are nccl.h's own."""
    lines, mine = [], False
    for line in preprocess(folder, args).splitlines():
        marker = re.match(r'# \d+ "(.*)"', line)
        if marker:
            mine = marker[1].endswith("/nccl.h") and "nccl_" not in os.path.basename(marker[1])
        elif mine:
            lines.append(line)
    return "\n".join(lines)


def kind(parameter):
    """A parameter's type, without its name."""
    parameter = parameter.strip().replace("*", " * ")
    words = parameter.split()
    if len(words) > 1 and re.match(r"^\w+$", words[-1]) and words[-1] not in ("int", "char", "const"):
        words.pop()
    return " ".join(words)


def functions(text):
    found = {}
    for result, name, parameters in re.findall(
        r"(ncclResult_t|const\s+char\s*\*|void)\s*(p?nccl\w+)\s*\(([^()]*)\)\s*;", text
    ):
        types = [kind(p) for p in parameters.split(",") if p.strip() not in ("", "void")]
        found[name] = (" ".join(result.replace("*", " *").split()), types)
    return found


def structs(text):
    """Members of the structs that are defined with a typedef, by name."""
    found = {}
    for body, name in re.findall(r"typedef\s+struct\s*\w*\s*\{((?:[^{}]|\{[^{}]*\})*)\}\s*(\w+)\s*;", text):
        flat = re.sub(r"(struct|union)\s*\{[^{}]*\}\s*(\w+)\s*;", r"int \2;", body)
        found[name] = [re.findall(r"\w+", d.split("[")[0])[-1] for d in flat.split(";") if d.strip()]
    return found


def enumerators(text):
    names = []
    for body in re.findall(r"enum\s*\w*\s*\{([^{}]*)\}", text):
        names += re.findall(r"(?:^|,)\s*(\w+)", body)
    return names


def macros(folder, args):
    lines = preprocess(folder, args, "-dM").splitlines()
    defined = (re.match(r"#define (NCCL_\w+)(\(.*\))? ?(.*)", l) for l in lines)
    return {m[1]: m[3] for m in defined if m and m[3]}


def dump_source(names, members, initialized):
    out = ["#include <nccl.h>", "#include <stddef.h>", "#include <stdio.h>", "#include <string.h>", "int main(void) {"]
    for name in names:
        out.append(f'printf("{name} %lld\\n", (long long)({name}));')
    for struct, list_ in members.items():
        out.append(f'printf("sizeof {struct} %zu\\n", sizeof({struct}));')
        for m in list_:
            out.append(
                f'printf("{struct}.{m} at %zu size %zu\\n", offsetof({struct}, {m}), sizeof((({struct} *)0)->{m}));'
            )
    for struct, initializer in initialized.items():
        out.append(f"{{ {struct} x = {initializer}; {struct} y; memset(&y, 0, sizeof y); y = x;")
        for m in members[struct]:
            out.append(f'unsigned char b_{m}[sizeof x.{m}]; memcpy(b_{m}, &x.{m}, sizeof x.{m}); printf("{struct}.{m} is");')
            out.append(f'for (size_t i = 0; i < sizeof b_{m}; i++) printf(" %02x", b_{m}[i]); printf("\\n");')
        out.append("(void)y; }")
    return "\n".join(out + ["return 0;", "}"])


def compile_and_run(source, name, workdir, folder, args):
    path = os.path.join(workdir, name)
    with open(path + ".c", "w") as f:
        f.write(source)
    subprocess.run(["gcc", path + ".c", "-o", path, "-isystem", folder, *args], check=True)
    return subprocess.run([path], check=True, capture_output=True, text=True).stdout.splitlines()


def main():
    official, ours, library, workdir, *args = sys.argv[1:]
    older = "--older" in args
    args = [a for a in args if a != "--older"]
    mistakes = []

    texts = {f: own(f, args) for f in (official, ours)}
    members = {f: structs(t) for f, t in texts.items()}
    for struct, list_ in members[official].items():
        if struct not in members[ours]:
            mistakes.append(f"our header has no {struct}")
        elif [m for m in list_ if m not in members[ours][struct]]:
            mistakes.append(f"our {struct} lacks members: {list_}, not {members[ours][struct]}")
    if mistakes:
        sys.exit("\n".join(mistakes))

    defined = {f: macros(f, args) for f in (official, ours)}
    skipped = ("NCCL_H_", "NCCL_VERSION", "NCCL_SUFFIX", "NCCL_API_MAGIC_")
    numbers = [
        m
        for m, value in defined[official].items()
        if m not in skipped and not m.endswith("INITIALIZER") and re.match(r"^[\w()+.-]+$", value) and value != "NULL"
    ]
    numbers = [m for m in numbers if not older or m not in ("NCCL_MAJOR", "NCCL_MINOR", "NCCL_PATCH", "NCCL_VERSION_CODE")]
    for m in defined[official]:
        if m not in defined[ours] and m != "NCCL_H_":
            mistakes.append(f"our header has no {m}")
    initialized = {}
    for m in defined[official]:
        for struct in members[official]:
            plain = struct.removesuffix("_t").removeprefix("nccl").lower()
            if m.endswith("INITIALIZER") and m.removeprefix("NCCL_").removesuffix("_INITIALIZER").replace("_", "").lower() == plain:
                initialized[struct] = m
    if older:
        initialized = {}
    names = enumerators(texts[official]) + numbers
    if len(names) < 30 or not members[official] or len(functions(texts[official])) < 40:
        sys.exit("too little was found in the official header: this program does not understand it")

    source = dump_source(names, members[official], initialized)
    theirs = compile_and_run(source, "theirs", workdir, official, args)
    mine = compile_and_run(source, "mine", workdir, ours, args)
    for a, b in zip(theirs, mine):
        grown = older and a.startswith("sizeof ") and a.rsplit(" ", 1)[0] == b.rsplit(" ", 1)[0] and int(a.split()[-1]) <= int(b.split()[-1])
        added = older and re.match(r"nccl(NumResults|NumTypes) ", a)
        if a != b and not grown and not added:
            mistakes.append(f"official: {a}; ours: {b}")

    declared = {f: functions(t) for f, t in texts.items()}
    for name, types in declared[official].items():
        if declared[ours].get(name) != types:
            mistakes.append(f"official: {name} {types}; ours: {declared[ours].get(name)}")
    if mistakes:
        sys.exit("\n".join(mistakes))

    calls = "".join(f"(void *){name}, " for name in declared[official])
    link = f"#include <nccl.h>\n#include <stdio.h>\nint main(void) {{ void *all[] = {{{calls}}}; " \
        'int n = 0; for (unsigned i = 0; i < sizeof all / sizeof *all; i++) n += all[i] != 0; printf("%d\\n", n); return 0; }\n'
    linked = compile_and_run(link, "link", workdir, official, [*args, "-Wno-deprecated-declarations", library, f"-Wl,-rpath,{os.path.dirname(os.path.abspath(library))}"])
    if linked != [str(len(declared[official]))]:
        sys.exit(f"{linked} of {len(declared[official])} functions were linked")
    print(f"{len(names)} values, {len(members[official])} structs and {len(declared[official])} functions of {defined[official]['NCCL_VERSION_CODE']} agree")


main()
