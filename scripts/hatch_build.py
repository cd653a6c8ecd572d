"""The hatchling hooks: they make the fork's wheel out of the pinned upstream distribution in the build environment.

Promises: metadata is upstream's but for the version and the summary; the wheel
holds the composed package, nothing else, and the source distribution the files that pyproject.toml lists, the patches
and our own package; both are opened again when they are done, and must hold just that. An editable install lays the
tree and points at it. Whatever is refused ends the build with one sentence on the error stream, no traceback, and no
file left behind. No network, no git.

The distribution is `<upstream>.0+background.<n>`. `openai.__version__` stays upstream's, because the client sends it in
its headers (User-Agent, X-Stainless-Package-Version) and the fork sends the same bytes as the release it is made from.
"""

from __future__ import annotations

import os
import sys
import tarfile
import zipfile
from typing import Any, Mapping, Generator
from pathlib import Path
from tempfile import TemporaryDirectory
from contextlib import suppress, contextmanager

from hatchling.metadata.spec import project_metadata_from_core_metadata
from hatchling.metadata.plugin.interface import MetadataHookInterface
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).resolve().parent))

from forktools import Refusal, pin, compose  # noqa: E402

# What the fork says as upstream says it. The rest (name, licence files) is in pyproject.toml.
INHERITED = (
    "readme",
    "requires-python",
    "license",
    "authors",
    "classifiers",
    "urls",
    "dependencies",
    "optional-dependencies",
)
SUMMARY = "A fork of openai {0}, not published by OpenAI: failed background runs raise typed errors"

# Set by scripts/bootstrap, which may be run in the middle of an edit, and has laid the tree already.
KEEP_EDITS = "OPENAI_FORK_KEEP_EDITS"

# In the wheel's .dist-info: upstream's own rows for the files that are others here, from which scripts/verify gets the
# pinned SHA-256 again.
ROWS = "extra_metadata/UPSTREAM"
INFO = ("METADATA", "RECORD", "WHEEL", "licenses/LICENSE", "licenses/NOTICE", ROWS)


@contextmanager
def _refusals(output: str) -> Generator[None]:
    try:
        yield
    except (Refusal, OSError, RecursionError) as error:
        with suppress(OSError):
            os.rmdir(output)  # a front end or hatchling has made it; one that holds anything stays
        said = f"{error.filename}: {error.strerror}." if isinstance(error, OSError) else error
        # Not an exception: front ends would show a traceback of the back end around the one sentence.
        raise SystemExit(f"openai fork: {said}") from None


class UpstreamMetadata(MetadataHookInterface):
    """The version from the pin, the rest from the pinned distribution's metadata."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Fills the dynamic fields of the project table."""
        root = Path(self.root)
        with _refusals(os.path.join(self.root, "dist")):
            pinned = pin.load(root)
            found = pin.find(pinned.upstream)
            pin.prove(found, pin.load_record(root))
            inherited = project_metadata_from_core_metadata(pin.metadata(found))
        metadata["version"] = pinned.version
        metadata["description"] = SUMMARY.format(pinned.upstream)
        metadata.update({key: inherited[key] for key in INHERITED if key in inherited})


class ComposedPackage(BuildHookInterface[Any]):
    """The package from pin and patches."""

    _folder: TemporaryDirectory[str] | None = None
    _holds: Mapping[str, bytes]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Composes into a temporary folder for wheel and sdist, or into src/openai for an editable install."""
        root = Path(self.root)
        with _refusals(self.directory):
            pinned = pin.load(root)
            found = pin.find(pinned.upstream)
            pin.prove(found, pin.load_record(root))
            upstream = pin.read(found)
            composed = compose.compose(root, upstream)
            if version == "editable":
                compose.lay_missing(root, composed, keep_edits=os.environ.get(KEEP_EDITS) == "1")
                self._holds = {"_openai.pth": str(root / pin.PREFIX).rstrip(os.sep).encode()}
                return
            compose.check_own(root, composed, upstream)
            compose.check_notice(root, pinned, composed, upstream)
            self._holds = self._source(root, composed) if self.target_name == "sdist" else dict(composed.package())
            self._folder = TemporaryDirectory(prefix="openai-fork-")
            for path, content in self._holds.items():
                self._write(path, content)
            if self.target_name == "sdist":
                build_data["force_include"] = {str(Path(self._folder.name, path)): path for path in self._holds}
                return
            build_data["force_include"][str(Path(self._folder.name, pin.PACKAGE))] = pin.PACKAGE
            build_data["extra_metadata"][self._write("UPSTREAM", replaced(pin.rows(found), composed))] = "UPSTREAM"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002
        """Removes the temporary folder, and the archive if it holds anything else than what was composed."""
        if self._folder is not None:
            self._folder.cleanup()
        with _refusals(self.directory):
            try:
                check_archive(Path(artifact_path), self._holds, editable=version == "editable")
            except Refusal:
                os.remove(artifact_path)
                raise

    def _write(self, path: str, content: bytes) -> str:
        assert self._folder is not None
        target = Path(self._folder.name, path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        return str(target)

    def _source(self, root: Path, composed: compose.Composed) -> dict[str, bytes]:
        listed: list[str] = [*self.config.get("files", []), *(f"patches/{name}" for name in compose.patch_texts(root))]
        if bad := [path for path in listed if not pin.plain(path)]:
            raise Refusal(f"{pin.PYPROJECT} lists {bad[0]!r} for the source distribution, which is no plain path.")
        own = {path: content for path, content in composed.files.items() if path.startswith(compose.OWN)}
        return {**own, **{path: pin.content(root, path) for path in listed}}


def replaced(rows: Mapping[str, str], composed: compose.Composed) -> bytes:
    """Upstream's rows for the files that are not upstream's in the fork's wheel."""
    changed = {path[len(pin.PREFIX) :] for path in composed.changed}
    kept = {path: one for path, one in rows.items() if path in changed or not path.startswith(f"{pin.PACKAGE}/")}
    return "".join(f"{path},{one}\n" for path, one in sorted(kept.items())).encode()


def check_archive(archive: Path, holds: Mapping[str, bytes], *, editable: bool) -> None:
    """Raises Refusal unless the archive holds just these files and what every archive of its kind has."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            names = wheel.namelist()
            files = {name: wheel.read(name) for name in names}
        top = f"{'-'.join(archive.name.split('-')[:2])}.dist-info/"
        made = {f"{top}{name}" for name in INFO} - ({f"{top}{ROWS}"} if editable else set[str]())
    else:
        files: dict[str, bytes] = {}
        names: list[str] = []
        with tarfile.open(archive) as tar:
            for member in tar:
                name = member.name.partition("/")[2]
                content = tar.extractfile(member) if member.isfile() else None
                names.append(name)
                files[name] = content.read() if content else b""
        made = {"PKG-INFO"}
    if len(names) != len(files):
        raise Refusal(f"{archive.name} holds a name twice.")
    for path in sorted({*files, *holds, *made}):
        if path not in files:
            raise Refusal(f"{archive.name} lacks {path}.")
        if path not in holds and path not in made:
            raise Refusal(f"{archive.name} holds {path}, which neither pin nor patches put there.")
        if path in holds and not (files[path] == holds[path] or (editable and files[path].strip() == holds[path])):
            raise Refusal(f"{archive.name} holds another {path} than was composed.")
