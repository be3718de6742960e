"""Pictures and the AnyRes tiles transformers' own image processor (PIL) cuts from them."""

import hashlib
import json

import numpy as np
from PIL import Image
from transformers.models.llava_onevision.image_processing_llava_onevision import LlavaOnevisionImageProcessor

from . import pictures

NINE = [[rows, columns] for rows in (1, 2, 3) for columns in (1, 2, 3)]
THIRTY_SIX = [[rows, columns] for rows in range(1, 7) for columns in range(1, 7)]
FIVE = [[1, 2], [2, 1], [2, 2], [3, 1], [1, 3]]

PICTURES = {
    "noise-37x53": pictures.noise(37, 53, 1),
    "noise-61x44": pictures.noise(61, 44, 2),
    "noise-16x16": pictures.noise(16, 16, 3),
    "gradient-640x480": pictures.gradient(640, 480),
    "gradient-1x7": pictures.gradient(1, 7),
    "gradient-300x40": pictures.gradient(300, 40),
    "drawing-384x384": pictures.drawing(384, 384, "exactly one tile"),
    "drawing-1280x720": pictures.drawing(1280, 720, "a wide picture with some text in it"),
    "drawing-90x210": pictures.drawing(90, 210, "tall"),
}

# Formats that lose something: what PIL reads back is the picture.
LOSSY = {
    "drawing-123x77.jpg": (pictures.drawing(123, 77, "as a camera has it"), {"quality": 85, "subsampling": 2}),
    "noise-45x60.jpg": (pictures.noise(45, 60, 4), {"quality": 70, "subsampling": 1, "progressive": True}),
    "drawing-64x200.webp": (pictures.drawing(64, 200, "webp"), {"quality": 80}),
}

SETTINGS = [
    {"tile": 384, "pinpoints": NINE, "resample": 3},
    {"tile": 384, "pinpoints": FIVE, "resample": 2},
    {"tile": 56, "pinpoints": THIRTY_SIX, "resample": 3},
    {"tile": 56, "pinpoints": NINE, "resample": 2},
    {"tile": 30, "pinpoints": FIVE, "resample": 3},
]


def tiles_of(picture, setting):
    """uint8 [n, tile, tile, 3]."""
    processor = LlavaOnevisionImageProcessor(
        size={"height": setting["tile"], "width": setting["tile"]},
        image_grid_pinpoints=[[setting["tile"] * side for side in pair] for pair in setting["pinpoints"]],
        resample=setting["resample"],
        do_rescale=False,
        do_normalize=False,
    )
    batch = processor(images=[picture], return_tensors="np")["pixel_values"][0]
    pixels = np.asarray(batch).transpose(0, 2, 3, 1)
    if not np.array_equal(pixels, pixels.round()):
        raise SystemExit("the processor's raw pixels are not whole numbers")
    return np.ascontiguousarray(pixels.astype(np.uint8))


def make_tiles(folder):
    """Write the pictures and tiles.json: a sha256 and the sums of the pixels for every picture and setting."""
    files = {}
    for name, picture in PICTURES.items():
        picture.save(folder / f"{name}.png", optimize=True)
        files[f"{name}.png"] = picture
    for file, (picture, options) in LOSSY.items():
        picture.save(folder / file, **options)
        files[file] = Image.open(folder / file).convert("RGB")
    cases = []
    for file, picture in files.items():
        for setting in SETTINGS:
            tiles = tiles_of(picture, setting)
            cases.append(
                {
                    "picture": file,
                    "tileSize": setting["tile"],
                    "pinpoints": [[setting["tile"] * side for side in pair] for pair in setting["pinpoints"]],
                    "resample": "bicubic" if setting["resample"] == 3 else "bilinear",
                    "numTiles": len(tiles),
                    "sha256": hashlib.sha256(tiles.tobytes()).hexdigest(),
                }
            )
    (folder / "tiles.json").write_text("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n")
    print(f"tiles: {len(cases)} cases")
