#!/usr/bin/env python3
"""Writes the first inputs of the fuzz targets: make_corpus.py CORPUS_FOLDER."""

import gzip
import io
import json
import pathlib
import struct
import sys
import tarfile
import zipfile
import zlib

ROOT = pathlib.Path(__file__).resolve().parents[2]


def png(width=3, height=2, kind=2, depth=8, interlace=0, claim=None):
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[kind]
    row = b"\0" + b"\x40" * ((width * channels * depth + 7) // 8)
    head = struct.pack(">IIBBBBB", *(claim or (width, height)), depth, kind, 0, 0, interlace)
    palette = chunk(b"PLTE", bytes(range(6))) if kind == 3 else b""
    text = chunk(b"tEXt", b"Comment\0galaxy")
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + palette + text +
            chunk(b"IDAT", zlib.compress(row * height)) + chunk(b"IEND", b""))


def jpegs():
    """The smallest galaxies of the sample set, cut to what a fuzzer can chew."""
    with tarfile.open(ROOT / "tests/data/galaxies3.tar") as tar:
        files = [m for m in tar.getmembers() if m.isfile()]
        return tar.extractfile(min(files, key=lambda m: m.size)).read()


def tar_bytes(mode="w", form=tarfile.USTAR_FORMAT, members=()):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode, format=form) as tar:
        for name, data, kind, link in members:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, link
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue().rstrip(b"\0") + b"\0" * 1024 if mode == "w" else out.getvalue()


def archives():
    image = png()
    plain = [("a/1.png", image, tarfile.REGTYPE, ""), ("b/2.png", image, tarfile.REGTYPE, ""),
             ("c", b"", tarfile.DIRTYPE, "")]
    hostile = [("../x.png", image, tarfile.REGTYPE, ""), ("/y.png", image, tarfile.REGTYPE, ""),
               ("a/l.png", b"", tarfile.SYMTYPE, "/etc/passwd"), ("a/h.png", b"", tarfile.LNKTYPE, "a/1.png"),
               ("a/dev.png", b"", tarfile.CHRTYPE, ""), ("a/1.png", image, tarfile.REGTYPE, "")]
    yield "plain.tar", tar_bytes(members=plain)
    yield "hostile.tar", tar_bytes(members=plain + hostile)
    yield "pax.tar", tar_bytes(form=tarfile.PAX_FORMAT, members=[("ü/" + "n" * 300 + ".png", image, tarfile.REGTYPE, "")])
    yield "gnu.tar", tar_bytes(form=tarfile.GNU_FORMAT, members=[("g/" + "n" * 300 + ".png", image, tarfile.REGTYPE, "")])
    yield "plain.tar.gz", gzip.compress(tar_bytes(members=plain), mtime=0)
    for name, method in (("stored.zip", zipfile.ZIP_STORED), ("deflated.zip", zipfile.ZIP_DEFLATED)):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", method) as archive:
            for path in ("a/1.png", "b/2.png", "../z.png"):
                archive.writestr(zipfile.ZipInfo(path), image, method)
        yield name, out.getvalue()


def fits_file(shape, bitpix=-32, cards=(), values=None):
    """An image by hand; `shape` with the slowest first."""
    lines = ["SIMPLE  =                    T", f"BITPIX  = {bitpix:20d}", f"NAXIS   = {len(shape):20d}"]
    lines += [f"NAXIS{i + 1}  = {side:20d}" for i, side in enumerate(reversed(shape))]
    header = "".join(f"{line:80s}" for line in lines + list(cards) + ["END"]).encode()
    count = 1
    for side in shape:
        count *= side
    code = {8: "B", 16: "h", 32: "i", -32: "f", -64: "d"}[bitpix]
    data = struct.pack(f">{count}{code}", *(values or [i % 97 for i in range(count)]))
    return header + b" " * (-len(header) % 2880) + data + b"\0" * (-len(data) % 2880)


def fits():
    plane = fits_file((6, 5))
    yield "plane", plane
    yield "cube", fits_file((3, 4, 4), bitpix=16, cards=["BSCALE  =                  0.5", "BZERO   =                32768",
                                                         "BLANK   =                    7"])
    yield "double", fits_file((1, 3, 3), bitpix=-64, values=[float("nan"), float("inf"), -1e300, 1e300, 0, 1, 2, 3, 4])
    yield "bands", b"SKYBANDS\n" + b"".join(struct.pack("<Q", len(plane)) + plane for _ in range(2))
    yield "claims", plane.replace(b"NAXIS1  =                    5", b"NAXIS1  =                16384")


