"""The words of a command line: which of them belong to which option."""

import argparse
import sys
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

from cyfes.cli.console import shown
from cyfes.errors import InputError


class List(argparse.Action):
    """An option that takes a list: given again, it adds its entries."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        """Append what was given."""
        setattr(namespace, self.dest, [*(getattr(namespace, self.dest) or []), values])

    def takes(self, word: str) -> bool:
        """Whether a further word, separated by a blank, is an entry: numbers are, names are not."""
        from cyfes.units import parse_number

        try:
            parse_number(word.partition(",")[0], "")
        except InputError:
            return False
        return True


class Told(argparse.Action):
    """An option with a default, of which ``told_NAME`` says whether it was given."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        """Take what was given."""
        setattr(namespace, self.dest, values)
        setattr(namespace, f"told_{self.dest}", True)


class Files(List):
    """A list of files, as a shell makes of ``HILLS.*``."""

    def takes(self, word: str) -> bool:
        """Whether a further word is a file: any that is no option."""
        return word == "-" or not word.startswith("-")


class Box(List):
    """A region, whose words are separated by commas only: given again, it adds one."""

    def takes(self, word: str) -> bool:
        """No further word belongs to it."""
        del word
        return False


class Parser(argparse.ArgumentParser):
    """A parser whose errors a terminal can show."""

    def error(self, message: str) -> NoReturn:
        """End with the usage and a message."""
        super().error(shown(message, sys.stderr))


class Command(Parser):
    """A parser for values that begin with a dash, lists of several words, and files anywhere.

    An option that takes one value is refused if it is given twice.
    """

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str], namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse the words in an order that argparse understands."""
        return super().parse_known_args(self.arranged(args), namespace)

    def arranged(self, words: Sequence[str]) -> list[str]:
        """Return ``words`` with every value as ``--option=value`` and the files at the end."""
        options: list[str] = []
        files: list[str] = []
        rest = deque(words)
        while rest:
            word = rest.popleft()
            if word == "--":
                files += rest
                break
            action = self._option_of(word)
            if action is not None and action.nargs != 0:
                options += self._values(word, action, rest)
            else:
                self._check_dashes(word)
                (options if word[:1] == "-" and word != "-" else files).append(word)
        self._refuse_repeated(options)
        return [*options, "--", *files] if files else options

    def _check_dashes(self, word: str) -> None:
        if word[:1] == "-" and f"-{word.partition('=')[0]}" in self._option_string_actions:
            raise InputError(f"{word}: options begin with two dashes, -{word}")

    def _option_of(self, word: str) -> argparse.Action | None:
        """The option that a word names, in full or as far as is needed; None for any other word."""
        name = word.partition("=")[0]
        known = self._option_string_actions
        if name in known or not name.startswith("--"):
            return known.get(name)
        found = [action for option, action in known.items() if option.startswith(name)]
        return found[0] if len(found) == 1 else None

    def _values(self, word: str, action: argparse.Action, rest: deque[str]) -> Iterator[str]:
        """The option with its value, which may be the next word, and further entries of a list."""
        name, attached, value = word.partition("=")
        name = action.option_strings[-1]
        if not attached:
            if not rest or rest[0] in self._option_string_actions:
                yield name  # argparse says that a value is missing
                return
            value = rest.popleft()
        if value == "--":  # argparse would drop it
            raise InputError(f"{name}: '--' is no value")
        yield f"{name}={value}"
        while rest and isinstance(action, List) and action.takes(rest[0]):
            yield f"{name}={rest.popleft()}"

    def _refuse_repeated(self, options: list[str]) -> None:
        for name, times in Counter(option.partition("=")[0] for option in options).items():
            action = self._option_string_actions.get(name)
            one_value = action is not None and action.nargs != 0 and not isinstance(action, List)
            if one_value and times > 1:
                raise InputError(f"{name} is given {times} times; it takes one value")
