#!/usr/bin/env python3
"""Writes the Parquet files beside it (needs pyarrow, numpy and Pillow): small, with one of each thing that a reader must get right.

    make_parquet.py [FOLDER]
"""

import datetime
import io
import json
import pathlib
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

IDS = [588848901537202306, 588848901537202307, 588848901537202308, 588848901537202309]
CLASSES = ["smooth", "spiral", "edge_on"]


def jpeg(i):
    x, y = np.meshgrid(np.arange(24), np.arange(24))
    pixels = np.stack([np.full_like(x, 40 * i), 10 * x, 10 * y], axis=-1).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=95)
    return out.getvalue()


def images(rows, labels, name=lambda i: f"g{i}.jpg"):
    notes = {"info": {"features": {"image": {"_type": "Image"}, "label": {"names": CLASSES, "_type": "ClassLabel"}}}}
    table = pa.table({
        "image": pa.array([{"bytes": jpeg(i), "path": name(i)} for i in rows], pa.struct({"bytes": pa.binary(), "path": pa.string()})),
        "label": pa.array(labels, pa.int64()),
        "vote": pa.array([i / 7 for i in rows], pa.float32()),
    })
    return table.replace_schema_metadata({"huggingface": json.dumps(notes)})


def main(folder):
    (folder / "images").mkdir(exist_ok=True)
    catalog = pa.table({
        "objid": pa.array(IDS, pa.int64()),
        "kind": pa.array(["a", "b", "a", "b"]).dictionary_encode(),
        "vote": pa.array([0.1, 8.57e-04, None, 1 / 3], pa.float64()),
        "small": pa.array([0.1, 0.2, float("nan"), 1.0], pa.float32()),
        "ring": pa.array([True, False, None, True]),
        "seen": pa.array([datetime.date(2020, 1, day) for day in (1, 2, 3, 4)]),
        "list": pa.array([[1], [2], [3], [4]]),
    })
    pq.write_table(catalog, folder / "catalog.parquet", row_group_size=3, compression="zstd")
    # Features and a class: a table of its own.
    pq.write_table(pa.table({"x": pa.array([1, 2, 3, 4, 5, 6], pa.int32()), "y": pa.array([.5, .25, 2, 3, 4, 5], pa.float64()),
                             "kind": ["a", "b"] * 3}), folder / "features.parquet")
    pq.write_table(pa.table({"x": pa.array([1.0, float("nan"), 3.0]), "kind": ["a", "b", "a"]}), folder / "nan.parquet")
    pq.write_table(images(range(3), [0, 2, 0]), folder / "images" / "train-00000-of-00002.parquet", row_group_size=2)
    pq.write_table(images(range(3, 5), [2, 0]), folder / "images" / "train-00001-of-00002.parquet")
    pq.write_table(images(range(5, 7), [0, 2]), folder / "images" / "test-00000-of-00001.parquet")
    pq.write_table(images(range(3), [0, -1, 7]), folder / "bad_label.parquet")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parent)