def shards():
    image = png()
    members = [("a.png", image), ("a.cls", b"3\n"), ("J00+01.5.image.png", image), ("J00+01.5.labels.json",
               b'{"k": "spiral", "v": 8.57E-04, "n": null, "b": true, "o": {"x": [1]}}')]
    yield "shard.tar", tar_bytes(members=[(name, data, tarfile.REGTYPE, "") for name, data in members])
    yield "bad.tar", tar_bytes(members=[("a.png", image, tarfile.REGTYPE, ""), ("a.json", b'{"k": [[[', tarfile.REGTYPE, "")])


def safetensors():
    def file(header, data):
        return b"\1" + struct.pack("<Q", len(header)) + header + data
    two = json.dumps({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
                      "b": {"dtype": "BF16", "shape": [1, 2], "data_offsets": [8, 12]},
                      "__metadata__": {"k": "v"}}).encode()
    yield "two", file(two, b"x" * 12)
    yield "empty", file(b"{}", b"")
    yield "overlap", file(two.replace(b"[8, 12]", b"[4, 8]"), b"x" * 12)
    yield "huge", file(two.replace(b"[2]", b"[18446744073709551615]"), b"x" * 12)
    yield "long", b"\0" + struct.pack("<Q", 1 << 63) + two
    yield "deep", file(b"[" * 2000, b"")


def spools():
    def frame(kind, payload):
        return b"\0" * 4 + struct.pack("<I", len(payload) + 1) + bytes([kind]) + payload
    head = b"SKYSPOOL" + struct.pack("<II", 1, 7) + b"\0" * 4
    yield "frames", b"\1" + head + frame(1, b"event") + frame(2, b"record" * 20)
    yield "torn", b"\1" + head + frame(1, b"event") + frame(1, b"x" * 100)[:40]
    yield "absurd", b"\1" + head + b"\0" * 4 + struct.pack("<I", 0xFFFFFFFF) + b"\1abc"
    yield "zeros", b"\1" + head + frame(1, b"a") + b"\0" * 600
    yield "raw", b"\0" + head + frame(1, b"event")


def experiments():
    for path in sorted((ROOT / "deploy/experiments").glob("*.yaml"))[:4]:
        yield path.name, path.read_bytes()
    yield "override", b"name: a\ntrain: {epochs: 3}\n\0train.epochs=4"
    yield "laughs", b"a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\nd: [*c,*c]\n"
    yield "deep", b"[" * 300 + b"]" * 300
    yield "cycle", b"a: &a [*a]\n"
    yield "not_utf8", b"name: \xff\xfe\n"
    yield "twice", b"name: a\nname: b\n---\nname: c\n"


