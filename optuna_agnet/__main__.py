"""``python -m optuna_agnet``: the command line."""

from optuna_agnet.cli import main

if __name__ == "__main__":
    main(prog_name="optuna-agnet")
