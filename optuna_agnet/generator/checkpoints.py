"""Trained generators that workers of a study share: on one machine by themselves, else through an artifact store."""

from __future__ import annotations

import json
import os
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import BinaryIO, Protocol

import torch
from filelock import FileLock
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from optuna_agnet.core.warn_once import WarnOnce
from optuna_agnet.generator.cache import cache_folder
from optuna_agnet.generator.files import checksum, read_tensors, shapes_in

_PATIENCE = 30.0  # seconds, with another worker that trains
_HEADER = 100_000  # bytes that a file may have beyond its tensors


class ArtifactStore(Protocol):
    """What is needed of `optuna.artifacts.FileSystemArtifactStore`, `Boto3ArtifactStore` and the like."""

    def open_reader(self, artifact_id: str) -> BinaryIO: ...  # noqa: D102
    def write(self, artifact_id: str, content_body: BinaryIO) -> None: ...  # noqa: D102
    def remove(self, artifact_id: str) -> None: ...  # noqa: D102


class MachineStore:
    """A folder of the user's cache, where all workers of this machine find what one of them has trained.

    Nobody has asked for it, so it never complains: where the folder can't be used, each worker trains its own. Part of
    a file's name is what decides the last bits of a training: torch's version and vector instructions.

    Args:
        most_bytes: Of all files together; the oldest ones make room for new ones.
    """

    def __init__(self, most_bytes: int = 64 * 2**20) -> None:
        self._most_bytes = most_bytes
        self._kind = f"{torch.__version__}-{torch.backends.cpu.get_cpu_capability()}"

    @property
    def folder(self) -> Path:
        """Beside the generators that were pretrained on first use."""
        return cache_folder() / "rounds"

    def _path(self, artifact_id: str) -> Path:
        return self.folder / f"{artifact_id}-{self._kind}"

    def open_reader(self, artifact_id: str) -> BinaryIO:
        """Raises `FileNotFoundError` for whatever can't be read."""
        try:
            return self._path(artifact_id).open("rb")
        except OSError as error:
            raise FileNotFoundError(artifact_id) from error

    def write(self, artifact_id: str, content_body: BinaryIO) -> None:
        """Whole, or not at all."""
        path = self._path(artifact_id)
        part = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}")
        with suppress(OSError):
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                part.write_bytes(content_body.read())
                part.replace(path)
            finally:
                part.unlink(missing_ok=True)
            self._make_room()

    @contextmanager
    def turn(self, name: str) -> Iterator[None]:
        """Wait while another worker of this machine has its turn at the same; not for ever, should it hang."""
        lock = FileLock(self.folder / f"{name[:1]}.lock")  # few files, whatever the names
        with ExitStack() as stack:
            with suppress(OSError, NotImplementedError):  # `filelock.Timeout` among them
                self.folder.mkdir(parents=True, exist_ok=True)
                stack.enter_context(lock.acquire(timeout=_PATIENCE))
            yield

    def remove(self, artifact_id: str) -> None:
        """Does nothing where there is none."""
        with suppress(OSError):
            self._path(artifact_id).unlink()

    def _make_room(self) -> None:
        held = 0
        for _, size, file in sorted(self._files(), reverse=True):
            held += size
            if held > self._most_bytes:
                file.unlink(missing_ok=True)

    def _files(self) -> Iterator[tuple[float, int, Path]]:
        """Time, bytes and path of each."""
        for file in self.folder.iterdir():
            with suppress(FileNotFoundError):  # removed by another worker
                about = file.stat()
                yield about.st_mtime, about.st_size, file