def main(folder):
    def put(target, items):
        for name, data in items:
            path = pathlib.Path(folder) / target / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)

    put("archive", archives())
    put("fits", fits())
    put("webdataset", shards())
    put("safetensors", safetensors())
    put("spool", spools())
    put("experiment", experiments())
    put("image", [("rgb.png", png()), ("palette.png", png(kind=3)), ("grey16.png", png(kind=0, depth=16)),
                  ("bit.png", png(kind=0, depth=1)), ("alpha.png", png(kind=6, interlace=1)),
                  ("claims.png", png(claim=(60000, 60000))), ("galaxy.jpg", jpegs())])
    put("csv", [("iris", b"".join((ROOT / "tests/data/iris.csv").read_bytes().splitlines(True)[:8])),
                ("quotes", b'\xef\xbb\xbfid,"a ""b""",class\r\n1,"x,y",s\r\n2,"two\nlines",t\r\n'),
                ("wide", b",".join(b"c%d" % i for i in range(200)) + b"\n" + b",".join([b"1"] * 199 + [b"x"]) + b"\n"),
                ("open", b'a,b\n1,"never closes'), ("nul", b"a,b\n1,\0\n")])
    put("names", [("job", b"jobs/galaxies-7k2m"), ("model", b"models/galaxies-7k2m/versions/12"), ("short", b"galaxies@3"),
                  ("blob", b"blobs/" + b"0123456789abcdef" * 4), ("up", b"jobs/../../etc"), ("big", b"a@99999999999")])
    put("filter", [("all", b"state=QUEUED AND owner!=a* AND labels.run>=3 AND create_time>2026-01-31"),
                   ("quoted", b"labels.'a b'=\"x\\\"y\" AND priority<=-5"), ("time", b"create_time<2026-01-31T18:00:00Z"),
                   ("bad", b"state=NOPE AND")])
    put("chunks", [("whole", bytes([0, 12, 0, 255, 255]) + bytes([3, 8]) + b"abcdefgh" + bytes([3, 4]) + b"ijkl"),
                   ("resumed", bytes([0, 12, 4]) + b"abcd" + bytes([255, 255]) + bytes([8, 0, 16, 8]) + b"abcdefgh"),
                   ("full", bytes([0, 60, 0, 0, 9]) + bytes([3, 8]) + b"abcdefgh" + bytes([3, 4]) + b"ijkl"),
                   ("damaged", bytes([0, 12, 0, 255, 255]) + bytes([66, 8]) + b"abcdefgh"),
                   ("far", bytes([0, 12, 0, 255, 255]) + bytes([33]) + b"\x7f" + b"\xff" * 7 + bytes([4]) + b"abcd")])
    manifest = b"\x0a\x01x"

    def part(data):
        return struct.pack("<Q", len(data)) + data

    def names(*values):
        return part(b"".join(part(v) for v in values))
    index = (part(manifest) + names(b"a", b"b") + names(b"train") + names(b"1", b"2") +
             part(struct.pack("<ii", 0, 1)) + part(struct.pack("<ii", -1, 0)) + names() + part(b"") +
             part(struct.pack("<ff", 1, 2)) + part(struct.pack("<4d", 1, 2, 3, 4)) +
             part(struct.pack("<ii", 0, 0)) + part(struct.pack("<QQ", 5, 6)))
    head = b"SKYCACHE" + struct.pack("<IIQQQII", 4, 0, 2, 0, len(index), 3, 1)
    wrap = b"SKYCACHE" + struct.pack("<IIQQQII", 4, 1 << 31, 4, 0, len(index), 3, 1)
    put("cache", [("two", head + index), ("wraps", wrap + index), ("short", head + index[:40])])
    event = b"\x08\x02\x3a\x06\x0a\x04\x08\x01\x10\x02"
    put("events", [("one", b"\x00\x01" + b"\x0a" + bytes([len(event)]) + event),
                   ("varint", b"\x00\x02" + b"\x08" + b"\xff" * 9 + b"\x01"),
                   ("long", b"\x01\x00" + b"\x0a\xff\xff\xff\xff\x0f" + event), ("group", b"\x00\x00\x0b\x0c")])
    metrics = b"\x0a\x01a\x12\x01\x00\x1a\x01\x07\x22\x08" + struct.pack("<d", 0.5) + b"\x2a\x01\x01"
    fold = {"metrics": b"\x1a\x02\x08\x05\x52" + bytes([len(metrics)]) + metrics, "log": b"\x5a\x04\x08\x01\x1a\x00",
            "progress": b"\x7a\x09\x0a\x05train\x28\x01", "not_utf8": b"\x52\x03\x0a\x01\xff"}
    put("fold", [(name, struct.pack(">H", len(e)) + e + struct.pack(">H", len(e)) + e) for name, e in fold.items()])
    names = b"train/a/1.png\ntrain/b/2.png\nval/a/3.jpg\n!val/b/4.png\nval/c/\n"
    table = b"id,class,split\n1,a,train\n2,b,train\n3,a,val\n4,b,\n"
    put("labels", [("folders", b"\0" + names), ("joined", b"\0" + names + b"\0" + table),
                   ("splits", b"\1" + names + b"\0" + table), ("guess", b"\2" + names + b"\0id,class\n1,2\n2,10\n"),
                   ("twice", b"\0a/1.png\na/1.jpg\nb/1.png\n\0id,class\n1,a\n1,b\n"), ("loose", b"\0root/x.png\nroot/a/y.png\n")])


if __name__ == "__main__":
    main(sys.argv[1])
