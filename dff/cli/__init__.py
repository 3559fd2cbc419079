"""The command line: `python -m dff ...`, one file a command.

Exit status: 0 done, 1 nothing found or a check failed, 2 wrong use or bad input, 3 an error of DFF
itself, 130 stopped with Ctrl-C. Errors are one line on stderr; of one that nobody foresaw the
details are in a log (`dff.troubles`). Commands import what is heavy when they run, so that --help
answers at once.
"""

import os
import sys
import traceback
from collections.abc import Sequence

from dff.cli import app, doctor, evaluate, factorize, index, search
from dff.cli.common import Parser, complain
from dff.threads import prepare

FAULT = 3
STOPPED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status. arguments: by default the process's own."""
    prepare()
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = build_parser()
    try:
        args = parser.parse_args(given)
        args.given = given
        args.prog = parser.prog
        status: int = args.run(args)
        sys.stdout.flush()  # here, where a closed pipe is still our business
        return status
    except SystemExit as end:  # of argparse: --help, or wrong use, which it has reported
        return int(end.code or 0)
    except KeyboardInterrupt:
        complain("stopped")
        return STOPPED
    except BrokenPipeError:  # `dff search ... | head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        complain(f"{error.filename}: {error.strerror}" if error.filename else str(error))
        return 2
    except ValueError as error:  # what the package raises for bad input, with what to do
        complain(str(error))
        return 2
    except Exception as error:
        _tell(error)
        return FAULT


def _tell(error: Exception) -> None:
    """One line on an error that nobody foresaw, and where its details are."""
    from dff.troubles import new_id, shortened, trouble_of, write_down

    id = new_id()
    log = write_down(error, id)
    if log is None:  # nothing can be written: then they are here
        traceback.print_exception(error)
        complain(trouble_of(error).sentence(id, "the details are above."))
    else:
        where = f"the details are in {shortened(log)}, to be sent with `dff doctor`."
        complain(trouble_of(error).sentence(id, where))


def build_parser() -> Parser:
    """The parser of all commands; each adds its own."""
    as_module = os.path.basename(sys.argv[0]) == "__main__.py"
    parser = Parser(
        prog="python -m dff" if as_module else "dff",
        description="See which regions a network finds in a picture, which other pictures share "
        "them, where in those pictures they are, and what each pair adds to the score.",
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in (factorize, index, search, evaluate, app, doctor):
        command.add_to(commands)
    return parser