class Checkpoints:
    """States of training by name, as safetensors files with a checksum.

    A name is a digest of all that a state follows from (`Model`), so a state that is found is the right one, and one
    that is missing is trained again. The same holds where the store can't be reached, a file is damaged or anything
    else in it is not what it should be: that is told once, and nothing is lost but time.

    Args:
        store: Where they are, such as `optuna.artifacts.FileSystemArtifactStore`; whoever may write to it decides what
            the workers' generators propose.

    Example:
        >>> import optuna, tempfile, torch
        >>> folder = tempfile.TemporaryDirectory()
        >>> checkpoints = Checkpoints(optuna.artifacts.FileSystemArtifactStore(folder.name))
        >>> checkpoints.save("first", {"weight": torch.ones(2)})
        >>> checkpoints.load("first", {"weight": torch.zeros(2)})
        {'weight': tensor([1., 1.])}
        >>> checkpoints.load("second", {"weight": torch.zeros(2)}) is None
        True
        >>> folder.cleanup()
    """

    def __init__(self, store: ArtifactStore) -> None:
        missing = [
            name
            for name in ("open_reader", "write", "remove")
            if not callable(getattr(store, name, None))
        ]
        if missing:
            raise TypeError(
                f"artifact_store={store!r} has no {', '.join(missing)}: give one of optuna.artifacts, such as"
                " FileSystemArtifactStore(folder)"
            )
        self._store = store
        self._saved: list[str] = []
        self._warn_once = WarnOnce()

    def load(self, name: str, like: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
        """The tensors of a name, on the CPU; None where there are none with the names and shapes of ``like``."""
        limit = sum(tensor.nbytes for tensor in like.values()) + _HEADER
        try:
            with self._store.open_reader(_id(name)) as reader:
                content = reader.read(limit + 1)
            if len(content) > limit:
                raise ValueError(f"it has more than {limit:,} bytes")
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "checkpoint.safetensors"
                path.write_bytes(content)
                return _read(path, like)
        except Exception as error:  # of a store or a network: a search does not die of it
            if _is_missing(error):
                return None
            self._warn(f"the shared generator '{_id(name)}' can't be read", error)
            return None

    def turn(self, name: str) -> AbstractContextManager[None]:
        """Where it can be known that another worker is about to `save`, wait for that."""
        return self._store.turn(name) if isinstance(self._store, MachineStore) else nullcontext()

    def save(self, name: str, tensors: Mapping[str, Tensor]) -> None:
        """Write tensors under a name; of those that were saved here, all but the last two names are removed."""
        tensors = {key: tensor.detach().cpu().contiguous() for key, tensor in tensors.items()}
        about = json.dumps({"sha256": checksum(tensors)})
        try:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "checkpoint.safetensors"
                save_file(tensors, str(path), metadata={"optuna_agnet": about})
                with path.open("rb") as file:
                    self._store.write(_id(name), file)
            self._saved.append(name)
            while len(self._saved) > 2:
                self._remove(self._saved.pop(0))
        except Exception as error:
            self._warn(f"the trained generator '{_id(name)}' can't be shared", error)

    def _remove(self, name: str) -> None:
        try:
            self._store.remove(_id(name))
        except FileNotFoundError:  # another worker was faster
            return
        except Exception as error:
            if not _is_missing(error):
                raise

    def _warn(self, what: str, error: Exception) -> None:
        self._warn_once(
            "store",
            f"{what} ({type(error).__name__}: {error}): this worker trains its own instead, which gives the same"
            " results and takes longer. Later troubles of this kind are not shown",
        )


def _id(name: str) -> str:
    return f"agnet-{name}"


def _is_missing(error: Exception) -> bool:
    """Whether a store has no artifact of a name."""
    from optuna.artifacts.exceptions import ArtifactNotFound  # the search itself knows no Optuna

    return isinstance(error, (ArtifactNotFound, FileNotFoundError))


def _read(path: Path, like: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of a file whose names and shapes are checked before they are read, and their checksum behind that."""
    with safe_open(str(path), "pt") as file:
        expected = json.loads((file.metadata() or {})["optuna_agnet"])["sha256"]
    if shapes_in(path) != {name: list(tensor.shape) for name, tensor in like.items()}:
        raise ValueError("it holds tensors of other names or shapes")
    tensors = read_tensors(path, expected)
    return {name: tensor.to(like[name].dtype) for name, tensor in tensors.items()}
