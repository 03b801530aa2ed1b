"""Images for the two examples on DARTS cells: folders, read with Pillow alone, or scikit-learn's digits.

python examples/image_folder.py DIR/train    # checks a folder before a long run: CLASS/NAME.jpg in it
"""

import argparse
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageEnhance
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, Dataset, Subset, TensorDataset

MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])  # ImageNet's
KINDS = {".jpg", ".jpeg", ".png"}


class Folder(Dataset):
    """Images DIR/CLASS/NAME; for training cropped, flipped and jittered as in Chen et al. 2021, hue apart."""

    def __init__(self, root: Path, side: int, train: bool = False) -> None:
        self.files = sorted(f for f in root.glob("*/*") if f.suffix.lower() in KINDS)
        if not self.files:
            raise SystemExit(f"{root} holds no images: put them into {root}/CLASS/NAME.jpg or .png")
        self.classes = sorted({file.parent.name for file in self.files})
        self.labels = [self.classes.index(file.parent.name) for file in self.files]
        self.side, self.train = side, train

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, i: int) -> tuple[torch.Tensor, int]:
        image = Image.open(self.files[i]).convert("RGB")
        x, y, crop, flip = 0.5, 0.5, 0.875, False
        if self.train:
            x, y, area, luck, *jitter = torch.rand(7).tolist()
            crop, flip = (0.08 + 0.92 * area) ** 0.5, luck < 0.5
            for kind, j in zip(("Brightness", "Contrast", "Color"), jitter, strict=True):
                image = getattr(ImageEnhance, kind)(image).enhance(0.6 + 0.8 * j)
        size = crop * min(image.size)
        left, top = x * (image.width - size), y * (image.height - size)
        image = image.resize((self.side, self.side), box=(left, top, left + size, top + size))
        pixels = (np.asarray(image)[:, :: -1 if flip else 1] / 255 - MEAN) / STD
        return torch.tensor(pixels.transpose(2, 0, 1), dtype=torch.float32), self.labels[i]


def load(root: Path | None, side: int, batch: int, workers: int = 0) -> list[DataLoader]:
    """Batches for training and for validation, of ROOT/train and ROOT/val or of the digits."""
    if root:
        train, valid = Folder(root / "train", side, train=True), Folder(root / "val", side)
        if train.classes != valid.classes:
            raise SystemExit(f"{root}/train and {root}/val must have folders of the same names")
    else:
        rows = range(len(data := digits()))
        train, valid = Subset(data, [i for i in rows if i % 5]), Subset(data, rows[::5])
    last = {"drop_last": len(train) > batch, "shuffle": True}
    return [DataLoader(d, batch, num_workers=workers, **m) for d, m in ((train, last), (valid, {}))]


def digits() -> TensorDataset:
    """1,797 images (1, 8, 8) of ten digits."""
    images, labels = (torch.as_tensor(a) for a in load_digits(return_X_y=True))
    images = images.float().reshape(-1, 1, 8, 8)
    return TensorDataset((images - images.mean()) / images.std(), labels)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("images", type=Path)
    data = Folder(parser.parse_args().images, side=32)
    counts = Counter(data.labels)
    print(f"{len(data)} images of {len(counts)} classes, {min(counts.values())} or more of each")


if __name__ == "__main__":
    main()
