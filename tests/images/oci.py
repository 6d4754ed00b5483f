#!/usr/bin/env python3
"""Turns root file system tarballs into images: pushes them to a registry, or writes an OCI layout.

usage: oci.py push REGISTRY_URL TARBALL CONFIG_JSON NAME:TAG...
       oci.py layout DIRECTORY TARBALL CONFIG_JSON NAME:TAG
"""
import gzip
import hashlib
import json
import os
import shutil
import sys
import urllib.error
import urllib.request

MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def sha256_of(path):
    digest = hashlib.sha256()
    with open(path, "rb") as source:
        while chunk := source.read(1 << 20):
            digest.update(chunk)
    return "sha256:" + digest.hexdigest()


def compressed(tarball):
    """The layer as gzip beside the tarball, made once."""
    path = tarball + ".gz"
    if not os.path.exists(path):
        part = f"{path}.{os.getpid()}"
        with open(tarball, "rb") as source, open(part, "wb") as raw:
            with gzip.GzipFile("", "wb", 1, raw, 0) as target:
                shutil.copyfileobj(source, target, 1 << 20)
        os.rename(part, path)
    return path


def describe(tarball, config_text):
    """(config bytes, manifest bytes, layer path, layer digest)"""
    layer = compressed(tarball)
    layer_digest = sha256_of(layer)
    config = json.dumps({
        "architecture": "amd64" if os.uname().machine == "x86_64" else "arm64",
        "os": "linux",
        "config": json.loads(config_text),
        "rootfs": {"type": "layers", "diff_ids": [sha256_of(tarball)]},
        "history": [{"created_by": "tests/images/build"}],
    }).encode()
    manifest = json.dumps({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "size": len(config),
                   "digest": "sha256:" + hashlib.sha256(config).hexdigest()},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
                    "size": os.path.getsize(layer), "digest": layer_digest}],
    }).encode()
    return config, manifest, layer, layer_digest


def call(method, url, data=None, headers=None):
    request = urllib.request.Request(url, data=data, method=method, headers=headers or {})
    with urllib.request.urlopen(request, timeout=120) as answer:
        return answer.headers


def has(url):
    try:
        call("HEAD", url, headers={"Accept": MANIFEST})
        return True
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return False
        raise


def push_blob(base, data, size, digest):
    if has(f"{base}/blobs/{digest}"):
        return
    place = call("POST", f"{base}/blobs/uploads/")["Location"]
    join = "&" if "?" in place else "?"
    call("PUT", f"{place}{join}digest={digest}", data,
         {"Content-Type": "application/octet-stream", "Content-Length": str(size)})


def push(registry, tarball, config_text, names):
    config, manifest, layer, layer_digest = describe(tarball, config_text)
    for name in names:
        repository, tag = name.rsplit(":", 1)
        if "/" not in repository:
            repository = "library/" + repository
        base = f"{registry}/v2/{repository}"
        with open(layer, "rb") as data:
            push_blob(base, data, os.path.getsize(layer), layer_digest)
        push_blob(base, config, len(config), "sha256:" + hashlib.sha256(config).hexdigest())
        call("PUT", f"{base}/manifests/{tag}", manifest, {"Content-Type": MANIFEST})


def layout(directory, tarball, config_text, name):
    config, manifest, layer, layer_digest = describe(tarball, config_text)
    blobs = os.path.join(directory, "blobs", "sha256")
    os.makedirs(blobs, exist_ok=True)
    for data in (config, manifest):
        with open(os.path.join(blobs, hashlib.sha256(data).hexdigest()), "wb") as target:
            target.write(data)
    shutil.copyfile(layer, os.path.join(blobs, layer_digest.split(":")[1]))
    index = {"schemaVersion": 2, "manifests": [{
        "mediaType": MANIFEST, "size": len(manifest),
        "digest": "sha256:" + hashlib.sha256(manifest).hexdigest(),
        "annotations": {"org.opencontainers.image.ref.name": name}}]}
    with open(os.path.join(directory, "index.json"), "w", encoding="utf-8") as target:
        json.dump(index, target)
    with open(os.path.join(directory, "oci-layout"), "w", encoding="utf-8") as target:
        json.dump({"imageLayoutVersion": "1.0.0"}, target)


def main(arguments):
    if len(arguments) >= 5 and arguments[0] == "push":
        push(arguments[1], arguments[2], arguments[3], arguments[4:])
    elif len(arguments) == 5 and arguments[0] == "layout":
        layout(*arguments[1:])
    else:
        sys.exit(__doc__)


main(sys.argv[1:])
