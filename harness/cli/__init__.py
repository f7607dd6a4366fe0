"""The command line: parses, composes, turns errors into exit codes. No logic lives here; commands load when used."""

from __future__ import annotations

import importlib
import io
import os
import sys
from typing import Any, NoReturn

import click

from harness.errors import ExitCode, HarnessError

__all__ = ["cli", "main"]

_COMMANDS = {
    "init": ("harness.cli.init", "Write a starter for a system of your own"),
    "doctor": ("harness.cli.doctor", "Say what is missing for which stage and how to get it"),
    "schema": ("harness.cli.schema", "Print the JSON Schema of harness.toml"),
    "plan": ("harness.cli.plan", "Show which stages would run, in what order and why"),
    "up": ("harness.cli.up", "Start the system and keep it running until Ctrl-C"),
    "run": ("harness.cli.run", "Run the pipeline, or some of its stages, to one verdict"),
    "report": ("harness.cli.report", "Write the reports of a past run again"),
    "diff": ("harness.cli.diff", "Say what two versions of an API document changed, and whom that breaks"),
    "baseline": ("harness.cli.baseline", "Accept today's API documents as the committed baselines"),
    "usage": ("harness.cli.usage", "Show which consumer uses which part of an API, and what nobody uses"),
    "compare": ("harness.cli.compare", "Check pacts against the provider's API document, nothing running"),
    "toxiproxy": ("harness.cli.toxiproxy", "Run the built-in Toxiproxy-compatible server"),
}


class _LazyGroup(click.Group):
    """Imports a command's module only when that command runs, so that `--help` answers at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = importlib.import_module(_COMMANDS[cmd_name][0]).command
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        from harness.errors import did_you_mean

        if args and args[0] not in _COMMANDS and not args[0].startswith("-"):
            ctx.fail(f'there is no command "{args[0]}".{did_you_mean(args[0], _COMMANDS)}')
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, help_text) for name, (_, help_text) in _COMMANDS.items()])


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="release-harness", prog_name="harness")
def cli() -> None:
    """Release one microservice, alone, and know that nothing breaks.

    Exit codes: 0 pass or warn, 1 fail, 2 usage or configuration, 3 inconclusive or infrastructure, 130 interrupted.
    """


def main() -> NoReturn:
    """Entry point of the `harness` command; expected errors are caught here, once."""
    _open_standard_streams()
    out = sys.stdout
    try:
        code = cli(standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Abort:
        code = ExitCode.INTERRUPTED
    except click.ClickException as error:
        told = io.StringIO()
        error.show(told)
        click.echo(_shown(told.getvalue()), err=True, nl=False)
        code = ExitCode.USAGE
    except HarnessError as error:
        click.echo(f"harness: {_shown(str(error))}", err=True)
        code = error.exit_code
    except KeyboardInterrupt:
        code = ExitCode.INTERRUPTED
    except SystemExit as end:
        # click puts another stream there and exits with 1 when nobody reads any more, which is fine (`harness plan | head -1`).
        code = end.code if sys.stdout is out else ExitCode.OK
    except OSError as error:  # nobody reads any more, or the disk that standard output goes to is full
        code = _cannot_write(error)
    sys.exit(code if isinstance(code, int) else ExitCode.OK)


def _shown(text: str) -> str:
    """An error's text as a terminal may show it: it may quote logs, URLs and commands."""
    from harness.evidence import masked_text

    return masked_text(text, 20_000)


def _open_standard_streams() -> None:
    """Put the null device where a standard stream was closed (`harness run >&-`): the next file would take its place."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number: this one
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)


def _cannot_write(error: OSError) -> ExitCode:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is still in the buffer has nowhere to go
    if isinstance(error, BrokenPipeError):
        return ExitCode.OK
    click.echo(f"harness: {error.strerror or error}" + (f": {error.filename}" if error.filename else ""), err=True)
    return ExitCode.INCONCLUSIVE
