#!/usr/bin/env python3
"""Makes galaxies3.tar and galaxies3_labels.csv out of a Galaxy Zoo 1 sample.

    make_galaxies3.py SOURCE

SOURCE is a folder with smallGZ1.tar (Imagenes/<OBJID>.jpeg, 423x423 pixels) and smallCSV_class.csv (OBJID,CLASS), from
the public repository github.com/Eggochi/Proyecto_Galaxias (folder smallGZ1). Needs Pillow. Writes beside itself; the
choice of galaxies and of the split depends on their ids alone, so the same input gives the same sets.
"""

import csv
import hashlib
import io
import pathlib
import sys
import tarfile

from PIL import Image

CLASSES = {"elliptical": {"0"}, "spiral": {"1", "2"}, "edge_on": {"3"}}
PER_CLASS, TEST_PER_CLASS = 300, 60
CUT = 212      # Pixels: half the width. The galaxy fills only the middle third.
SIDE = 96      # Pixels of a sample.
QUALITY = 85


def shuffled(ids):
    """Orders ids as if at random, but always in the same way."""
    return sorted(ids, key=lambda text: hashlib.sha256(text.encode()).hexdigest())


def sample(image_bytes):
    """The middle of one image as a small JPEG."""
    image = Image.open(io.BytesIO(image_bytes)).convert("RGB")
    left, top = (image.width - CUT) // 2, (image.height - CUT) // 2
    image = image.crop((left, top, left + CUT, top + CUT)).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=QUALITY, optimize=True)
    return out.getvalue()


def add(tar, name, content):
    """One file of a plain ustar, the same bytes on every run."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    info.mode = 0o644
    tar.addfile(info, io.BytesIO(content))


def main(source):
    """Chooses, cuts and packs."""
    here = pathlib.Path(__file__).parent
    # Ids are text: they have 18 digits, more than a double holds.
    with open(source / "smallCSV_class.csv", newline="", encoding="utf-8") as table:
        class_of = {row["OBJID"]: row["CLASS"] for row in csv.DictReader(table)}
    chosen = {}
    for name, numbers in CLASSES.items():
        members = shuffled(text for text, number in class_of.items() if number in numbers)[:PER_CLASS]
        for rank, text in enumerate(members):
            chosen[text] = ("test" if rank < TEST_PER_CLASS else "train", name)
    images = {}
    with tarfile.open(source / "smallGZ1.tar") as tar:
        for member in tar:
            text = pathlib.PurePosixPath(member.name).stem
            if text in chosen:
                images[text] = sample(tar.extractfile(member).read())
    with tarfile.open(here / "galaxies3.tar", "w", format=tarfile.USTAR_FORMAT) as tar:
        add(tar, "CREDITS", (here / "CREDITS.md").read_bytes())
        for text in sorted(chosen, key=lambda text: (chosen[text], text)):
            split, name = chosen[text]
            add(tar, f"{split}/{name}/{text}.jpg", images[text])
    with open(here / "galaxies3_labels.csv", "w", newline="", encoding="utf-8") as table:
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(["OBJID", "class", "split"])
        for text in sorted(chosen):
            writer.writerow([text, chosen[text][1], chosen[text][0]])


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
