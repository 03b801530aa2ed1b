"""A real search: cells trained on digits, hopeless ones stopped early; stored, so that a second run goes on."""

import argparse
from pathlib import Path

import optuna
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch.nn.functional import cross_entropy

from optuna_agnet import AGNetPruner, AGNetSampler, build_model, spaces
from optuna_agnet.visualization import plot_architecture, plot_curves

SPACE = spaces.nas_bench_201()
IMAGES, LABELS = (torch.as_tensor(a) for a in load_digits(return_X_y=True))
IMAGES = IMAGES.float().reshape(-1, 1, 8, 8) / 16
LEARN, TEST = train_test_split(range(len(LABELS)), test_size=0.3, random_state=0, stratify=LABELS)
TRAIN, VALID = train_test_split(LEARN, test_size=0.3, random_state=0, stratify=LABELS[LEARN])


def train(arch, rows, epochs, channels=8, each_epoch=lambda epoch, model: None):
    """The network after the last epoch; ``each_epoch`` is called after every one."""
    torch.manual_seed(0)
    model = build_model(SPACE, arch, in_channels=1, channels=channels, cells_per_stage=1, stages=2)
    optimizer, steps = torch.optim.Adam(model.parameters()), len(rows) // 64
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.01, epochs * steps)
    for epoch in range(1, epochs + 1):
        for batch in torch.as_tensor(rows)[torch.randperm(len(rows))].split(64)[:steps]:
            optimizer.zero_grad()
            cross_entropy(model.train()(IMAGES[batch]), LABELS[batch]).backward()
            optimizer.step()
            schedule.step()
        each_epoch(epoch, model.eval())
    return model


@torch.no_grad()
def accuracy(model, rows):
    return (model(IMAGES[rows]).argmax(1) == LABELS[rows]).double().mean().item()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=30, help="trials to add")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=Path("demo"))
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    optuna.logging.set_verbosity(optuna.logging.WARNING)

    settings = {"study_name": "digits", "direction": "maximize", "load_if_exists": True}
    sampler = AGNetSampler(SPACE, seed=0)
    settings |= {"sampler": sampler, "pruner": AGNetPruner(sampler)}
    study = optuna.create_study(storage=f"sqlite:///{args.folder}/digits.db", **settings)
    print(f"resuming at {len(study.trials)} trials" if study.trials else "a new study")

    def objective(trial):
        def report(epoch, model):
            trial.report(accuracy(model, VALID), epoch)
            if trial.should_prune():
                raise optuna.TrialPruned

        return accuracy(train(SPACE.suggest(trial), TRAIN, args.epochs, each_epoch=report), VALID)

    study.optimize(objective, args.trials, show_progress_bar=True)
    best = SPACE.from_params(study.best_params)
    saved = [args.epochs - t.last_step for t in study.trials if t.state.name == "PRUNED"]
    print(f"best of {len(study.trials)} trials: validation accuracy {study.best_value:.2%}, {best}")
    print(f"stopped early: {len(saved)} trials, which saved {sum(saved)} epochs")
    plot_architecture(best).write_html(args.folder / "best_cell.html", include_plotlyjs=True)
    plot_curves(study).write_html(args.folder / "curves.html", include_plotlyjs=True)
    score = accuracy(train(best, LEARN, 2 * args.epochs), TEST)
    print(f"retrained on {len(LEARN)} images: {score:.2%} on {len(TEST)} held-out images")
    print(f"drawn to {args.folder}/best_cell.html and curves.html")


if __name__ == "__main__":
    main()
