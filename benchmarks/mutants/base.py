"""One change, and what it is of the code and of the tests that a verdict hangs on."""

from __future__ import annotations

import hashlib
from dataclasses import astuple, dataclass
from pathlib import Path

PACKAGE = "optuna_agnet"


@dataclass(frozen=True, slots=True)
class Mutant:
    """A change to one file that some test must notice.

    Args:
        name: What is wrong with it.
        file: Below the package.
        old: Text that the file holds once ...
        new: ... and what stands there instead.
        tests: What is run, below ``tests``: files or single tests, with blanks between them.
    """

    name: str
    file: str
    old: str
    new: str
    tests: str

    @property
    def targets(self) -> list[str]:
        """The tests as arguments of pytest."""
        return [f"tests/{target}" for target in self.tests.split()]

    def source(self, root: Path) -> Path:
        """The file that it changes."""
        return root / PACKAGE / self.file

    def applied(self, root: Path) -> str:
        """The file's text with the change.

        Raises:
            ValueError: The file does not hold the old text exactly once.
        """
        text = self.source(root).read_text()
        if text.count(self.old) != 1:
            raise ValueError(
                f"'{self.name}': {self.file} holds {self.old!r} {text.count(self.old)} times, not once: the code has"
                " changed, and the mutant must follow"
            )
        return text.replace(self.old, self.new)

    def check(self, root: Path) -> None:
        """The change fits, and its tests are there.

        Raises:
            ValueError: Names what does not.
        """
        self.applied(root)
        for target in self.targets:
            name, _, test = target.partition("::")
            file = root / name
            if not file.is_file() or f"def {test}" not in file.read_text():
                raise ValueError(
                    f"'{self.name}': there is no {target}; name the test that must notice it"
                )

    def digest(self, root: Path) -> str:
        """Of the change, the changed file and the tests: with another one, an old verdict says nothing."""
        files = [self.source(root), *{root / t.partition("::")[0] for t in self.targets}]
        parts = [*map(str, astuple(self)), *(file.read_text() for file in sorted(files))]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
