"""AG-Net without Optuna: ask, evaluate however you like, tell; the state is plain JSON.

python examples/ask_tell.py --trials 20
"""

import argparse
import json
import tempfile
from pathlib import Path

from optuna_agnet import AGNet, Architecture, spaces

SPACE = spaces.EdgeCell(nodes=4, ops=("none", "skip", "conv", "pool"))


def score(arch: Architecture) -> float:
    """Stands for your training: likes convolutions, a skip connection, and no pooling at the end."""
    ops = arch.nodes[1:-1]
    return ops.count("conv") + 1.5 * (ops[3] == "skip") - 2.0 * (ops[5] == "pool")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=20)
    args = parser.parse_args()
    file = Path(tempfile.mkdtemp()) / "agnet.json"

    search = AGNet(SPACE, seed=0)
    for _ in range(args.trials // 2):
        arch = search.ask()
        search.tell(arch, score(arch))
    file.write_text(json.dumps(search.state_dict()))
    print(f"after {args.trials // 2} evaluations: best {search.best[1]}, saved to {file}")

    # Tomorrow, on another machine:
    search = AGNet.from_state_dict(SPACE, json.loads(file.read_text()))
    told = args.trials // 2
    while told < args.trials:
        batch = search.ask(min(4, args.trials - told))  # several at once, for several workers
        for arch in batch:
            search.tell(arch, score(arch))
        told += len(batch)
    arch, values = search.best
    print(f"after {told} evaluations: best {values}")
    print(f"best cell: {arch}")


if __name__ == "__main__":
    main()
