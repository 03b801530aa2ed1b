"""The command line: ``optuna-agnet`` and ``python -m optuna_agnet``.

What needs torch or Optuna is imported inside the commands, so that ``--help`` answers at once.
"""

from __future__ import annotations

from typing import Any

import click

from optuna_agnet.cli.generators import generator_report, pretrain
from optuna_agnet.cli.problems import search
from optuna_agnet.cli.studies import export, report
from optuna_agnet.core.version import VERSION


class _Commands(click.Group):
    """Errors of the input become one line and exit code 1; ``--traceback`` shows where they come from."""

    def invoke(self, ctx: click.Context) -> Any:
        from sqlalchemy.exc import SQLAlchemyError

        try:
            return super().invoke(ctx)
        except (ValueError, ImportError, OSError, SQLAlchemyError) as error:
            if ctx.params["traceback"]:
                raise
            raise click.ClickException(str(error).splitlines()[0]) from None


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="optuna-agnet")
@click.option("--traceback", is_flag=True, help="Show a full traceback on errors.")
def main(traceback: bool) -> None:
    """Neural architecture search with AG-Net and Optuna.

    Exit codes: 0 done, 1 the input can't be used (no such database, study, ...), 2 wrong usage.
    """


for command in (export, generator_report, pretrain, report, search):
    main.add_command(command)
