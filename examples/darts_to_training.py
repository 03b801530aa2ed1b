"""From search to training: the best DARTS cells of a training-free study are built and trained.

python examples/darts_to_training.py                                 # scikit-learn's digits, a minute
python examples/darts_to_training.py --images DIR                    # DIR/train/CLASS/*.jpg and DIR/val/CLASS
python examples/darts_to_training.py --imagenet DIR --queries 208    # the paper's recipe (C.5), for large GPUs
A stopped run goes on: the study is in SQLite, training in a checkpoint after every epoch.
"""

import argparse
import math
from pathlib import Path

import torch
from image_folder import load
from torch.nn.functional import cross_entropy
from tqdm import tqdm
from training_free import SPACE, best_trial, study_of

from optuna_agnet import build_model

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
RECIPE = ("epochs", "batch", "lr", "decay", "channels", "cells", "side", "stem")
SMALL = dict(zip(RECIPE, (4, 64, 0.05, 3e-4, 8, 1, 32, "cifar"), strict=True))
# Of TE-NAS (Chen et al. 2021), which the paper takes over.
IMAGENET = dict(zip(RECIPE, (250, 768, 0.5, 3e-5, 48, 4, 224, "imagenet"), strict=True))


def train(model, batches, valid, args, file):
    warm, total = max(1, min(5, args.epochs // 10)), args.epochs
    optimizer = torch.optim.SGD(model.parameters(), args.lr, 0.9, weight_decay=args.decay)
    parts = {"model": model, "optimizer": optimizer}
    saved = torch.load(file, DEVICE, weights_only=True) if file.exists() else {"epoch": 0}
    for name in parts.keys() & saved.keys():
        parts[name].load_state_dict(saved[name])
    print(f"{file}: {saved['epoch']} of {total} epochs done")
    for epoch in range(saved["epoch"], total):
        torch.manual_seed(epoch)  # a resumed run sees what an uninterrupted one sees
        cosine = (1 + math.cos(math.pi * epoch / total)) / 2
        optimizer.param_groups[0]["lr"] = args.lr * cosine * min(1, (epoch + 1) / warm)
        for x, y in tqdm(batches, f"epoch {epoch + 1} of {total}", leave=False):
            heads = model.train()(x.to(DEVICE))  # the classifier's and the auxiliary one's logits
            losses = [cross_entropy(head, y.to(DEVICE), label_smoothing=0.1) for head in heads]
            optimizer.zero_grad()
            (losses[0] + 0.4 * losses[1]).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimizer.step()
        state = {name: part.state_dict() for name, part in parts.items()}
        torch.save({**state, "epoch": epoch + 1}, file.with_suffix(".part"))
        file.with_suffix(".part").replace(file)
        with torch.no_grad():
            hits = torch.cat([model.eval()(x.to(DEVICE)).argmax(1).cpu() == y for x, y in valid])
        print(f"epoch {epoch + 1}: loss {losses[0]:.3f}, accuracy {hits.double().mean():.2%}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("images", "imagenet"):
        parser.add_argument(f"--{name}", type=Path)
    for name, default in {"folder": Path("demo"), "queries": 12, "workers": 0, **SMALL}.items():
        parser.add_argument(f"--{name}", type=type(default), default=default)
    if parser.parse_args().imagenet:
        parser.set_defaults(**IMAGENET)
    args = parser.parse_args()
    root = args.imagenet or args.images
    study = study_of(root and root / "train", args.folder, args.queries)
    arch = SPACE.from_params(best_trial(study).params)
    data = load(root, args.side, args.batch, args.workers)
    classes = len(data[0].dataset.classes) if root else 10
    size = {"channels": args.channels, "cells_per_stage": args.cells, "stem": args.stem}
    heads = {"num_classes": classes, "in_channels": 3 if root else 1, "auxiliary": True}
    torch.manual_seed(0)
    model = build_model(SPACE, arch, **size, **heads)
    print(f"{arch}\n{sum(p.numel() for p in model.parameters()):,} parameters")
    file = args.folder / f"{root.name if root else 'digits'}_{arch.key}.pt"
    train(model.to(DEVICE), *data, args, file)


if __name__ == "__main__":
    main()
