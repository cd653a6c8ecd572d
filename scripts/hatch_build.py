"""The hatchling hooks: they make the fork's wheel out of the pinned upstream distribution in the build environment.

Promises: metadata is upstream's but for the version and the summary, whatever lies beside pyproject.toml; the wheel
holds the composed package, nothing else, and the source distribution the files that pyproject.toml lists, the patches
and our own package; both are opened again when they are done, and must hold just that. An editable install lays the
tree and points at it. Whatever is refused ends the build with one sentence on the error stream, no traceback, and no
file left behind. No network, no git.

The distribution is `<upstream>.0+background.<n>`. `openai.__version__` stays upstream's, because the client sends it in
its headers (User-Agent, X-Stainless-Package-Version) and the fork sends the same bytes as the release it is made from.
"""

from __future__ import annotations

import os
import re
import sys
import tarfile
import zipfile
from typing import Any, Mapping, Generator
from pathlib import Path
from tempfile import TemporaryDirectory
from contextlib import suppress, contextmanager
from collections import Counter

from hatchling.metadata.spec import project_metadata_from_core_metadata
from hatchling.metadata.plugin.interface import MetadataHookInterface
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).resolve().parent))

from forktools import Refusal, pin, compose, installed  # noqa: E402

# What the fork says itself. All else is said as upstream says it.
OURS = ("name", "version", "description", "license-files")
SUMMARY = "A fork of openai {0}, not published by OpenAI: failed background runs raise typed errors"

# Set by scripts/bootstrap, which may be run in the middle of an edit, and has laid the tree already.
KEEP_EDITS = "OPENAI_FORK_KEEP_EDITS"

# What hatchling lets take the place of pyproject.toml's settings, or leave out the build's hook; that of the metadata is
# asked all the same.
FILE, VARIABLE = "hatch.toml", "HATCH_BUILD_NO_HOOKS"

# What hatchling adds to an archive.
_MADE = re.compile(
    r"PKG-INFO|openai-[^/]+\.dist-info/(METADATA|RECORD|WHEEL|licenses/LICENSE|licenses/NOTICE|extra_metadata/UPSTREAM)"
)


@contextmanager
def _refusals(output: str, *made: str) -> Generator[None]:
    try:
        yield
    except (Refusal, OSError) as error:
        with suppress(OSError):
            for archive in made:
                os.remove(archive)
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
            for off, there in ((FILE, os.path.lexists(root / FILE)), (VARIABLE, VARIABLE in os.environ)):
                if there:
                    raise Refusal(f"{off} can turn off what makes the package, so nothing is built.")
            pinned, upstream = pin.load(root), pin.release(root)
            inherited = project_metadata_from_core_metadata(upstream.metadata)
        metadata.update({field: said for field, said in inherited.items() if field not in OURS})
        metadata["version"] = pinned.version
        metadata["description"] = SUMMARY.format(pinned.upstream)
        metadata["scripts"] = {}  # see pyproject.toml


class ComposedPackage(BuildHookInterface[Any]):
    """The package from pin and patches."""

    _folder: TemporaryDirectory[str] | None = None
    _holds: Mapping[str, bytes]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Composes into a temporary folder for wheel and sdist, or into src/openai for an editable install."""
        root = Path(self.root)
        with _refusals(self.directory):
            upstream = pin.release(root)
            composed = compose.compose(root, upstream)
            if version == "editable":
                compose.lay_missing(root, composed, keep_edits=os.environ.get(KEEP_EDITS) == "1")
                self._holds = {"_openai.pth": str(root / "src").encode()}
                return
            compose.check_own(root, composed, upstream)
            compose.check_notice(root, pin.load(root), composed, upstream)
            self._holds = {path[len(pin.PREFIX) :]: content for path, content in composed.files.items()}
            if self.target_name == "sdist":
                listed = [*self.config.get("files", []), *(f"patches/{name}" for name in compose.patch_texts(root))]
                own = {path: content for path, content in composed.files.items() if path.startswith(compose.OWN)}
                self._holds = {**own, **{path: pin.content(root, path) for path in listed}}
            self._folder = TemporaryDirectory(prefix="openai-fork-")
            tree, rows = Path(self._folder.name, "tree"), Path(self._folder.name, "UPSTREAM")
            for path, content in self._holds.items():
                (tree / path).parent.mkdir(parents=True, exist_ok=True)
                (tree / path).write_bytes(content)
            build_data["force_include"] = {str(tree): "/"}
            if self.target_name == "wheel":
                told = sorted(installed.replaced(upstream.rows, composed.changed).items())
                rows.write_bytes("".join(f"{path},{one}\n" for path, one in told).encode())
                build_data["extra_metadata"][str(rows)] = rows.name

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002
        """Removes the temporary folder, and the archive if it holds anything else than what was composed."""
        if self._folder is not None:
            self._folder.cleanup()
        with _refusals(self.directory, artifact_path):
            check_archive(Path(artifact_path), self._holds)


def check_archive(archive: Path, holds: Mapping[str, bytes]) -> None:
    """Raises Refusal unless the archive holds just these files, each once, and what every archive of its kind has."""
    found: list[tuple[str, bytes | None]]
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            found = [(one.filename, wheel.read(one)) for one in wheel.infolist()]
    else:
        with tarfile.open(archive) as tar:
            files = [(one.name.partition("/")[2], tar.extractfile(one) if one.isfile() else None) for one in tar]
            found = [(name, None if file is None else file.read()) for name, file in files]
    there = Counter((name, content) for name, content in found if not _MADE.fullmatch(name))
    wanted: Counter[tuple[str, bytes | None]] = Counter(holds.items())
    if wrong := sorted({name for name, _ in (there - wanted) + (wanted - there)}):
        raise Refusal(f"{archive.name} holds something else than what was composed: {', '.join(wrong)}.")
