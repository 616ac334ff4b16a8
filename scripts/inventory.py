#!/usr/bin/env python3
# What the program is made of: scripts/inventory.py FOLDER writes sbom.cdx.json (CycloneDX 1.5) and
# third-party.txt (every package with its licence and its licence's texts) there, from Cargo.lock and
# the packages' own files. The same sources give the same bytes. Development dependencies are left out.

import json
import os
import subprocess
import sys
from pathlib import Path

LICENCE_FILES = ("licen", "copying", "notice", "unlicense", "copyright")


def metadata():
    host = subprocess.run(["rustc", "-vV"], check=True, capture_output=True, text=True).stdout
    host = next(line.removeprefix("host: ") for line in host.splitlines() if line.startswith("host: "))
    command = ["cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", host]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def shipped(data):
    """Packages that the program links or is built by, and which of them each needs."""
    nodes = {node["id"]: node for node in data["resolve"]["nodes"]}
    root = next(p["id"] for p in data["packages"] if p["name"] == "leadstream")
    needs, waiting = {}, [root]
    while waiting:
        package = waiting.pop()
        if package in needs:
            continue
        kinds = lambda dep: {kind["kind"] for kind in dep["dep_kinds"]}
        needs[package] = sorted(d["pkg"] for d in nodes[package]["deps"] if kinds(d) - {"dev"})
        waiting.extend(needs[package])
    packages = {p["id"]: p for p in data["packages"] if p["id"] in needs}
    return root, packages, needs


def purl(package):
    return f"pkg:cargo/{package['name']}@{package['version']}"


def component(package, checksums):
    entry = {
        "type": "library",
        "bom-ref": purl(package),
        "name": package["name"],
        "version": package["version"],
        "purl": purl(package),
    }
    if package["license"]:
        entry["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
    checksum = checksums.get((package["name"], package["version"]))
    if checksum:
        entry["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    if package["repository"]:
        entry["externalReferences"] = [{"type": "vcs", "url": package["repository"]}]
    return entry


def lock_checksums():
    checksums, name, version = {}, None, None
    for line in Path("Cargo.lock").read_text().splitlines():
        key, _, value = line.partition(" = ")
        value = value.strip('"')
        if key == "name":
            name = value
        elif key == "version":
            version = value
        elif key == "checksum":
            checksums[(name, version)] = value
    return checksums


def sbom(root, packages, needs):
    checksums = lock_checksums()
    ordered = sorted(packages.values(), key=lambda p: (p["name"], p["version"]))
    program = component(packages[root], checksums) | {"type": "application"}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": program},
        "components": [component(p, checksums) for p in ordered if p["id"] != root],
        "dependencies": [
            {"ref": purl(p), "dependsOn": sorted(purl(packages[need]) for need in needs[p["id"]])}
            for p in ordered
        ],
    }


def licence_texts(package):
    folder = Path(package["manifest_path"]).parent
    files = [file for file in sorted(folder.iterdir()) if file.is_file()]
    wanted = [file for file in files if file.name.lower().startswith(LICENCE_FILES)]
    return [(file.name, file.read_text(errors="replace").strip()) for file in wanted]


def report(root, packages):
    others = sorted((p for i, p in packages.items() if i != root), key=lambda p: (p["name"], p["version"]))
    parts = [f"leadstream contains {len(others)} packages by others.\n"]
    printed = {}
    for package in others:
        head = f"{package['name']} {package['version']}"
        lines = ["=" * 80, head, f"licence: {package['license'] or 'see below'}"]
        if package["repository"]:
            lines.append(package["repository"])
        for name, text in licence_texts(package):
            if text in printed:
                lines.append(f"{name}: as of {printed[text]}")
            else:
                printed[text] = f"{head}, {name}"
                lines.append(f"{name}:\n\n{text}")
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: scripts/inventory.py FOLDER")
    os.chdir(Path(__file__).resolve().parent.parent)
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    root, packages, needs = shipped(metadata())
    text = json.dumps(sbom(root, packages, needs), indent=2, sort_keys=True, ensure_ascii=False)
    (folder / "sbom.cdx.json").write_text(text + "\n")
    (folder / "third-party.txt").write_text(report(root, packages))


main()
